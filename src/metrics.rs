//! Metrics: their names, and the host's numbers for them.
//!
//! Labels are part of the name, between `_=_`. Envoy's `stats_tags` take them from there: see
//! `envoy/templates/envoy.yaml`. The values of all labels are bounded: names of the configuration,
//! regions, statuses and reasons.

mod model;

use std::{cell::RefCell, collections::HashMap, fmt, rc::Rc, time::Duration};

use json_repair::FlawKind;

use crate::{
    config::GuardStage, failover::AttemptReason, quota::Counted, region::Region, time::millis,
};

pub use self::model::ModelMetrics;

/// Duration from the complete request to the end of the answer.
const REQUEST: &str = "gen_ai_server_request_duration_milliseconds";

/// Duration from the complete request to the first content of a stream.
const FIRST_CONTENT: &str = "gen_ai_server_time_to_first_token_milliseconds";

/// Duration from the request to the provider to the end of the response.
const ATTEMPT: &str = "gen_ai_client_operation_duration_milliseconds";

/// Tokens of an answer, by type.
const TOKENS: &str = "gen_ai_client_token_usage";

/// Event that only the gateway role knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelemetryEvent {
    /// An attempt of the gateway role's own has begun.
    Attempted {
        /// Region of the gateway.
        gateway: Region,
        /// Region of the provider.
        reached: Region,
    },
    /// An attempt failed.
    Failed {
        /// Name of the provider.
        provider: String,
        /// Name of the model.
        model: String,
        /// Reason of the error.
        reason: &'static str,
        /// Time until the failure.
        duration: Duration,
    },
    /// An attempt was not made, because a limit of the account is exceeded.
    Refused {
        /// Account of the caller.
        account: String,
        /// Name of the model.
        model: String,
        /// Quantity that the limit counts.
        exceeded: Counted,
    },
    /// An attempt after the first is made.
    FollowUp {
        /// Reason of the attempt.
        reason: AttemptReason,
        /// Cluster that is called.
        cluster: String,
    },
    /// The transcript service of a region is called.
    TranscriptCalled(Region),
    /// The guard of a region was asked about a subject, and has decided.
    Guarded {
        /// Region of the gateway.
        region: Region,
        /// Subject.
        stage: GuardStage,
        /// Word for the decision.
        decision: &'static str,
    },
    /// The rate limit service has not answered.
    ServiceFailed,
}

/// Metrics of a host.
pub trait MetricHost: fmt::Debug {
    /// Defines a metric and returns the host's number for it. A host that is given a name twice
    /// defines two metrics. `None`: the host refuses.
    fn define(&self, kind: MetricKind, name: &str) -> Option<u32>;

    /// Adds to a counter.
    fn add(&self, counter: u32, amount: u64);

    /// Records a value in a histogram.
    fn record(&self, histogram: u32, value: u64);
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Number that grows.
    Counter,
    /// Distribution of values over the buckets of `histogram_bucket_settings` in Envoy's configuration.
    Histogram,
}

/// The host's number for a counter. `None`: the host refused to define the counter.
#[derive(Clone, Copy, Debug)]
struct Counter(Option<u32>);

/// The host's number for a histogram. `None`: the host refused to define the histogram.
#[derive(Clone, Copy, Debug)]
struct Histogram(Option<u32>);

/// All metrics of a VM. Each is defined when it is first used.
#[derive(Debug)]
pub struct Metrics {
    host: Box<dyn MetricHost>,
    /// Counters of answered requests, which every request needs.
    requests: RefCell<HashMap<(Region, u16), HashMap<String, Counter>>>,
    /// Counters of attempts, which every attempt needs.
    attempts: RefCell<HashMap<(Region, Region), Counter>>,
    /// Metrics of models, by provider, model and account.
    models: RefCell<HashMap<String, Rc<ModelMetrics>>>,
    /// Other counters, by their whole names.
    counters: RefCell<HashMap<String, Counter>>,
    /// Other histograms, by their whole names.
    histograms: RefCell<HashMap<String, Histogram>>,
}

impl Metrics {
    /// Creates the metrics of a host. None is defined.
    pub fn new(host: impl MetricHost + 'static) -> Self {
        Self {
            host: Box::new(host),
            requests: RefCell::default(),
            attempts: RefCell::default(),
            models: RefCell::default(),
            counters: RefCell::default(),
            histograms: RefCell::default(),
        }
    }

    /// Counts an answered request.
    pub fn count_request(&self, region: Region, model: &str, status: u16) {
        let known =
            self.requests.borrow().get(&(region, status)).and_then(|all| all.get(model)).copied();
        let define = || {
            let name = region.name();
            let counter = self.counter(&format!(
                "attache_requests_region_=_{name}_=_model_=_{model}_=_status_=_{status}_="
            ));
            let mut requests = self.requests.borrow_mut();
            requests.entry((region, status)).or_default().insert(model.to_owned(), counter);
            counter
        };
        self.add(known.unwrap_or_else(define), 1);
    }

