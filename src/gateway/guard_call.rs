//! The calls to the guard.

use std::time::Duration;

use super::{Caller, Gateway};
use crate::{
    config::{Guard, GuardStage},
    guard::GuardSubject,
    http_call::USER_AGENT,
};

/// Call to the guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardCall {
    /// Envoy's cluster for it.
    pub cluster: String,
    /// Value of `:authority`.
    pub authority: String,
    /// Value of `:path`.
    pub path: String,
    /// Id of the request.
    pub request_id: String,
    /// Body.
    pub body: Vec<u8>,
    /// Timeout.
    pub timeout: Duration,
}

impl Gateway {
    /// Returns the guard, if it decides at a stage.
    pub(super) fn guard_of(&self, stage: GuardStage) -> Option<&Guard> {
        self.config.guard.as_ref().filter(|guard| guard.stages.contains(&stage))
    }
}

impl GuardCall {
    /// Returns the call about a request for a model, or about its answer. `None` if the region has no
    /// guard, which no configuration allows.
    pub(super) fn new(
        guard: &Guard,
        caller: &Caller,
        model: &str,
        request: &[u8],
        answer: Option<&[u8]>,
    ) -> Option<Self> {
        let Caller { gateway, account, request_id, inlet, .. } = caller;
        let base = guard.urls.get(gateway.region)?;
        let subject = GuardSubject {
            request_id,
            account,
            model,
            region: gateway.region.name(),
            api: inlet.api(),
            request,
            answer,
        };
        Some(Self {
            cluster: Guard::cluster(gateway.region),
            authority: base.authority(),
            path: if base.path.is_empty() { "/".to_owned() } else { base.path.clone() },
            request_id: request_id.clone(),
            body: subject.to_json(),
            timeout: guard.timeout,
        })
    }

    /// Returns the headers of the call.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        vec![
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", &self.authority),
            (":path", &self.path),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("user-agent", USER_AGENT),
            ("x-request-id", &self.request_id),
        ]
    }
}
