//! Metrics, filter state and the summary line of an attempt, at each of its ends.

use std::rc::Rc;

use super::{Attempt, Step};
use crate::{
    failover::{
        AttemptReason,
        envoy::{self, Cause},
    },
    handoff::{
        filter_state::{ERROR, Update},
        response_facts::ResponseFacts,
        ticket::Ticket,
    },
    metrics::{Metrics, ModelMetrics},
    reply::Reply,
    summary::Summary,
    time::Timestamp,
};

impl Attempt {
    /// Takes in a piece of the response's body, or its end, as [`Self::body`] does, and counts what
    /// comes of it.
    pub fn advance(
        &mut self,
        piece: &[u8],
        end: bool,
        metrics: &Metrics,
        clock: impl Fn() -> Timestamp,
    ) -> (Step, Update) {
        let had_ended = self.has_ended();
        let step = self.body(piece, end, clock);
        self.count_repairs(metrics);
        self.count_refusals(metrics);
        let update = match &step {
            Step::Answer(reply) | Step::Begin(reply) | Step::Fail(reply, _) => {
                self.record_reply(metrics, reply)
            }
            Step::Yield(reply, ticket) => {
                let reason = reply.reason.as_deref().unwrap_or_default();
                self.record_hand_over(metrics, reason, ticket)
            }
            Step::Continue { reason, .. } if self.has_ended() && !had_ended => {
                self.record_end(metrics, *reason)
            }
            Step::Hold | Step::Continue { .. } => Update::default(),
        };
        (step, update)
    }

    /// Counts the reply that the client gets: an answer, the beginning of a stream, or an error.
    fn record_reply(&self, metrics: &Metrics, reply: &Reply) -> Update {
        let (model, summary) = (self.metrics(metrics), self.summary());
        let reason = reply.reason.as_deref();
        if self.has_ended() {
            self.count_end(metrics, &model, &summary, reason);
        }
        metrics.count_request(self.cluster.region, self.model(), reply.status);
        model.record_first_content(metrics, &summary);
        let error = count_answer(metrics, &model, &summary, reason);
        Update { summary: Some(summary.to_line()), error, ..Update::default() }
    }

    /// Counts the answer that the client gets from an attempt of the gateway role.
    pub fn record_answer(&mut self, metrics: &Metrics, answer: &Reply) -> Update {
        self.count_repairs(metrics);
        self.record_reply(metrics, answer)
    }

    /// Counts an attempt of the gateway role of which the client gets no answer. `reason` is that of
    /// the error, if the attempt has failed.
    pub fn record_unanswered(&mut self, metrics: &Metrics, reason: Option<&str>) {
        self.count_repairs(metrics);
        self.count_end(metrics, &self.metrics(metrics), &self.summary(), reason);
    }

    /// Counts the repairs of the answer since the last call.
    fn count_repairs(&mut self, metrics: &Metrics) {
        if let Some(repairs) = self.take_repairs() {
            repairs.kinds().for_each(|kind| metrics.count_repair(kind));
        }
    }

    /// Counts the attempts that the account may not make in the place of this one, since the last call.
    fn count_refusals(&mut self, metrics: &Metrics) {
        for (model, exceeded) in self.take_refused() {
            metrics.count_refusal(self.account_label(), &model, exceeded);
        }
    }

    /// Counts the end of a stream whose beginning the client has. `reason` is that of an error.
    fn record_end(&self, metrics: &Metrics, reason: Option<&str>) -> Update {
        let (model, summary) = (self.metrics(metrics), self.summary());
        self.count_end(metrics, &model, &summary, reason);
        let error = count_answer(metrics, &model, &summary, reason);
        Update { summary: Some(summary.to_line()), error, ..Update::default() }
    }

    /// Counts an exchange that the client has ended, or that was cut off after the client got the
    /// beginning of the response. `reason` is `None` if the client has ended the exchange. `recorded`
    /// is the reason in filter state, which was counted when it was left there.
    fn record_cut_off(
        &self,
        metrics: &Metrics,
        reason: Option<&str>,
        recorded: Option<&str>,
    ) -> Update {
        let summary = self.summary();
        self.metrics(metrics).count_usage(metrics, &summary);
        let mut update = Update { summary: Some(summary.to_line()), ..Update::default() };
        if let Some(reason) = reason {
            self.record_failure(metrics, &summary, reason);
            if recorded.is_none() {
                metrics.count_error(reason);
                update.error = Some(reason.to_owned());
            }
        }
        update
    }

    /// Counts a failed attempt that leaves a ticket to the next one.
    fn record_hand_over(&mut self, metrics: &Metrics, reason: &str, ticket: &Ticket) -> Update {
        let summary = self.summary();
        self.count_end(metrics, &self.metrics(metrics), &summary, Some(reason));
        self.count_refusals(metrics);
        let mut update = Update { ticket: Some(ticket.to_text()), ..Update::default() };
        if !ticket.is_exhausted() {
            let is_retry = ticket.target.route.variant == self.ticket.target.route.variant;
            let reason = if is_retry { AttemptReason::Retry } else { AttemptReason::Fallback };
            metrics.count_follow_up(reason, &ticket.target.cluster);
            update.other_cluster = Some(self.cluster.name());
        }
        update
    }

