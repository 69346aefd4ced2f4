//! The metrics that every answer needs, found in one step by provider, model and account.

use std::cell::OnceCell;

use super::{
    ATTEMPT, Counter, FIRST_CONTENT, Histogram, Metrics, REQUEST, TOKENS, account_label,
    attempt_labels, request_name,
};
use crate::summary::Summary;

/// Metrics of a model at a provider, for an account. Each is defined when it is first used.
#[derive(Debug)]
pub struct ModelMetrics {
    model: String,
    /// Labels of the counters.
    labels: String,
    /// Labels of the histograms about attempts.
    attempt_labels: String,
    /// Counters of tokens by type.
    tokens: [OnceCell<Counter>; 5],
    /// Histograms of input and output tokens.
    usage: [OnceCell<Histogram>; 2],
    cost: OnceCell<Counter>,
    attempt: OnceCell<Histogram>,
    request: OnceCell<Histogram>,
    first_content: OnceCell<Histogram>,
}

impl ModelMetrics {
    pub(super) fn new(provider: &str, model: &str, account: Option<&str>) -> Self {
        let account = account_label(account);
        Self {
            model: model.to_owned(),
            labels: format!("_provider_=_{provider}_=_model_=_{model}_={account}"),
            attempt_labels: attempt_labels(model, provider),
            tokens: Default::default(),
            usage: Default::default(),
            cost: OnceCell::new(),
            attempt: OnceCell::new(),
            request: OnceCell::new(),
            first_content: OnceCell::new(),
        }
    }

    /// Counts the tokens and the cost of an attempt.
    pub fn count_usage(&self, metrics: &Metrics, summary: &Summary<'_>) {
        let Some(usage) = summary.usage else { return };
        let counts = [
            ("input", usage.prompt),
            ("output", usage.completion),
            ("cached", usage.cached),
            ("reasoning", usage.reasoning),
            ("cache_write", usage.cache_written),
        ];
        for (counter, (kind, count)) in self.tokens.iter().zip(counts) {
            self.add(metrics, counter, count, || format!("attache_tokens_type_=_{kind}_="));
        }
        for (histogram, (kind, count)) in self.usage.iter().zip(counts) {
            let define = || {
                let labels = &self.attempt_labels;
                metrics.histogram(&format!("{TOKENS}{labels}_token_=_{kind}_="))
            };
            metrics.record(*histogram.get_or_init(define), count);
        }
        let cost = summary.cost.unwrap_or_default();
        self.add(metrics, &self.cost, cost, || "attache_cost_pico_usd".into());
    }

    fn add(
        &self,
        metrics: &Metrics,
        counter: &OnceCell<Counter>,
        amount: u64,
        name: impl FnOnce() -> String,
    ) {
        if amount > 0 {
            let counter = counter.get_or_init(|| metrics.counter(&(name() + &self.labels)));
            metrics.add(*counter, amount);
        }
    }

    /// Records the time that the provider took for an answer.
    pub fn record_attempt(&self, metrics: &Metrics, summary: &Summary<'_>) {
        let Some(duration) = summary.provider_time else { return };
        let define = || metrics.histogram(&[ATTEMPT, &self.attempt_labels].concat());
        metrics.record_duration(*self.attempt.get_or_init(define), duration);
    }

    /// Records the time that the client waited for the whole answer.
    pub fn record_request(&self, metrics: &Metrics, summary: &Summary<'_>) {
        if let Some(total) = summary.total {
            let histogram = self.of_request(metrics, &self.request, REQUEST, summary);
            metrics.record_duration(histogram, total);
        }
    }

    /// Records the time that the client waited for the first content of a stream.
    pub fn record_first_content(&self, metrics: &Metrics, summary: &Summary<'_>) {
        if let Some(first) = summary.first_content {
            let histogram = self.of_request(metrics, &self.first_content, FIRST_CONTENT, summary);
            metrics.record_duration(histogram, first);
        }
    }

    /// Returns a histogram of the model that the client asked for, whichever model has answered.
    fn of_request(
        &self,
        metrics: &Metrics,
        own: &OnceCell<Histogram>,
        name: &str,
        summary: &Summary<'_>,
    ) -> Histogram {
        let histogram = || metrics.rare_histogram(&request_name(name, summary.request_model));
        if summary.request_model == self.model { *own.get_or_init(histogram) } else { histogram() }
    }
}
