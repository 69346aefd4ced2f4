//! The gateway role's callbacks: a filter of a listener.

use std::{cell::RefCell, collections::BTreeMap, ops::ControlFlow, rc::Rc, time::Duration};

use log::warn;
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{Shared, host};
use crate::{
    gateway::{
        Exchange, Gateway, Input, Output, RequestHead, idle::StreamActivity, plan::PlanIndex,
        reply_source::ReplySource,
    },
    handoff::{
        filter_state::{self, Update},
        headers::{ACCOUNT, MAX_RETRIES, NEXT, max_retries},
        response_facts::ResponseFacts,
        ticket::Ticket,
    },
    http_call::CallResult,
    quota::service::RateLimitResponse,
    reply::Reply,
    request_id,
    time::Timestamp,
};

/// Filter of one client request.
#[derive(Clone)]
pub(super) struct GatewayFilter(Rc<RefCell<ExchangeContext>>);

/// Exchange, and the host's numbers for it.
struct ExchangeContext {
    gateway: Rc<Gateway>,
    shared: Shared,
    context: u32,
    /// `None` for a request that Envoy has answered before the filter saw it.
    exchange: Option<Exchange>,
    /// Calls under way, by the host's tokens.
    calls: BTreeMap<u32, PendingCall>,
    response: ResponseState,
}

/// Purpose of a call.
#[derive(Clone, Copy)]
enum PendingCall {
    Attempt(PlanIndex),
    Transcript,
}

/// State of the response that comes through Envoy's router.
enum ResponseState {
    /// Nothing is known, or the response passes.
    Open,
    /// The response of a failed attempt is held.
    Held,
    /// The response is a stream, which is monitored.
    Streaming(Rc<RefCell<StreamActivity>>),
    /// The module has answered in the place of the response.
    Replaced,
}