    /// Counts an attempt at a provider, by the regions of the gateway and of the provider.
    pub fn count_attempt(&self, gateway: Region, reached: Region) {
        let known = self.attempts.borrow().get(&(gateway, reached)).copied();
        let define = || {
            let (from, to) = (gateway.name(), reached.name());
            let name = format!("attache_attempts_region_=_{from}_=_reached_=_{to}_=");
            let counter = self.counter(&name);
            self.attempts.borrow_mut().insert((gateway, reached), counter);
            counter
        };
        self.add(known.unwrap_or_else(define), 1);
    }

    /// Counts an attempt that follows another, by the cluster it goes to.
    pub fn count_follow_up(&self, reason: AttemptReason, cluster: &str) {
        let kind = match reason {
            AttemptReason::Retry => "retries",
            AttemptReason::Fallback => "fallbacks",
            AttemptReason::Hedge => "hedges",
        };
        self.count(&format!("attache_{kind}_cluster_=_{cluster}_="));
    }

    /// Counts an error that a client got.
    pub fn count_error(&self, reason: &str) {
        self.count(&format!("attache_errors_reason_=_{reason}_="));
    }

    /// Counts a failed attempt, whether or not the client hears of it, and records its duration.
    pub fn record_failure(&self, provider: &str, model: &str, reason: &str, duration: Duration) {
        self.count(&format!(
            "attache_failures_provider_=_{provider}_=_model_=_{model}_=_reason_=_{reason}_="
        ));
        let of_attempt = attempt_labels(model, provider);
        let name = format!("{ATTEMPT}{of_attempt}_error_=_{reason}_=");
        self.record_duration(self.rare_histogram(&name), duration);
    }

    /// Counts an attempt that a limit of the account forbade. `account` is `None` if accounts are not
    /// told apart.
    pub fn count_refusal(&self, account: Option<&str>, model: &str, exceeded: Counted) {
        let (account, counted) = (account_label(account), exceeded.name());
        self.count(&format!(
            "attache_rate_limited{account}_model_=_{model}_=_counted_=_{counted}_="
        ));
    }

    /// Counts an event of the gateway role. `per_account` says whether accounts are told apart.
    pub fn count_event(&self, event: &TelemetryEvent, per_account: bool) {
        match event {
            TelemetryEvent::Attempted { gateway, reached } => {
                self.count_attempt(*gateway, *reached);
            }
            TelemetryEvent::Failed { provider, model, reason, duration } => {
                self.record_failure(provider, model, reason, *duration);
            }
            TelemetryEvent::Refused { account, model, exceeded } => {
                self.count_refusal(per_account.then_some(account), model, *exceeded);
            }
            TelemetryEvent::FollowUp { reason, cluster } => self.count_follow_up(*reason, cluster),
            TelemetryEvent::TranscriptCalled(region) => {
                self.count(&format!("attache_transcripts_region_=_{}_=", region.name()));
            }
            TelemetryEvent::Guarded { region, stage, decision } => {
                let (region, stage) = (region.name(), stage.name());
                self.count(&format!(
                    "attache_guard_calls_region_=_{region}_=_stage_=_{stage}_=\
                     _decision_=_{decision}_="
                ));
            }
            TelemetryEvent::ServiceFailed => self.count("attache_rate_limit_service_failures"),
        }
    }

    /// Counts a kind of flaw that was repaired in an answer.
    pub fn count_repair(&self, kind: FlawKind) {
        self.count(&format!("attache_repairs_kind_=_{}_=", kind.name()));
    }

    /// Records the time that a client waited for an error.
    pub fn record_error(&self, model: &str, reason: &str, total: Duration) {
        let name = format!("{}_error_=_{reason}_=", request_name(REQUEST, model));
        self.record_duration(self.rare_histogram(&name), total);
    }

    /// Returns the metrics of a model at a provider. `account` is `None` if accounts are not told
    /// apart.
    pub fn model(&self, provider: &str, model: &str, account: Option<&str>) -> Rc<ModelMetrics> {
        let key = [provider, model, account.unwrap_or_default()].join("/");
        let known = self.models.borrow().get(&key).cloned();
        known.unwrap_or_else(|| {
            let metrics = Rc::new(ModelMetrics::new(provider, model, account));
            self.models.borrow_mut().insert(key, Rc::clone(&metrics));
            metrics
        })
    }

    fn counter(&self, name: &str) -> Counter {
        Counter(self.host.define(MetricKind::Counter, name))
    }

    fn histogram(&self, name: &str) -> Histogram {
        Histogram(self.host.define(MetricKind::Histogram, name))
    }

