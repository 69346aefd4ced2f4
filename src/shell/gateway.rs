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
    api_schema::translation::TranslatedRequest,
    gateway::{
        Exchange, Gateway, Input, Output, RequestBody, RequestHead, idle::StreamActivity,
        plan::PlanIndex,
    },
    handoff::{
        filter_state::{self, Update},
        headers::{ACCOUNT, MAX_RETRIES, NEXT, max_retries},
        ticket::Ticket,
    },
    http_call::CallResult,
    quota::service::RateLimitResponse,
    reply::Reply,
    request_id,
    time::{Timestamp, WaitingKey},
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
    /// Events that wait for their moments.
    events: Vec<WaitingKey>,
    response: ResponseState,
}

/// Purpose of a call.
#[derive(Clone, Copy)]
enum PendingCall {
    Attempt(PlanIndex),
    Transcript,
    Guard,
}

/// State of the response that comes through Envoy's router.
enum ResponseState {
    /// Nothing is known, or the response passes.
    Open,
    /// The response is the provider's own, and the core reads it.
    Read,
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
        let events = Vec::new();
        let inner = ExchangeContext { gateway, shared, context, exchange, calls, events, response };
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
            Output::Send { ticket, request, hedge, deadline } => {
                send(&ticket, &request);
                if let Some(hedge) = hedge {
                    self.tell_at(host::now().plus(hedge), || Input::HedgeDue);
                }
                self.watch_deadline(deadline);
                return ControlFlow::Break(Action::Continue);
            }
            Output::Forward { ticket, retries, body, deadline } => {
                self.0.borrow().forward(&ticket, retries, body);
                self.watch_deadline(deadline);
                return ControlFlow::Break(Action::Continue);
            }
            Output::FetchTranscript(call) => {
                host::add_other_cluster(&call.cluster);
                let Some(token) = host::fetch(&call) else {
                    return ControlFlow::Continue(Input::TranscriptFetched(CallResult::NotSent));
                };
                self.expect_call(token, PendingCall::Transcript);
            }
            Output::AskGuard(call) => {
                host::add_other_cluster(&call.cluster);
                let Some(token) = host::ask_guard(&call) else {
                    return ControlFlow::Continue(Input::GuardDecided(CallResult::NotSent));
                };
                self.expect_call(token, PendingCall::Guard);
            }
            Output::RetryAt(due) => self.tell_at(due, || Input::RetryDue),
            Output::AskRateLimit { request, timeout } => {
                let Some(token) = host::ask_service(&request, timeout) else {
                    return ControlFlow::Continue(Input::RateLimitAnswered(None));
                };
                self.expect_service(token);
            }
            Output::Call { index, ticket, request, timeout, reason: _ } => {
                host::add_other_cluster(&ticket.target.cluster);
                if self.call(index, &ticket, &request, timeout).is_none() {
                    let result = CallResult::NotSent;
                    return ControlFlow::Continue(Input::CallEnded { index, result });
                }
            }
        }
        ControlFlow::Break(Action::Pause)
    }

    /// Tells this exchange that its first attempts have had no response in time.
    fn watch_deadline(&self, deadline: Option<Duration>) {
        if let Some(deadline) = deadline {
            self.tell_at(host::now().plus(deadline), || {
                Input::DeadlinePassed(read_ticket().map(Box::new))
            });
        }
    }

    /// Gives an event to this exchange at a moment, if it still is there.
    fn tell_at(&self, due: Timestamp, input: impl FnOnce() -> Input + 'static) {
        let timer = Rc::clone(&self.0.borrow().shared.timer);
        let filter = self.clone();
        let event = timer.at(due, move || {
            if filter.activate() {
                filter.handle(input());
            }
        });
        self.0.borrow_mut().events.push(event);
    }

    /// Makes this exchange the one that host calls are about. `false` if it has ended.
    fn activate(&self) -> bool {
        hostcalls::set_effective_context(self.0.borrow().context).is_ok()
    }

    /// Calls the cluster of a ticket. `None` if Envoy does not send the call.
    fn call(
        &self,
        index: PlanIndex,
        ticket: &Ticket,
        request: &TranslatedRequest,
        timeout: Duration,
    ) -> Option<()> {
        let inner = self.0.borrow();
        let (cluster, telemetry) = (ticket.direct_cluster(), &inner.gateway.config.telemetry);
        let token = host::call(&cluster, request, &ticket.request_id, timeout, telemetry)?;
        drop(inner);
        self.expect_call(token, PendingCall::Attempt(index));
        Some(())
    }

    /// Takes the result of a call, which comes to the root context if that has made the call.
    fn expect_call(&self, token: u32, purpose: PendingCall) {
        self.0.borrow_mut().calls.insert(token, purpose);
        let filter = self.clone();
        self.0.borrow().shared.timer.expect(token, move |headers, body| {
            let result = host::call_result(headers, body);
            if filter.activate() {
                filter.on_call_ended(token, result);
            } else if let PendingCall::Attempt(index) = purpose {
                filter.0.borrow_mut().on_abandoned_call(index, &result);
            }
        });
    }

    /// Takes the answer of the rate limit service, if that comes to the root context, which alone may
    /// read it.
    fn expect_service(&self, token: u32) {
        let filter = self.clone();
        self.0.borrow().shared.timer.expect(token, move |status, size| {
            let answer = host::service_answer(status, size);
            if filter.activate() {
                filter.on_service_answer(answer);
            }
        });
    }

    fn on_service_answer(&self, answer: Option<RateLimitResponse>) {
        self.resume_after(Input::RateLimitAnswered(answer));
    }

    fn on_call_ended(&self, token: u32, result: CallResult) {
        let purpose = self.0.borrow_mut().calls.remove(&token);
        match purpose {
            Some(PendingCall::Transcript) => self.resume_after(Input::TranscriptFetched(result)),
            Some(PendingCall::Guard) => self.resume_after(Input::GuardDecided(result)),
            Some(PendingCall::Attempt(index)) => {
                self.handle(Input::CallEnded { index, result });
            }
            None => {}
        }
    }

    /// Lets a held request go, if the event completes it. One that was answered has ended.
    fn resume_after(&self, event: Input) {
        let is_replaced = matches!(self.0.borrow().response, ResponseState::Replaced);
        if self.handle(event) == Action::Continue && !is_replaced {
            host::resume_request();
        }
    }

    /// Takes in the end of a response without a body, or with trailers after it. There is nothing
    /// that a body could replace.
    fn on_answer_end(&self) -> Action {
        self.handle(Input::AnswerPiece { bytes: Vec::new(), end: true })
    }

    /// Takes in a piece of the provider's response, which is replaced as a whole.
    fn on_answer_piece(&self, size: usize, end: bool) -> Action {
        let bytes = host::buffer(BufferType::HttpResponseBody, size);
        let output = self.0.borrow_mut().on(Input::AnswerPiece { bytes, end });
        match output {
            None => Action::Pause,
            Some(Output::Reply(reply)) if end => {
                self.0.borrow_mut().replace_response(&reply, size);
                Action::Continue
            }
            Some(output) => {
                host::set_buffer(BufferType::HttpResponseBody, size, b"");
                match self.perform(output) {
                    ControlFlow::Break(action) => action,
                    ControlFlow::Continue(event) => self.handle(event),
                }
            }
        }
    }
}