impl GatewayFilter {
    pub(super) fn new(gateway: Rc<Gateway>, shared: Shared, context: u32) -> Self {
        let (exchange, calls, response) = (None, BTreeMap::new(), ResponseState::Open);
        let inner = ExchangeContext { gateway, shared, context, exchange, calls, response };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Gives an event to the core, and performs the output.
    fn handle(&self, mut input: Input) -> Action {
        loop {
            let Some(output) = self.0.borrow_mut().on(input) else { return Action::Continue };
            match self.perform(output) {
                ControlFlow::Break(action) => return action,
                ControlFlow::Continue(event) => input = event,
            }
        }
    }

    /// Performs an output. A call that Envoy does not send is the next event.
    fn perform(&self, output: Output) -> ControlFlow<Action, Input> {
        match output {
            Output::Wait => {}
            Output::Reply(reply) => self.0.borrow_mut().reply(&reply),
            Output::Pass => return ControlFlow::Break(Action::Continue),
            Output::Stream(limits) => {
                let mut inner = self.0.borrow_mut();
                let activity = inner.shared.monitor.add(inner.context, *limits);
                inner.response = ResponseState::Streaming(activity);
                return ControlFlow::Break(Action::Continue);
            }
            Output::Forward { ticket, retries, hedge, deadline } => {
                forward(&ticket, retries);
                if let Some(hedge) = hedge {
                    self.tell_at(host::now().plus(hedge), || Input::WakeUp);
                }
                if let Some(deadline) = deadline {
                    self.tell_at(host::now().plus(deadline), || {
                        Input::DeadlinePassed(read_ticket().map(Box::new))
                    });
                }
                return ControlFlow::Break(Action::Continue);
            }
            Output::FetchTranscript(call) => {
                host::add_other_cluster(&call.cluster);
                let Some(token) = host::fetch(&call) else {
                    return ControlFlow::Continue(Input::TranscriptFetched(CallResult::NotSent));
                };
                self.0.borrow_mut().calls.insert(token, PendingCall::Transcript);
            }
            Output::WakeAt(due) => self.tell_at(due, || Input::WakeUp),
            Output::AskRateLimit { request, timeout } => {
                let Some(token) = host::ask_service(&request, timeout) else {
                    return ControlFlow::Continue(Input::RateLimitAnswered(None));
                };
                self.expect(token, host::service_answer, Self::on_service_answer);
            }
            Output::Call { index, ticket, timeout, reason: _ } => {
                host::add_other_cluster(&ticket.target.cluster);
                if self.call(index, &ticket, timeout).is_none() {
                    let result = CallResult::NotSent;
                    return ControlFlow::Continue(Input::CallEnded { index, result });
                }
            }
        }
        ControlFlow::Break(Action::Pause)
    }

    /// Gives an event to this exchange at a moment, if it still is there.
    fn tell_at(&self, due: Timestamp, input: impl FnOnce() -> Input + 'static) {
        let timer = Rc::clone(&self.0.borrow().shared.timer);
        let filter = self.clone();
        timer.at(due, move || {
            if filter.activate() {
                filter.handle(input());
            }
        });
    }

    /// Makes this exchange the one that host calls are about. `false` if it has ended.
    fn activate(&self) -> bool {
        hostcalls::set_effective_context(self.0.borrow().context).is_ok()
    }

    /// Calls the cluster of a ticket. `None` if Envoy does not send the call.
    fn call(&self, index: PlanIndex, ticket: &Ticket, timeout: Duration) -> Option<()> {
        let mut inner = self.0.borrow_mut();
        let telemetry = &inner.gateway.config.telemetry;
        let body = inner.exchange.as_ref()?.request_body();
        let token = host::call(ticket, body, timeout, telemetry)?;
        inner.calls.insert(token, PendingCall::Attempt(index));
        drop(inner);
        self.expect(token, host::call_result, move |filter, result| {
            filter.on_call_ended(token, result);
        });
        Some(())
    }

    /// Gives the response to a call to `then`, if the response comes to the root context, which alone
    /// may `read` it.
    fn expect<T>(
        &self,
        token: u32,
        read: impl FnOnce(usize, usize) -> T + 'static,
        then: impl FnOnce(&Self, T) + 'static,
    ) {
        let filter = self.clone();
        self.0.borrow().shared.timer.expect(token, move |first, size| {
            let response = read(first, size);
            if filter.activate() {
                then(&filter, response);
            }
        });
    }

    fn on_service_answer(&self, answer: Option<RateLimitResponse>) {
        let is_replaced = matches!(self.0.borrow().response, ResponseState::Replaced);
        if self.handle(Input::RateLimitAnswered(answer)) == Action::Pause || is_replaced {
            return;
        }
        let mut inner = self.0.borrow_mut();
        if matches!(inner.response, ResponseState::Held) {
            inner.response = ResponseState::Open;
            inner.pass();
            host::resume_response();
        } else {
            host::resume_request();
        }
    }

    fn on_call_ended(&self, token: u32, result: CallResult) {
        let purpose = self.0.borrow_mut().calls.remove(&token);
        match purpose {
            Some(PendingCall::Transcript) => self.on_transcript(result),
            Some(PendingCall::Attempt(index)) => {
                self.handle(Input::CallEnded { index, result });
            }
            None => {}
        }
    }

    /// Lets a held request go with its transcript.
    fn on_transcript(&self, result: CallResult) {
        if self.handle(Input::TranscriptFetched(result)) == Action::Pause {
            return;
        }
        let inner = self.0.borrow();
        let body = inner.exchange.as_ref().map(Exchange::request_body).unwrap_or_default();
        let length = body.len().to_string();
        host::set_header(MapType::HttpRequestHeaders, "content-length", Some(&length));
        // The buffer holds the whole body: the request had ended before the transcript was called for.
        host::set_buffer(BufferType::HttpRequestBody, usize::MAX, body);
        host::resume_request();
    }
}

impl ExchangeContext {
    /// Gives an event to the core. `None` if there is no exchange, or if it was answered.
    fn on(&mut self, input: Input) -> Option<Output> {
        let exchange = self.exchange.as_mut()?;
        let output = exchange.on(input, host::now);
        exchange.count_events(&self.shared.metrics);
        (!matches!(self.response, ResponseState::Replaced)).then_some(output)
    }