    /// Adds to a counter. Nothing costs no host call.
    fn add(&self, counter: Counter, amount: u64) {
        if let Some(id) = counter.0.filter(|_| amount > 0) {
            self.host.add(id, amount);
        }
    }

    fn record(&self, histogram: Histogram, value: u64) {
        if let Some(id) = histogram.0 {
            self.host.record(id, value);
        }
    }

    fn record_duration(&self, histogram: Histogram, duration: Duration) {
        self.record(histogram, millis(duration));
    }

    /// Counts one in a counter that not every answer needs.
    fn count(&self, name: &str) {
        let known = self.counters.borrow().get(name).copied();
        let define = || {
            let counter = self.counter(name);
            self.counters.borrow_mut().insert(name.to_owned(), counter);
            counter
        };
        self.add(known.unwrap_or_else(define), 1);
    }

    /// Returns a histogram that not every answer needs.
    fn rare_histogram(&self, name: &str) -> Histogram {
        let known = self.histograms.borrow().get(name).copied();
        known.unwrap_or_else(|| {
            let histogram = self.histogram(name);
            self.histograms.borrow_mut().insert(name.to_owned(), histogram);
            histogram
        })
    }
}

/// Returns the label of an account.
fn account_label(account: Option<&str>) -> String {
    account.map(|account| format!("_account_=_{account}_=")).unwrap_or_default()
}

/// Returns the labels of a histogram about attempts.
fn attempt_labels(model: &str, provider: &str) -> String {
    format!("_asked_=_{model}_=_by_=_{provider}_=")
}

/// Returns the name of a histogram about the requests of clients for a model.
fn request_name(name: &str, model: &str) -> String {
    format!("{name}_asked_=_{model}_=")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Host that keeps a list of what was counted and recorded.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct RecordingHost {
        names: Rc<RefCell<Vec<String>>>,
        values: Rc<RefCell<Vec<(String, u64)>>>,
    }

    impl RecordingHost {
        /// Takes the names and values since the last call, in order of the names.
        pub(crate) fn take(&self) -> Vec<(String, u64)> {
            let mut values = self.values.take();
            values.sort();
            values
        }

        fn push(&self, id: u32, value: u64) {
            let name = self.names.borrow()[usize::try_from(id).unwrap()].clone();
            self.values.borrow_mut().push((name, value));
        }
    }

    impl MetricHost for RecordingHost {
        fn define(&self, _kind: MetricKind, name: &str) -> Option<u32> {
            let mut names = self.names.borrow_mut();
            assert!(!names.iter().any(|known| known == name), "{name} is defined twice");
            names.push(name.to_owned());
            u32::try_from(names.len() - 1).ok()
        }

        fn add(&self, counter: u32, amount: u64) {
            self.push(counter, amount);
        }

        fn record(&self, histogram: u32, value: u64) {
            self.push(histogram, value);
        }
    }

    fn names(values: &[(&str, u64)]) -> Vec<(String, u64)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn names_have_their_labels_and_are_defined_once() {
        let host = RecordingHost::default();
        let metrics = Metrics::new(host.clone());
        let span = Duration::from_millis(7);
        for _ in 0..2 {
            metrics.count_request(Region::Us, "gpt-5", 200);
            metrics.count_attempt(Region::Us, Region::Global);
            metrics.count_follow_up(AttemptReason::Retry, "openai-us");
            metrics.count_error("timeout");
            metrics.record_failure("openai", "gpt-5", "timeout", span);
            metrics.count_refusal(Some("acme"), "gpt-5", Counted::Tokens);
            metrics.count_refusal(None, "gpt-5", Counted::Requests);
            metrics.count_event(&TelemetryEvent::ServiceFailed, true);
            metrics.record_error("gpt-5", "timeout", span);
            let expected = [
                ("attache_attempts_region_=_us_=_reached_=_global_=", 1),
                ("attache_errors_reason_=_timeout_=", 1),
                ("attache_failures_provider_=_openai_=_model_=_gpt-5_=_reason_=_timeout_=", 1),
                ("attache_rate_limit_service_failures", 1),
                ("attache_rate_limited_account_=_acme_=_model_=_gpt-5_=_counted_=_tokens_=", 1),
                ("attache_rate_limited_model_=_gpt-5_=_counted_=_requests_=", 1),
                ("attache_requests_region_=_us_=_model_=_gpt-5_=_status_=_200_=", 1),
                ("attache_retries_cluster_=_openai-us_=", 1),
                (
                    "gen_ai_client_operation_duration_milliseconds\
                     _asked_=_gpt-5_=_by_=_openai_=_error_=_timeout_=",
                    7,
                ),
                (
                    "gen_ai_server_request_duration_milliseconds_asked_=_gpt-5_=_error_=_timeout_=",
                    7,
                ),
            ];
            assert_eq!(host.take(), names(&expected));
        }
    }
}
