//! Metrics, filter state and the summary line of an exchange that the gateway role answers.

use std::time::Duration;

use super::{Exchange, attempts::UnansweredAttempt};
use crate::{
    handoff::filter_state::Update, metrics::Metrics, quota::budget::SpendingReport, reply::Reply,
    time::Timestamp,
};

impl Exchange {
    /// Counts the events since the last call.
    pub fn count_events(&mut self, metrics: &Metrics) {
        let per_account = self.gateway.config.telemetry.per_account;
        self.take_telemetry().iter().for_each(|event| metrics.count_event(event, per_account));
        for UnansweredAttempt { mut attempt, reason } in self.take_unanswered() {
            attempt.record_unanswered(metrics, reason.as_deref());
            self.reports.extend(attempt.take_report());
        }
    }

    /// Takes the reports of spending to the rate limit service since the last call.
    pub fn take_reports(&mut self) -> Vec<SpendingReport> {
        std::mem::take(&mut self.reports)
    }

    /// Counts a reply of the gateway role.
    pub fn record_reply(
        &mut self,
        metrics: &Metrics,
        reply: &Reply,
        clock: impl FnOnce() -> Timestamp,
    ) -> Update {
        if let Some(mut attempt) = self.answered.take() {
            self.reports.extend(attempt.take_report());
            return attempt.record_answer(metrics, reply);
        }
        let now = clock();
        let error = self.count_answer(metrics, reply.status, reply.reason.as_deref(), now);
        let own = || Some(self.summary(now)?.to_line());
        Update { summary: reply.summary.clone().or_else(own), error, ..Update::default() }
    }

    /// Counts a response that passes to the client, unless the provider role has counted it.
    pub fn record_pass(&self, metrics: &Metrics, clock: impl FnOnce() -> Timestamp) -> Update {
        let Some((status, reason)) = &self.uncounted else { return Update::default() };
        let error = self.count_answer(metrics, *status, reason.as_deref(), clock());
        Update { error, ..Update::default() }
    }

    /// Counts an answer that no provider role has counted, and returns the reason of an error.
    fn count_answer(
        &self,
        metrics: &Metrics,
        status: u16,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Option<String> {
        metrics.count_request(self.gateway.region, self.model(), status);
        let reason = reason?;
        metrics.count_error(reason);
        if let Some(total) = self.elapsed(now) {
            metrics.record_error(self.model(), reason, total);
        }
        Some(reason.to_owned())
    }

    /// Returns the time since the request was complete. `None` if the request could not be read.
    fn elapsed(&self, now: Timestamp) -> Option<Duration> {
        Some(now.since(self.started?))
    }
}