impl ExchangeContext {
    /// Gives an event to the core. `None` if there is no exchange, or if it was answered.
    fn on(&mut self, input: Input) -> Option<Output> {
        let exchange = self.exchange.as_mut()?;
        let output = exchange.on(input, host::now);
        exchange.count_events(&self.shared.metrics);
        send_reports(exchange, &self.shared);
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
        self.record(reply);
        host::reply(reply);
    }

    /// Answers by the response, whose end has come.
    fn replace_response(&mut self, reply: &Reply, size: usize) {
        self.response = ResponseState::Open;
        self.record(reply);
        host::replace_response(reply, Some(&reply.body.len().to_string()), size);
    }

    fn record(&mut self, reply: &Reply) {
        if let Some(exchange) = &mut self.exchange {
            let update = exchange.record_reply(&self.shared.metrics, reply, host::now);
            send_reports(exchange, &self.shared);
            self.publish(&update);
        }
    }

    /// Counts the cost of an answer that the client has not waited for.
    fn on_client_left(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.on_client_left();
            exchange.count_events(&self.shared.metrics);
            send_reports(exchange, &self.shared);
        }
    }

    /// Counts what a call has cost whose client has left.
    fn on_abandoned_call(&mut self, index: PlanIndex, result: &CallResult) {
        if let Some(exchange) = &mut self.exchange {
            exchange.on_abandoned_call(index, result, host::now());
            exchange.count_events(&self.shared.metrics);
            send_reports(exchange, &self.shared);
        }
    }

    /// Lets the request go to the cluster that the ticket names. Envoy chooses the route again after
    /// a header has changed, and only then.
    fn forward(&self, ticket: &Ticket, retries: usize, body: RequestBody) {
        host::set_filter_state(filter_state::TICKET, &ticket.to_text());
        if let Some(retries) = max_retries(retries) {
            host::set_header(MapType::HttpRequestHeaders, MAX_RETRIES, Some(&retries));
        }
        if let (RequestBody::Edited, Some(exchange)) = (body, &self.exchange) {
            let (body, headers) = (exchange.request_body(), MapType::HttpRequestHeaders);
            host::set_header(headers, "content-length", Some(&body.len().to_string()));
            host::set_buffer(BufferType::HttpRequestBody, WHOLE, body);
        }
        host::set_header(MapType::HttpRequestHeaders, ACCOUNT, None);
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
        let mut inner = self.0.borrow_mut();
        inner.shared.timer.cancel(&inner.events);
        inner.on_client_left();
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

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        let mut inner = self.0.borrow_mut();
        if matches!(inner.response, ResponseState::Replaced) {
            return Action::Continue;
        }
        let Some(exchange) = &inner.exchange else { return Action::Continue };
        let input = exchange.read_response(&host::Response, host::now);
        if matches!(input, Input::AnswerHead(_)) {
            inner.response = ResponseState::Read;
            drop(inner);
            let action = self.handle(input);
            return if end { self.on_answer_end() } else { action };
        }
        drop(inner);
        let is_success = matches!(input, Input::Response { status: 200, .. });
        let action = self.handle(input);
        if is_success {
            return action;
        }
        let mut inner = self.0.borrow_mut();
        match (action, &inner.response) {
            (Action::Pause, ResponseState::Open) => inner.response = ResponseState::Held,
            (Action::Pause, _) => {}
            _ => inner.pass(),
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if matches!(self.0.borrow().response, ResponseState::Read) {
            return self.on_answer_piece(size, end);
        }
        match &self.0.borrow().response {
            ResponseState::Held => return Action::Pause,
            ResponseState::Streaming(activity) => {
                if let Some(bytes) = activity.borrow_mut().on_piece(size, end) {
                    host::set_buffer(BufferType::HttpResponseBody, size, &bytes);
                }
            }
            ResponseState::Open | ResponseState::Read | ResponseState::Replaced => {}
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if matches!(self.0.borrow().response, ResponseState::Held) {
            return Action::Pause;
        }
        if matches!(self.0.borrow().response, ResponseState::Read) {
            return self.on_answer_end();
        }
        Action::Continue
    }
}

/// Length of a request's body in Envoy's buffer, which holds all of it once it has ended.
const WHOLE: usize = usize::MAX;

/// Sends a request to a provider, in the place of the client's. Envoy finds no route for a request
/// without `x-forwarded-proto`, and chooses the route again after a header has changed.
fn send(ticket: &Ticket, request: &TranslatedRequest) {
    host::set_filter_state(filter_state::TICKET, &ticket.direct_route());
    let kept = [("x-forwarded-proto", "https".to_owned())];
    host::replace_request(request, WHOLE, &ticket.request_id, &kept);
}

/// Reports spending to the rate limit service.
fn send_reports(exchange: &mut Exchange, shared: &Shared) {
    exchange.take_reports().into_iter().for_each(|report| shared.report(report));
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