    /// Takes in that Envoy is done with the attempt. An attempt that has not ended was cut off, or has
    /// lost its response and leaves a ticket to the next one.
    pub fn on_done(
        &mut self,
        response: &impl ResponseFacts,
        metrics: &Metrics,
        clock: impl FnOnce() -> Timestamp,
    ) -> Update {
        if self.has_ended() {
            return Update::default();
        }
        let (now, details) = (clock(), response.details());
        // A provider charges for a stream that has begun, whether or not its client waits for it.
        if !self.is_open() || envoy::is_by_client(&details) {
            let recorded = response.filter_state(ERROR);
            let reason = self.on_cut_off(&details, recorded.as_deref(), now);
            return self.record_cut_off(metrics, reason, recorded.as_deref());
        }
        let cause = Cause::of_lost_response(&response.upstream_address());
        match self.on_response_lost(cause, now) {
            Some((error, ticket)) => self.record_hand_over(metrics, error.reason(), &ticket),
            None => Update::default(),
        }
    }

    /// Counts the usage of an attempt that has ended, and its duration.
    fn count_end(
        &self,
        metrics: &Metrics,
        model: &ModelMetrics,
        summary: &Summary<'_>,
        reason: Option<&str>,
    ) {
        model.count_usage(metrics, summary);
        match reason {
            None => model.record_attempt(metrics, summary),
            Some(reason) => self.record_failure(metrics, summary, reason),
        }
    }

    fn record_failure(&self, metrics: &Metrics, summary: &Summary<'_>, reason: &str) {
        let duration = summary.provider_time.unwrap_or_default();
        metrics.record_failure(&self.cluster.provider_label(), self.model(), reason, duration);
    }

    fn metrics(&self, metrics: &Metrics) -> Rc<ModelMetrics> {
        metrics.model(&self.cluster.provider_label(), self.model(), self.account_label())
    }

    /// Returns the account, if the operator tells accounts apart.
    fn account_label(&self) -> Option<&str> {
        self.cluster.config.telemetry.per_account.then(|| self.account())
    }
}