    /// Lets the response of a failed attempt go to the client.
    fn pass(&self) {
        host::set_header(MapType::HttpResponseHeaders, NEXT, None);
        if let Some(exchange) = &self.exchange {
            self.publish(&exchange.record_pass(&self.shared.metrics, host::now));
        }
    }

    /// Answers in the place of the response.
    fn reply(&mut self, reply: &Reply) {
        self.response = ResponseState::Replaced;
        if let Some(exchange) = &self.exchange {
            self.publish(&exchange.record_reply(&self.shared.metrics, reply, host::now()));
        }
        host::reply(reply);
    }

    fn publish(&self, update: &Update) {
        host::update_filter_state(update, Some(&self.gateway.config.telemetry));
    }
}

impl Context for GatewayFilter {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.on_call_ended(token, host::call_result(headers, body));
    }

    /// The status says whether the rate limit service has answered.
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        let status = usize::try_from(status).unwrap_or(usize::MAX);
        self.on_service_answer(host::service_answer(status, size));
    }

    fn on_done(&mut self) -> bool {
        let inner = self.0.borrow();
        if matches!(inner.response, ResponseState::Streaming(_)) {
            inner.shared.monitor.remove(inner.context);
        }
        true
    }
}

impl HttpContext for GatewayFilter {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let headers = host::headers(MapType::HttpRequestHeaders);
        let (head, request_id) = RequestHead::from_headers(headers, end);
        // A test crashes the VM to see what outlives it.
        #[cfg(debug_assertions)]
        if head.path == "/debug/crash" {
            std::process::abort();
        }
        let request_id = request_id.unwrap_or_else(new_request_id);
        let mut inner = self.0.borrow_mut();
        inner.exchange = Some(Exchange::new(Rc::clone(&inner.gateway), request_id));
        drop(inner);
        self.handle(Input::Head(head))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return self.handle(Input::Received(size));
        }
        self.handle(Input::Body(host::buffer(BufferType::HttpRequestBody, size)))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.handle(Input::Trailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if matches!(self.0.borrow().response, ResponseState::Replaced) {
            return Action::Continue;
        }
        let status = host::Response.status();
        let source = match (status, &self.0.borrow().exchange) {
            (200, Some(exchange)) => exchange.source_of_success(&host::Response),
            (200, None) => ReplySource::Provider,
            _ => ReplySource::of(&host::Response),
        };
        // A success needs no further host call.
        if status == 200 && source == ReplySource::Provider {
            return self.handle(Input::Response { status, source });
        }
        let action = self.handle(Input::Response { status, source });
        let mut inner = self.0.borrow_mut();
        match (action, &inner.response) {
            (Action::Pause, ResponseState::Open) => inner.response = ResponseState::Held,
            (Action::Pause, _) => {}
            _ => inner.pass(),
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        match &self.0.borrow().response {
            ResponseState::Held => return Action::Pause,
            ResponseState::Streaming(activity) => {
                if let Some(bytes) = activity.borrow_mut().on_piece(size, end) {
                    host::set_buffer(BufferType::HttpResponseBody, size, &bytes);
                }
            }
            ResponseState::Open | ResponseState::Replaced => {}
        }
        Action::Continue
    }
}

/// Lets the request go to the cluster that the ticket names. Envoy chooses the route again after a
/// header has changed, and only then.
fn forward(ticket: &Ticket, retries: usize) {
    host::set_filter_state(filter_state::TICKET, &ticket.to_text());
    if let Some(retries) = max_retries(ticket.lane, retries) {
        host::set_header(MapType::HttpRequestHeaders, MAX_RETRIES, Some(&retries));
    }
    host::set_header(MapType::HttpRequestHeaders, ACCOUNT, None);
}

/// Returns the ticket in filter state.
fn read_ticket() -> Option<Ticket> {
    Ticket::parse(&host::filter_state(filter_state::TICKET)?)
}

/// Returns an id for a request that has lost the one that Envoy gave it.
fn new_request_id() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        warn!("no random bytes for a request id: {error}");
    }
    request_id::uuid(bytes)
}
