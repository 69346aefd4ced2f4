//! What the provider role tells of an attempt: metrics, and a line for logs, traces and bills.

use std::rc::Rc;

use super::{host, meter::Meter, metrics, note_error};
use crate::{
    provider::{Attempt, Site},
    reply::Reply,
    summary::{HEADER, Summary},
};

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
pub(super) fn replied(site: &Site, attempt: &Attempt, route: Route, reply: &mut Reply) {
    let (meter, summary) = (meter(site, attempt), attempt.summary());
    let reason = reply.reason.as_deref();
    if attempt.has_ended() {
        count(site, attempt, &meter, reason);
    }
    match route {
        Route::Call => reply.headers.push((HEADER, summary.to_line())),
        Route::Router => host::tell(&summary.to_line(), &site.config.telemetry),
    }
    if route == Route::Router && (reason.is_none() || attempt.is_streamed()) {
        metrics::count_request(site.region, attempt.model(), reply.status);
        meter.begun(&summary);
        serve(&meter, &summary, reason);
    }
}

/// A stream whose beginning the client has came to its end.
pub(super) fn ended(site: &Site, attempt: &Attempt, reason: Option<&str>) {
    let (meter, summary) = (meter(site, attempt), attempt.summary());
    count(site, attempt, &meter, reason);
    host::tell(&summary.to_line(), &site.config.telemetry);
    serve(&meter, &summary, reason);
}

/// The same, where it was cut off; without a reason, by its client.
pub(super) fn cut_off(site: &Site, attempt: &Attempt, reason: Option<&str>) {
    meter(site, attempt).spent(&attempt.summary());
    if let Some(reason) = reason {
        count_failure(site, attempt, reason);
    }
}

/// An attempt failed of which the client never hears.
pub(super) fn failed(site: &Site, attempt: &Attempt, reason: &str) {
    count(site, attempt, &meter(site, attempt), Some(reason));
}

/// Counts the attempts that the account might not make in the place of this one.
pub(super) fn refused(site: &Site, attempt: &mut Attempt) {
    for (model, used_up) in attempt.take_refused() {
        metrics::count_refused(account(site, attempt), &model, used_up);
    }
}

/// Counts what an attempt took.
fn count(site: &Site, attempt: &Attempt, meter: &Meter, reason: Option<&str>) {
    let summary = attempt.summary();
    meter.spent(&summary);
    match reason {
        None => meter.answered(&summary),
        Some(reason) => count_failure(site, attempt, reason),
    }
}

fn count_failure(site: &Site, attempt: &Attempt, reason: &str) {
    let took = attempt.summary().provider_time.unwrap_or_default();
    metrics::count_failure(&site.provider, attempt.model(), reason, took);
}

/// Counts what a client got, if that is all.
fn serve(meter: &Meter, summary: &Summary<'_>, reason: Option<&str>) {
    note_error(reason);
    match (reason, summary.total) {
        (Some(reason), Some(total)) => metrics::time_error(summary.request_model, reason, total),
        _ => meter.served(summary),
    }
}

fn meter(site: &Site, attempt: &Attempt) -> Rc<Meter> {
    Meter::of(&site.provider, attempt.model(), account(site, attempt))
}

/// Who asks, if the operator wants to know.
fn account<'a>(site: &Site, attempt: &'a Attempt) -> Option<&'a str> {
    site.config.telemetry.per_account.then(|| attempt.account())
}
