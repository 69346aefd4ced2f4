//! What the provider role tells of an attempt: metrics, and a line for logs, traces and bills.

use std::rc::Rc;

use super::{host, meter::Meter, metrics, record_error, recorded_error};
use crate::{handoff::headers::SUMMARY, provider::Attempt, reply::Reply, summary::Summary};

/// How an attempt came here, and so how what there is to say of it gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Through Envoy's router: it shares filter state with the client's request.
    Router,
    /// As a call of the gateway role's, which hears of it by headers and counts for itself what the
    /// client gets.
    Call,
}

/// An attempt has an answer for the client, the beginning of one, or an error. Whether that is the
/// client's, in the answer lane only the gateway role knows.
pub(super) fn replied(attempt: &Attempt, route: Route, reply: &mut Reply) {
    let (meter, summary) = (meter(attempt), attempt.summary());
    let reason = reply.reason.as_deref();
    if attempt.has_ended() {
        count(attempt, &meter, reason);
    }
    match route {
        Route::Call => reply.headers.push((SUMMARY, summary.to_line())),
        Route::Router => host::tell(&summary.to_line(), &attempt.cluster().config.telemetry),
    }
    if route == Route::Router && (reason.is_none() || attempt.is_streamed()) {
        metrics::count_request(attempt.cluster().region, attempt.model(), reply.status);
        meter.begun(&summary);
        serve(&meter, &summary, reason);
    }
}

/// A stream whose beginning the client has came to its end.
pub(super) fn ended(attempt: &Attempt, reason: Option<&str>) {
    let (meter, summary) = (meter(attempt), attempt.summary());
    count(attempt, &meter, reason);
    host::tell(&summary.to_line(), &attempt.cluster().config.telemetry);
    serve(&meter, &summary, reason);
}

/// The same, where it was cut off; without a reason, by its client.
pub(super) fn cut_off(attempt: &Attempt, reason: Option<&str>) {
    let summary = attempt.summary();
    meter(attempt).spent(&summary);
    host::tell(&summary.to_line(), &attempt.cluster().config.telemetry);
    if let Some(reason) = reason {
        count_failure(attempt, reason);
        // Who stopped a stream that was silent for too long has said so.
        if recorded_error().is_none() {
            record_error(Some(reason));
        }
    }
}

/// An attempt failed of which the client never hears.
pub(super) fn failed(attempt: &Attempt, reason: &str) {
    count(attempt, &meter(attempt), Some(reason));
}

/// Counts the attempts that the account might not make in the place of this one.
pub(super) fn refused(attempt: &mut Attempt) {
    for (model, used_up) in attempt.take_refused() {
        metrics::count_refused(account(attempt), &model, used_up);
    }
}

/// Counts what an attempt took.
fn count(attempt: &Attempt, meter: &Meter, reason: Option<&str>) {
    let summary = attempt.summary();
    meter.spent(&summary);
    match reason {
        None => meter.answered(&summary),
        Some(reason) => count_failure(attempt, reason),
    }
}

fn count_failure(attempt: &Attempt, reason: &str) {
    let took = attempt.summary().provider_time.unwrap_or_default();
    metrics::count_failure(&attempt.cluster().provider, attempt.model(), reason, took);
}

/// Counts what a client got, if that is all.
fn serve(meter: &Meter, summary: &Summary<'_>, reason: Option<&str>) {
    record_error(reason);
    match (reason, summary.total) {
        (Some(reason), Some(total)) => metrics::time_error(summary.request_model, reason, total),
        _ => meter.served(summary),
    }
}

fn meter(attempt: &Attempt) -> Rc<Meter> {
    Meter::of(&attempt.cluster().provider, attempt.model(), account(attempt))
}

/// Who asks, if the operator wants to know.
fn account(attempt: &Attempt) -> Option<&str> {
    attempt.cluster().config.telemetry.per_account.then(|| attempt.account())
}
