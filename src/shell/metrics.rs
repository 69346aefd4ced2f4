//! Metrics. Labels stand in the name, between `_=_`, from where Envoy's `stats_tags` take them: an
//! operator's templates and this file agree on the words.
//! All label values are bounded: names of the configuration, regions, statuses, reasons.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use json_repair::FlawKind;
use log::error;
use proxy_wasm::{hostcalls, types::MetricType};

use crate::{gateway::AttemptReason, quota::Counted, region::Region, time::millis};

thread_local! {
    /// Defining a metric twice makes two of it: ids are kept.
    static REQUESTS: RefCell<HashMap<(Region, u16), HashMap<String, Counter>>> = RefCell::default();
    static ATTEMPTS: RefCell<HashMap<(Region, Region), Counter>> = RefCell::default();
    /// Those that are rare enough to be found by their whole name.
    static COUNTERS: RefCell<HashMap<String, Counter>> = RefCell::default();
    static HISTOGRAMS: RefCell<HashMap<String, Histogram>> = RefCell::default();
}

/// A number that grows. `None`: the host would not have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter(Option<u32>);

impl Counter {
    /// The counter with this name.
    pub(super) fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Counter, name).ok())
    }

    /// Adds to it. A host call for nothing is none.
    pub(super) fn add(self, amount: u64) {
        let Some(id) = self.0.filter(|_| amount > 0) else { return };
        let amount = amount.try_into().unwrap_or(i64::MAX);
        if let Err(status) = hostcalls::increment_metric(id, amount) {
            error!("cannot count: {status:?}");
        }
    }
}

/// How often a value was within which bounds: those of `histogram_bucket_settings` in Envoy's
/// configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Histogram(Option<u32>);

impl Histogram {
    /// The histogram with this name.
    pub(super) fn define(name: &str) -> Self {
        Self(hostcalls::define_metric(MetricType::Histogram, name).ok())
    }

    /// Takes in a value.
    pub(super) fn record(self, value: u64) {
        let Some(id) = self.0 else { return };
        if let Err(status) = hostcalls::record_metric(id, value) {
            error!("cannot record: {status:?}");
        }
    }

    /// Takes in a time.
    pub(super) fn time(self, span: Duration) {
        self.record(millis(span));
    }
}

/// Counts an answered request, whatever the answer.
pub(super) fn count_request(region: Region, model: &str, status: u16) {
    let known = REQUESTS.with_borrow(|all| all.get(&(region, status))?.get(model).copied());
    let define = || {
        let place = region.name();
        let counter = Counter::define(&format!(
            "attache_requests_region_=_{place}_=_model_=_{model}_=_status_=_{status}_="
        ));
        REQUESTS.with_borrow_mut(|all| {
            all.entry((region, status)).or_default().insert(model.to_owned(), counter);
        });
        counter
    };
    known.unwrap_or_else(define).add(1);
}

/// Takes in how long a client waited for an answer.
pub(super) fn time_answer(model: &str, total: Duration) {
    of_request(REQUEST, model).time(total);
}

/// Takes in how long a client waited for an error.
pub(super) fn time_error(model: &str, reason: &str, total: Duration) {
    histogram(&format!("{REQUEST}_asked_=_{model}_=_error_=_{reason}_=")).time(total);
}

/// From the whole request to the end of the answer.
pub(super) const REQUEST: &str = "gen_ai_server_request_duration_milliseconds";

/// From the whole request to the first content of a stream.
pub(super) const FIRST_CONTENT: &str = "gen_ai_server_time_to_first_token_milliseconds";

/// From the request to the provider to the end of its answer.
pub(super) const ATTEMPT: &str = "gen_ai_client_operation_duration_milliseconds";

/// Tokens of an answer, by what they were for.
pub(super) const TOKENS: &str = "gen_ai_client_token_usage";

/// Counts a request about which the rate limit service could not be asked.
pub(super) fn count_unasked() {
    count("attache_rate_limit_service_failures");
}

/// Counts an attempt that an account might not make.
pub(super) fn count_refused(account: Option<&str>, model: &str, used_up: Counted) {
    let (account, counted) = (of_account(account), used_up.name());
    count(&format!("attache_rate_limited{account}_model_=_{model}_=_counted_=_{counted}_="));
}

/// The label of an account. `None`: the operator does not want to know it.
pub(super) fn of_account(account: Option<&str>) -> String {
    account.map(|account| format!("_account_=_{account}_=")).unwrap_or_default()
}

/// Counts an attempt where it is made: which gateway's, and how far the data went.
pub(super) fn count_attempt(home: Region, reached: Region) {
    let known = ATTEMPTS.with_borrow(|all| all.get(&(home, reached)).copied());
    let define = || {
        let (from, to) = (home.name(), reached.name());
        let name = format!("attache_attempts_region_=_{from}_=_reached_=_{to}_=");
        let counter = Counter::define(&name);
        ATTEMPTS.with_borrow_mut(|all| all.insert((home, reached), counter));
        counter
    };
    known.unwrap_or_else(define).add(1);
}

/// Counts a call for a transcript.
pub(super) fn count_transcript(region: Region) {
    count(&format!("attache_transcripts_region_=_{}_=", region.name()));
}

/// Counts an error that was told to a client.
pub(super) fn count_error(reason: &str) {
    count(&format!("attache_errors_reason_=_{reason}_="));
}

/// Counts an attempt that failed, whether or not the client ever hears of it, and how long it took.
pub(super) fn count_failure(provider: &str, model: &str, reason: &str, took: Duration) {
    count(&format!(
        "attache_failures_provider_=_{provider}_=_model_=_{model}_=_reason_=_{reason}_="
    ));
    let of_attempt = format!("{ATTEMPT}_asked_=_{model}_=_by_=_{provider}_=_error_=_{reason}_=");
    histogram(&of_attempt).time(took);
}

/// Counts a kind of flaw that was mended in an answer.
pub(super) fn count_repair(kind: FlawKind) {
    count(&format!("attache_repairs_kind_=_{}_=", kind.name()));
}

/// Counts an attempt that follows another, by the cluster it goes to.
pub(super) fn count_next(why: AttemptReason, cluster: &str) {
    let kind = match why {
        AttemptReason::Retry => "retries",
        AttemptReason::Fallback => "fallbacks",
        AttemptReason::Hedge => "hedges",
    };
    count(&format!("attache_{kind}_cluster_=_{cluster}_="));
}

fn count(name: &str) {
    let known = COUNTERS.with_borrow(|all| all.get(name).copied());
    let define = || {
        let counter = Counter::define(name);
        COUNTERS.with_borrow_mut(|all| all.insert(name.to_owned(), counter));
        counter
    };
    known.unwrap_or_else(define).add(1);
}

/// How long clients waited who asked for a model.
pub(super) fn of_request(name: &str, model: &str) -> Histogram {
    histogram(&format!("{name}_asked_=_{model}_="))
}

/// A histogram that is not needed for every answer.
fn histogram(name: &str) -> Histogram {
    let known = HISTOGRAMS.with_borrow(|all| all.get(name).copied());
    known.unwrap_or_else(|| {
        let histogram = Histogram::define(name);
        HISTOGRAMS.with_borrow_mut(|all| all.insert(name.to_owned(), histogram));
        histogram
    })
}
