//! Counters. Labels stand in the name, between `_=_`, from where Envoy's `stats_tags` take them.
//! All label values are bounded: regions, models of the configuration, statuses, reasons.

use std::{cell::RefCell, collections::HashMap};

use log::error;
use proxy_wasm::{hostcalls, types::MetricType};

use crate::region::Region;

thread_local! {
    /// Defining a metric twice makes two of it: ids are kept.
    static REQUESTS: RefCell<HashMap<(Region, u16), HashMap<String, u32>>> = RefCell::default();
    static ERRORS: RefCell<HashMap<&'static str, u32>> = RefCell::default();
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

/// Counts an error that was told to a client.
pub(super) fn count_error(reason: &'static str) {
    let known = ERRORS.with_borrow(|ids| ids.get(reason).copied());
    count(known.or_else(|| {
        let id = define(&format!("attache_errors_reason_=_{reason}_="))?;
        ERRORS.with_borrow_mut(|ids| ids.insert(reason, id));
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
