//! The host's metrics.

use std::rc::Rc;

use log::error;
use proxy_wasm::{hostcalls, types::MetricType};

use crate::metrics::{MetricHost, MetricKind, Metrics};

thread_local! {
    /// Metrics of this VM, which all its root contexts share.
    pub(super) static METRICS: Rc<Metrics> = Rc::new(Metrics::new(HostMetrics));
}

/// Host calls for metrics.
#[derive(Debug)]
struct HostMetrics;

impl MetricHost for HostMetrics {
    fn define(&self, kind: MetricKind, name: &str) -> Option<u32> {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Histogram => MetricType::Histogram,
        };
        hostcalls::define_metric(kind, name).ok()
    }

    fn add(&self, counter: u32, amount: u64) {
        let amount = amount.try_into().unwrap_or(i64::MAX);
        if let Err(status) = hostcalls::increment_metric(counter, amount) {
            error!("cannot count: {status:?}");
        }
    }

    fn record(&self, histogram: u32, value: u64) {
        if let Err(status) = hostcalls::record_metric(histogram, value) {
            error!("cannot record: {status:?}");
        }
    }
}
