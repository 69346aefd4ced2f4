//! Counters. Labels stand in the name, between `_=_`, from where Envoy's `stats_tags` take them.
//! All label values are bounded: regions, models of the configuration, statuses, reasons.

use std::{cell::RefCell, collections::HashMap};

use log::error;
use proxy_wasm::{hostcalls, types::MetricType};

thread_local! {
    /// Defining a metric twice makes two of it: ids are kept.
    static IDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// Counts an answered request, whatever the answer.
pub(super) fn count_request(region: &str, model: &str, status: u16) {
    count(format!("attache_requests_region_=_{region}_=_model_=_{model}_=_status_=_{status}_="));
}

/// Counts an error that was told to a client.
pub(super) fn count_error(reason: &str) {
    count(format!("attache_errors_reason_=_{reason}_="));
}

fn count(name: String) {
    let id = IDS.with_borrow(|ids| ids.get(&name).copied()).or_else(|| define(name));
    if let Some(Err(status)) = id.map(|id| hostcalls::increment_metric(id, 1)) {
        error!("cannot count: {status:?}");
    }
}

fn define(name: String) -> Option<u32> {
    let id = hostcalls::define_metric(MetricType::Counter, &name).ok()?;
    IDS.with_borrow_mut(|ids| ids.insert(name, id));
    Some(id)
}
