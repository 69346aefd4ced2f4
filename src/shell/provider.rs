//! The provider role's callbacks: a filter of a cluster, created anew for each attempt.

use std::{cell::RefCell, rc::Rc};

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{Shared, host};
use crate::{
    api_schema::translation::TranslatedRequest,
    attempt::{Attempt, ProviderClusters, Step, response_head},
    handoff::{
        filter_state::{self, Update},
        headers,
        response_facts::ResponseFacts,
    },
    provider::{RecentConfigs, Start},
    time::Timestamp,
};

thread_local! {
    /// Configurations of this VM, for the attempts of exchanges that were planned by them.
    pub(super) static RECENT: RefCell<RecentConfigs> = RefCell::default();
}

/// Filter of one attempt.
pub(super) struct ProviderFilter {
    clusters: Rc<ProviderClusters>,
    shared: Shared,
    context: u32,
    attempt: Option<Attempt>,
}

impl ProviderFilter {
    pub(super) fn new(clusters: Rc<ProviderClusters>, shared: Shared, context: u32) -> Self {
        Self { clusters, shared, context, attempt: None }
    }

    /// Sends the request to the provider, in the place of the client's.
    fn on_request(&mut self, size: usize) -> Action {
        let ticket = host::filter_state(filter_state::TICKET);
        let body = host::buffer(BufferType::HttpRequestBody, size);
        let (clusters, metrics) = (&self.clusters, &self.shared.metrics);
        let start = RECENT.with_borrow(|recent| {
            Start::new(clusters, recent, ticket.as_deref(), &body, metrics, host::now)
        });
        match start {
            Start::Send(attempt, request) => {
                send(&attempt, &request, size);
                let due = attempt.due();
                self.attempt = Some(*attempt);
                due.map_or(Action::Continue, |due| self.wait(due))
            }
            Start::Refuse(reply) => {
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    /// Holds the request until a moment.
    fn wait(&self, due: Timestamp) -> Action {
        let context = self.context;
        self.shared.timer.at(due, move || {
            if hostcalls::set_effective_context(context).is_ok() {
                host::resume_request();
            }
        });
        Action::Pause
    }

    /// Takes in `size` bytes of the response's body, or its end.
    fn on_response(&mut self, size: usize, end: bool) -> Action {
        if !end && self.attempt.as_mut().is_some_and(|attempt| attempt.leave(size)) {
            return Action::Pause;
        }
        let piece = host::buffer(BufferType::HttpResponseBody, size);
        let Some(step) = self.advance(&piece, end) else { return Action::Continue };
        match step {
            Step::Hold => {
                host::set_buffer(BufferType::HttpResponseBody, size, b"");
                return Action::Pause;
            }
            Step::Begin(reply) => host::replace_response(&reply, None, size),
            Step::Answer(reply) | Step::Fail(reply, _) | Step::Yield(reply, _) => {
                host::replace_response(&reply, Some(&reply.body.len().to_string()), size);
            }
            Step::Continue { bytes, .. } => {
                host::set_buffer(BufferType::HttpResponseBody, size, &bytes);
            }
        }
        Action::Continue
    }

    /// Takes in the end of a response of whose body Envoy has no buffer: there is nothing to replace.
    fn on_end_without_buffer(&mut self) -> Action {
        match self.advance(b"", true) {
            Some(Step::Answer(reply) | Step::Begin(reply) | Step::Fail(reply, _)) => {
                host::reply(&reply);
                Action::Pause
            }
            // Envoy's router makes the next attempt after a response, not after a local reply.
            Some(Step::Yield(reply, _)) => {
                host::replace_head(&reply, Some("0"));
                Action::Continue
            }
            // A stream that ends in trailers lacks the bytes that the core adds at its end: Envoy refuses
            // them, and the SDK panics then (`hostcalls::set_buffer`), which ends the VM.
            Some(Step::Hold | Step::Continue { .. }) | None => Action::Continue,
        }
    }

    /// Gives a piece of the response to the core. `None` if there is no attempt.
    fn advance(&mut self, piece: &[u8], end: bool) -> Option<Step> {
        let (attempt, metrics) = (self.attempt.as_mut()?, &self.shared.metrics);
        let (step, update) = attempt.advance(piece, end, metrics, host::now);
        publish(attempt, &update);
        attempt.take_report().into_iter().for_each(|report| self.shared.report(report));
        Some(step)
    }
}

fn publish(attempt: &Attempt, update: &Update) {
    host::update_filter_state(update, Some(&attempt.cluster().config.telemetry));
}

fn send(attempt: &Attempt, request: &TranslatedRequest, size: usize) {
    let trace = headers::trace(&attempt.cluster().config.telemetry, |name| {
        host::header(MapType::HttpRequestHeaders, name)
    });
    host::replace_request(request, size, attempt.request_id(), &trace);
}

impl Context for ProviderFilter {
    fn on_done(&mut self) -> bool {
        if let Some(attempt) = &mut self.attempt {
            let update = attempt.on_done(&host::Response, &self.shared.metrics, host::now);
            publish(attempt, &update);
            attempt.take_report().into_iter().for_each(|report| self.shared.report(report));
        }
        true
    }
}

impl HttpContext for ProviderFilter {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        if end { self.on_request(0) } else { Action::Pause }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if end { self.on_request(size) } else { Action::Pause }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        let Some(attempt) = &mut self.attempt else { return Action::Continue };
        let response = host::Response;
        let head = response_head(response.status(), |name| response.header(name), host::now);
        attempt.head(head);
        if end { self.on_end_without_buffer() } else { Action::Pause }
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.on_response(size, end)
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        match self.attempt.as_ref().and_then(Attempt::buffered) {
            Some(size) => self.on_response(size, true),
            None => self.on_end_without_buffer(),
        }
    }
}
