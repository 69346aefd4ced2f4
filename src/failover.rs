//! Failover: the step that follows a failed attempt. This module is the only place that decides it,
//! for both roles and both lanes: [`Failover::after`] by the error, [`envoy`] by what Envoy reports.

pub mod envoy;

use std::time::Duration;

use crate::chat::{error::Error, request_variant::RequestVariant};

/// Pause before a model is asked again. LLM Gateway, *Fallbacks*: retries.
pub const BACK_OFF: Duration = Duration::from_millis(500);

/// Highest number of fallbacks that a request may ask to be traversed. LLM Gateway, *Fallbacks*.
pub const MAX_DEPTH: u8 = 2;

/// Step that follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The next attempt of the plan, which may be a retry: the same request may work a moment later.
    RetrySame,
    /// The next attempt at another endpoint or for another model: the same request would fail again.
    NextEndpoint,
    /// The next attempt for another model.
    NextModel,
    /// No further attempt: no other model would do better.
    GiveUp,
}

/// Reason of an attempt after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptReason {
    /// The same request again, at the same endpoint of the model or at another one.
    Retry,
    /// A request for another model, after a failure.
    Fallback,
    /// A request at another endpoint or for another model, beside an attempt that is slow.
    Hedge,
}

/// Position of an endpoint among those of a model in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointIndex(usize);

impl EndpointIndex {
    /// The first endpoint, which most models have only.
    pub const FIRST: Self = Self(0);

    /// Returns the index of the endpoint at a position.
    pub const fn new(position: usize) -> Self {
        Self(position)
    }

    /// Returns the position, from 0.
    pub fn position(self) -> usize {
        self.0
    }
}

/// Request of an attempt, and the endpoint that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRoute {
    /// Request.
    pub variant: RequestVariant,
    /// Endpoint of the request's model.
    pub endpoint: EndpointIndex,
}

impl Failover {
    /// Step that follows an attempt that a limit of the account forbids.
    pub const AFTER_REFUSAL: Self = Self::NextModel;

    /// Returns the step that follows an error.
    pub fn after(error: &Error) -> Self {
        match error {
            Error::Failed { .. }
            | Error::Unreachable { .. }
            | Error::Disconnected { .. }
            | Error::Overloaded { .. }
            | Error::BadAnswer { .. }
            | Error::EmptyAnswer { .. }
            // A model that is asked again gives another answer.
            | Error::PostProcessing { .. } => Self::RetrySame,
            Error::RateLimited { .. }
            | Error::Timeout { .. }
            | Error::Refused { .. }
            | Error::Retired { .. }
            | Error::Misconfigured { .. } => Self::NextEndpoint,
            Error::LimitReached { .. } => Self::AFTER_REFUSAL,
            _ => Self::GiveUp,
        }
    }

    /// Returns the value of the header `x-attache-next`: the step that follows an error, and the
    /// error's reason.
    pub fn to_header(error: &Error) -> String {
        let word = match Self::after(error) {
            Self::RetrySame => "retry",
            Self::NextEndpoint | Self::NextModel => "move",
            Self::GiveUp => "stop",
        };
        format!("{word} {}", error.reason())
    }

    /// Returns the position of the next attempt in the rest of a plan, after the attempt `failed`.
    pub fn next_attempt(
        self,
        failed: AttemptRoute,
        mut rest: impl Iterator<Item = AttemptRoute>,
    ) -> Option<usize> {
        match self {
            Self::GiveUp => None,
            Self::RetrySame => rest.next().map(|_| 0),
            Self::NextEndpoint => rest.position(|route| route != failed),
            Self::NextModel => rest.position(|route| route.variant != failed.variant),
        }
    }
}

impl From<RequestVariant> for AttemptRoute {
    /// Returns the route to the first endpoint of a request's model.
    fn from(variant: RequestVariant) -> Self {
        Self { variant, endpoint: EndpointIndex::FIRST }
    }
}

/// Returns the reason in a value that [`Failover::to_header`] wrote.
pub fn header_reason(header: &str) -> Option<&str> {
    header.split(' ').nth(1)
}

/// A failed attempt: the error that the client gets if no attempt follows, and the step that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error.
    pub error: Error,
    /// The step.
    pub failover: Failover,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failover = Failover::after(&error);
        Self { error, failover }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_decides_the_step_that_follows() {
        let provider = || "p".to_owned();
        let cases = [
            (Error::Failed { provider: provider(), status: 503 }, "retry upstream_error"),
            (Error::Unreachable { provider: provider() }, "retry upstream_unreachable"),
            (Error::Disconnected { provider: provider() }, "retry upstream_unreachable"),
            (Error::Overloaded { provider: provider(), retry_after: None }, "retry overloaded"),
            (Error::BadAnswer { provider: provider(), problem: "x" }, "retry upstream_error"),
            (Error::EmptyAnswer { provider: provider() }, "retry empty_answer"),
            (
                Error::PostProcessing { place: "content".to_owned(), problem: "x" },
                "retry post_processing_failed",
            ),
            (
                Error::RateLimited { provider: provider(), retry_after: None },
                "move rate_limit_exceeded",
            ),
            (Error::Timeout { provider: provider() }, "move timeout"),
            (Error::Refused { provider: provider(), status: 401 }, "move provider_refused"),
            (Error::Retired { model: "m".to_owned() }, "move model_retired"),
            (Error::Misconfigured { problem: "x" }, "move misconfigured"),
            (Error::ContextLength { message: "x".to_owned() }, "stop context_length_exceeded"),
            (Error::Invalid(Vec::new()), "stop invalid_value"),
            (Error::Uncounted, "stop rate_limit_unavailable"),
            (Error::Full, "stop gateway_overloaded"),
        ];
        for (error, expected) in cases {
            let header = Failover::to_header(&error);
            assert_eq!(header, expected, "{error:?}");
            assert_eq!(header_reason(&header), Some(error.reason()), "{error:?}");
        }
    }

    #[test]
    fn a_retry_takes_the_next_attempt_and_others_the_next_endpoint_or_model() {
        let route = |variant, endpoint| AttemptRoute { variant, endpoint: EndpointIndex(endpoint) };
        let (own, first, second) = (
            route(RequestVariant::OWN, 0),
            route(RequestVariant::fallback(0), 0),
            route(RequestVariant::fallback(1), 0),
        );
        let (sibling, of_first) = (route(RequestVariant::OWN, 1), route(first.variant, 2));
        let cases = [
            (own, vec![own, first], [Some(0), Some(1), Some(1), None]),
            (own, vec![own], [Some(0), None, None, None]),
            (own, vec![first, second], [Some(0), Some(0), Some(0), None]),
            (first, vec![second], [Some(0), Some(0), Some(0), None]),
            (second, vec![], [None, None, None, None]),
            (own, vec![sibling, sibling, first], [Some(0), Some(0), Some(2), None]),
            (sibling, vec![sibling, first], [Some(0), Some(1), Some(1), None]),
            (own, vec![sibling], [Some(0), Some(0), None, None]),
            (first, vec![of_first, second], [Some(0), Some(0), Some(1), None]),
        ];
        for (failed, rest, expected) in cases {
            let steps = [
                Failover::RetrySame,
                Failover::NextEndpoint,
                Failover::NextModel,
                Failover::GiveUp,
            ];
            let found = steps.map(|step| step.next_attempt(failed, rest.iter().copied()));
            assert_eq!(found, expected, "{failed:?} {rest:?}");
        }
    }
}