/// Counts the client's answer, if that has ended, and returns the reason of an error.
fn count_answer(
    metrics: &Metrics,
    model: &ModelMetrics,
    summary: &Summary<'_>,
    reason: Option<&str>,
) -> Option<String> {
    if let Some(reason) = reason {
        metrics.count_error(reason);
    }
    match (reason, summary.total) {
        (Some(reason), Some(total)) => {
            metrics.record_error(summary.request_model, reason, total);
        }
        _ => model.record_request(metrics, summary),
    }
    reason.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        api_schema::origin::ResponseHead,
        attempt::ProviderCluster,
        config::{Config, PoolKey},
        metrics::tests::RecordingHost,
        quota::NullStore,
        region::Region,
    };

    const BODY: &str =
        r#"{"model": "level", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}"#;
    const ANSWER: &[u8] = br#"{"id": "1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 12, "output_tokens": 7}}"#;
    const START: &str = "data: {\"type\": \"message_start\", \"message\": {\"id\": \"1\", \
        \"usage\": {\"input_tokens\": 12, \"output_tokens\": 1}}}\n\n";

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    /// Returns an attempt of the stream lane that began at 0, with these attempts to follow.
    fn attempt(rest: &str) -> Attempt {
        asked(BODY, rest)
    }

    fn streamed_attempt() -> Attempt {
        asked(&BODY.replacen('{', r#"{"stream": true, "#, 1), "")
    }

    fn asked(body: &str, rest: &str) -> Attempt {
        let document = include_str!("../api_schema/anthropic/tests/gateway.json");
        let config = Config::parse(&serde_json::from_str(document).unwrap()).unwrap();
        let cluster = Rc::new(ProviderCluster {
            config: Rc::new(config),
            provider: "anthropic".to_owned(),
            key: PoolKey::FIRST,
            region: Region::Us,
            store: Rc::new(NullStore),
        });
        let ticket = format!("anthropic-us;s9000-1-1;v;id;0;us;0:level;{rest};;acme;;");
        Attempt::new(&cluster, Ticket::parse(&ticket).unwrap(), body.as_bytes(), at(0)).unwrap().0
    }

    fn respond(attempt: &mut Attempt, status: u16, metrics: &Metrics) -> (Step, Update) {
        let content_type = "application/json".to_owned();
        attempt.head(ResponseHead { status, content_type, retry_after: None });
        attempt.advance(ANSWER, true, metrics, || at(30))
    }

    #[test]
    fn an_answer_counts_its_request_its_tokens_and_its_durations() {
        let host = RecordingHost::default();
        let (mut attempt, metrics) = (attempt(""), Metrics::new(host.clone()));
        let (step, update) = respond(&mut attempt, 200, &metrics);
        assert!(matches!(step, Step::Answer(_)), "{step:?}");
        let line = "request_model=level response_model=level provider=anthropic region=us \
                    input_tokens=12 output_tokens=7 cached_tokens=0 reasoning_tokens=0 \
                    finish_reason=stop provider_ms=30 total_ms=30";
        assert_eq!(update, Update { summary: Some(line.to_owned()), ..Update::default() });
        let client = "_asked_=_level_=_by_=_anthropic_=";
        let tokens = "_provider_=_anthropic_=_model_=_level_=_account_=_acme_=";
        let expected = [
            ("attache_requests_region_=_us_=_model_=_level_=_status_=_200_=".to_owned(), 1),
            (format!("attache_tokens_type_=_input_={tokens}"), 12),
            (format!("attache_tokens_type_=_output_={tokens}"), 7),
            (format!("gen_ai_client_operation_duration_milliseconds{client}"), 30),
            (format!("gen_ai_client_token_usage{client}_token_=_input_="), 12),
            (format!("gen_ai_client_token_usage{client}_token_=_output_="), 7),
            ("gen_ai_server_request_duration_milliseconds_asked_=_level_=".to_owned(), 30),
        ];
        assert_eq!(host.take(), expected);
        // The end of the exchange is no news.
        assert_eq!(attempt.on_done(&Done(""), &metrics, || at(40)), Update::default());
        assert_eq!(host.take(), []);
    }

    #[test]
    fn a_failure_counts_for_the_client_only_if_no_attempt_follows() {
        let reasons = |rest: &str| {
            let host = RecordingHost::default();
            let (mut attempt, metrics) = (attempt(rest), Metrics::new(host.clone()));
            let (_, update) = respond(&mut attempt, 503, &metrics);
            let counted = host.take().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            (update, counted)
        };
        let (update, counted) = reasons("");
        assert_eq!(update.error.as_deref(), Some("overloaded"));
        assert!(counted.contains(&"attache_errors_reason_=_overloaded_=".to_owned()));
        let (update, counted) = reasons("0:level:anthropic-us,");
        assert_eq!((update.error, update.summary), (None, None));
        assert!(
            update.ticket.unwrap().starts_with("anthropic-us;s9000-1-1;v;id;0;us;0:level;;530;")
        );
        assert_eq!(update.other_cluster.as_deref(), Some("anthropic-us"));
        assert!(counted.contains(&"attache_retries_cluster_=_anthropic-us_=".to_owned()));
        assert!(!counted.iter().any(|name| name.starts_with("attache_errors")), "{counted:?}");
    }

    /// Response of which only the details are known.
    struct Done(&'static str);

    impl ResponseFacts for Done {
        fn details(&self) -> String {
            self.0.to_owned()
        }

        fn header(&self, _name: &str) -> Option<String> {
            None
        }

        fn filter_state(&self, _name: &str) -> Option<String> {
            None
        }

        fn upstream_address(&self) -> Vec<u8> {
            Vec::new()
        }
    }

    const CLIENT_LEFT: Done = Done("downstream_remote_disconnect");

    #[test]
    fn a_held_stream_whose_client_left_counts_the_tokens_that_are_known() {
        let host = RecordingHost::default();
        let (mut attempt, metrics) = (streamed_attempt(), Metrics::new(host.clone()));
        let content_type = "text/event-stream".to_owned();
        attempt.head(ResponseHead { status: 200, content_type, retry_after: None });
        let (step, _) = attempt.advance(START.as_bytes(), false, &metrics, || at(30));
        assert_eq!(step, Step::Hold);
        let update = attempt.on_done(&CLIENT_LEFT, &metrics, || at(40));
        let line = "request_model=level provider=anthropic region=us input_tokens=12 \
                    output_tokens=1 cached_tokens=0 reasoning_tokens=0 provider_ms=40 total_ms=40";
        assert_eq!(update, Update { summary: Some(line.to_owned()), ..Update::default() });
        let client = "_asked_=_level_=_by_=_anthropic_=";
        let tokens = "_provider_=_anthropic_=_model_=_level_=_account_=_acme_=";
        let expected = [
            (format!("attache_tokens_type_=_input_={tokens}"), 12),
            (format!("attache_tokens_type_=_output_={tokens}"), 1),
            (format!("gen_ai_client_token_usage{client}_token_=_input_="), 12),
            (format!("gen_ai_client_token_usage{client}_token_=_output_="), 1),
        ];
        assert_eq!(host.take(), expected);
        assert_eq!(attempt.on_done(&CLIENT_LEFT, &metrics, || at(50)), Update::default());
        assert_eq!(host.take(), []);
    }

    #[test]
    fn an_attempt_without_a_response_leaves_a_ticket_unless_the_client_left() {
        let metrics = Metrics::new(RecordingHost::default());
        let gone = attempt("").on_done(&CLIENT_LEFT, &metrics, || at(5));
        let line = "request_model=level provider=anthropic region=us provider_ms=5 total_ms=5";
        assert_eq!(gone, Update { summary: Some(line.to_owned()), ..Update::default() });
        let broken = attempt("").on_done(&Done("upstream_reset"), &metrics, || at(5));
        assert!(broken.ticket.unwrap().starts_with("nobody;"));
        assert_eq!(broken.other_cluster, None);
    }
}
