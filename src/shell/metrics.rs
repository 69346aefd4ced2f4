//! Counters. Labels stand in the name, between `_=_`, from where Envoy's `stats_tags` take them.
//! All label values are bounded: regions, models of the configuration, statuses, reasons.

use std::{cell::RefCell, collections::HashMap};

use log::error;
use proxy_wasm::{hostcalls, types::MetricType};

use crate::{exchange::Why, region::Region, repair::Kind};

thread_local! {
    /// Defining a metric twice makes two of it: ids are kept.
    static REQUESTS: RefCell<HashMap<(Region, u16), HashMap<String, u32>>> = RefCell::default();
    static ATTEMPTS: RefCell<HashMap<(Region, Region), u32>> = RefCell::default();
    /// Those that are rare enough to be found by their whole name.
    static NAMED: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// Counts an answered request, whatever the answer.
pub(super) fn count_request(region: Region, model: &str, status: u16) {
    let known = REQUESTS.with_borrow(|ids| ids.get(&(region, status))?.get(model).copied());
    count(known.or_else(|| {
        let place = region.name();
        let id = define(&format!(
            "attache_requests_region_=_{place}_=_model_=_{model}_=_status_=_{status}_="
        ))?;
        REQUESTS.with_borrow_mut(|ids| {
            ids.entry((region, status)).or_default().insert(model.to_owned(), id);
        });
        Some(id)
    }));
}

/// Counts a request about which the rate limit service could not be asked.
pub(super) fn count_unasked() {
    count_named("attache_rate_limit_service_failures");
}

/// Counts an attempt where it is made: which gateway's, and how far the data went.
pub(super) fn count_attempt(home: Region, reached: Region) {
    let known = ATTEMPTS.with_borrow(|ids| ids.get(&(home, reached)).copied());
    count(known.or_else(|| {
        let (from, to) = (home.name(), reached.name());
        let id = define(&format!("attache_attempts_region_=_{from}_=_reached_=_{to}_="))?;
        ATTEMPTS.with_borrow_mut(|ids| ids.insert((home, reached), id));
        Some(id)
    }));
}

/// Counts a call for a transcript.
pub(super) fn count_transcript(region: Region) {
    count_named(&format!("attache_transcripts_region_=_{}_=", region.name()));
}

/// Counts an error that was told to a client.
pub(super) fn count_error(reason: &str) {
    count_named(&format!("attache_errors_reason_=_{reason}_="));
}

/// Counts an attempt that failed, whether or not the client ever hears of it.
pub(super) fn count_failure(provider: &str, model: &str, reason: &str) {
    count_named(&format!(
        "attache_failures_provider_=_{provider}_=_model_=_{model}_=_reason_=_{reason}_="
    ));
}

/// Counts a kind of flaw that was mended in an answer.
pub(super) fn count_repair(kind: Kind) {
    count_named(&format!("attache_repairs_kind_=_{}_=", kind.name()));
}

/// Counts an attempt that follows another, by the cluster it goes to.
pub(super) fn count_next(why: Why, cluster: &str) {
    let kind = match why {
        Why::Retry => "retries",
        Why::Fallback => "fallbacks",
        Why::Hedge => "hedges",
    };
    count_named(&format!("attache_{kind}_cluster_=_{cluster}_="));
}

fn count_named(name: &str) {
    let known = NAMED.with_borrow(|ids| ids.get(name).copied());
    count(known.or_else(|| {
        let id = define(name)?;
        NAMED.with_borrow_mut(|ids| ids.insert(name.to_owned(), id));
        Some(id)
    }));
}

fn count(id: Option<u32>) {
    if let Some(Err(status)) = id.map(|id| hostcalls::increment_metric(id, 1)) {
        error!("cannot count: {status:?}");
    }
}

fn define(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}
