//! The gateway role's callbacks: a filter of the listener.

use std::{cell::RefCell, rc::Rc, time::Duration};

use log::warn;
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{host, idle_monitor::IdleMonitor, metrics, record_error};
use crate::{
    gateway::{
        Exchange, Gateway, Input, Output, RequestHead, TelemetryEvent,
        idle::StreamActivity,
        plan::PlanIndex,
        reply_source::{ReplySource, ResponseFacts},
    },
    handoff::{
        filter_state,
        headers::{ACCOUNT, MAX_RETRIES, NEXT},
        ticket::Ticket,
    },
    http_call::CallResult,
    quota::service::RateLimitResponse,
    region::Region,
    reply::Reply,
    request_id, summary,
    time::Timestamp,
};

/// One client request.
pub(super) struct GatewayFilter(Rc<RefCell<Inner>>);

struct Inner {
    gateway: Rc<Gateway>,
    watch: Rc<IdleMonitor>,
    context: u32,
    exchange: Option<Exchange>,
    /// Calls under way: the host's token, and the place in the plan.
    calls: Vec<(u32, PlanIndex)>,
    /// The host's token of a call for a transcript.
    fetch: Option<u32>,
    /// Whether the answer that is coming has been replaced, so that none of it may pass.
    replaced: bool,
    /// The answer that is held.
    held: Option<Held>,
    /// To the watch over a stream.
    line: Option<Rc<RefCell<StreamActivity>>>,
}

/// An answer of Envoy's own, or one that the provider role has not counted.
struct Held {
    status: u16,
    reason: Option<String>,
    is_counted: bool,
}

impl GatewayFilter {
    pub(super) fn new(gateway: Rc<Gateway>, watch: Rc<IdleMonitor>, context: u32) -> Self {
        let (exchange, calls, fetch) = (None, Vec::new(), None);
        let (replaced, held, line) = (false, None, None);
        let inner = Inner { gateway, watch, context, exchange, calls, fetch, replaced, held, line };
        Self(Rc::new(RefCell::new(inner)))
    }

    fn tell(&self, input: Input) -> Action {
        let Some(output) = self.0.borrow_mut().ask(input) else { return Action::Continue };
        self.perform(output)
    }

    fn perform(&self, mut output: Output) -> Action {
        loop {
            match output {
                Output::Wait => {}
                Output::Reply(reply) => self.0.borrow_mut().reply(&reply),
                Output::Pass => return Action::Continue,
                Output::Stream(patience) => {
                    let mut inner = self.0.borrow_mut();
                    inner.line = Some(inner.watch.add(inner.context, patience));
                    return Action::Continue;
                }
                Output::Forward { ticket, retries, hedge } => {
                    forward(&ticket, retries);
                    if let Some(hedge) = hedge {
                        self.wake(host::now().plus(hedge));
                    }
                    return Action::Continue;
                }
                Output::FetchTranscript(fetch) => {
                    metrics::count_transcript(fetch.region);
                    host::note_cluster(&fetch.cluster);
                    let token = host::fetch(&fetch);
                    self.0.borrow_mut().fetch = token;
                    if token.is_none() {
                        let input = Input::TranscriptFetched(CallResult::NotSent);
                        if let Some(next) = self.0.borrow_mut().ask(input) {
                            output = next;
                            continue;
                        }
                    }
                }
                Output::WakeAt(due) => self.wake(due),
                Output::AskRateLimit { request: question, timeout } => {
                    if self.ask_service(&question, timeout).is_none() {
                        metrics::count_unasked();
                        if let Some(next) = self.0.borrow_mut().ask(Input::RateLimitAnswered(None))
                        {
                            output = next;
                            continue;
                        }
                    }
                }
                Output::Call { index: place, ticket, timeout, reason: why } => {
                    metrics::count_next(why, &ticket.target.cluster);
                    host::note_cluster(&ticket.target.cluster);
                    if self.call(place, &ticket, timeout).is_none() {
                        let input = Input::CallEnded { index: place, result: CallResult::NotSent };
                        if let Some(next) = self.0.borrow_mut().ask(input) {
                            output = next;
                            continue;
                        }
                    }
                }
            }
            return Action::Pause;
        }
    }

    /// Comes back to this exchange at a moment, if it still is there.
    fn wake(&self, due: Timestamp) {
        let (inner, context) = (Rc::clone(&self.0), self.0.borrow().context);
        let watch = Rc::clone(&self.0.borrow().watch);
        watch.timer.at(due, move || {
            if hostcalls::set_effective_context(context).is_ok() {
                Self(inner).tell(Input::WakeUp);
            }
        });
    }

    /// Calls a cluster. None if the host turns that down.
    fn call(&self, place: PlanIndex, ticket: &Ticket, timeout: Duration) -> Option<()> {
        let mut inner = self.0.borrow_mut();
        let exchange = inner.exchange.as_ref()?;
        let telemetry = &inner.gateway.config.telemetry;
        let token = host::call(ticket, exchange.request_body(), timeout, telemetry)?;
        inner.calls.push((token, place));
        let timer = &inner.watch.timer;
        if timer.is_at_root() {
            let (shared, context) = (Rc::clone(&self.0), inner.context);
            timer.expect(token, move |headers, body| {
                let filter = Self(shared);
                // The answer is the root's to read, the exchange's to use.
                let called = host::called(headers, body);
                if hostcalls::set_effective_context(context).is_ok() {
                    filter.called(token, called);
                }
            });
        }
        Some(())
    }

    /// Asks the rate limit service. None if the host turns that down.
    fn ask_service(&self, question: &[u8], timeout: Duration) -> Option<()> {
        let token = host::ask_service(question, timeout)?;
        let inner = self.0.borrow();
        let timer = &inner.watch.timer;
        if timer.is_at_root() {
            let (shared, context) = (Rc::clone(&self.0), inner.context);
            timer.expect(token, move |status, size| {
                let answer = host::service_answer(status, size);
                if hostcalls::set_effective_context(context).is_ok() {
                    Self(shared).told(answer);
                }
            });
        }
        Some(())
    }

    fn told(&self, answer: Option<RateLimitResponse>) {
        if answer.is_none() {
            metrics::count_unasked();
        }
        if self.0.borrow().replaced || self.tell(Input::RateLimitAnswered(answer)) == Action::Pause
        {
            return;
        }
        let mut inner = self.0.borrow_mut();
        match inner.held.take() {
            None => host::resume_request(),
            Some(held) => {
                inner.pass(&held);
                host::resume_response();
            }
        }
    }

    fn called(&self, token: u32, called: CallResult) {
        let mut inner = self.0.borrow_mut();
        if inner.fetch.take_if(|own| *own == token).is_some() {
            drop(inner);
            return self.fetched(called);
        }
        let Some(at) = inner.calls.iter().position(|(other, _)| *other == token) else { return };
        let (_, place) = inner.calls.swap_remove(at);
        drop(inner);
        self.tell(Input::CallEnded { index: place, result: called });
    }
}

impl GatewayFilter {
    /// Lets a held request go with its transcript in it.
    fn fetched(&self, called: CallResult) {
        if self.tell(Input::TranscriptFetched(called)) == Action::Pause {
            return;
        }
        let inner = self.0.borrow();
        let body = inner.exchange.as_ref().map(Exchange::request_body).unwrap_or_default();
        host::set_request_header("content-length", &body.len().to_string());
        // All of it is here: the request had ended when the transcript was called for.
        host::set_buffer(BufferType::HttpRequestBody, usize::MAX, body);
        drop(inner);
        host::resume_request();
    }
}

impl Inner {
    fn ask(&mut self, input: Input) -> Option<Output> {
        if self.replaced {
            return None;
        }
        let exchange = self.exchange.as_mut()?;
        let output = exchange.on(input, host::now);
        exchange.take_telemetry().iter().for_each(|note| count_note(note, &self.gateway));
        Some(output)
    }

    /// Counts an answer that the provider role has not counted.
    fn count(&self, status: u16, reason: Option<&str>) {
        record_error(reason);
        let Some(exchange) = &self.exchange else { return };
        metrics::count_request(self.gateway.region, exchange.model(), status);
        let total = exchange.summary(host::now()).and_then(|summary| summary.total);
        if let (Some(reason), Some(total)) = (reason, total) {
            metrics::time_error(exchange.model(), reason, total);
        }
    }

    /// Counts an answer to a call, of which the provider role says who answered.
    fn count_called(&self, line: &str) {
        let Some(exchange) = &self.exchange else { return };
        let region = summary::fact(line, "region").and_then(Region::parse);
        let model = summary::fact(line, "response_model").unwrap_or_else(|| exchange.model());
        metrics::count_request(region.unwrap_or(self.gateway.region), model, 200);
        if let Some(total) = exchange.summary(host::now()).and_then(|summary| summary.total) {
            metrics::time_answer(exchange.model(), total);
        }
    }

    /// Lets an answer that is no success go to the client.
    fn pass(&self, held: &Held) {
        host::remove_header(MapType::HttpResponseHeaders, NEXT);
        if !held.is_counted {
            self.count(held.status, held.reason.as_deref());
        }
    }

    fn reply(&mut self, reply: &Reply) {
        self.replaced = true;
        match (&reply.summary, &reply.reason) {
            (Some(line), None) => self.count_called(line),
            (_, reason) => self.count(reply.status, reason.as_deref()),
        }
        self.tell(reply);
        host::reply(reply);
    }

    /// Leaves what there is to say for whoever logs, traces or bills.
    fn tell(&self, reply: &Reply) {
        let own = || Some(self.exchange.as_ref()?.summary(host::now())?.to_line());
        if let Some(line) = reply.summary.clone().or_else(own) {
            host::tell(&line, &self.gateway.config.telemetry);
        }
    }
}

impl Context for GatewayFilter {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.called(token, host::called(headers, body));
    }

    /// The rate limit service has answered, or has not: then the status says why.
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        self.told(host::service_answer(usize::try_from(status).unwrap_or(usize::MAX), size));
    }

    fn on_done(&mut self) -> bool {
        let inner = self.0.borrow();
        if inner.line.is_some() {
            inner.watch.remove(inner.context);
        }
        true
    }
}

impl HttpContext for GatewayFilter {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let (mut head, mut request_id) = (RequestHead { end, ..RequestHead::default() }, None);
        for (name, value) in host::headers(MapType::HttpRequestHeaders) {
            match name.as_str() {
                ":method" => head.method = host::text(value),
                ":path" => head.path = host::text(value),
                "content-type" => head.content_type = Some(host::text(value)),
                "content-encoding" => head.content_encoding = Some(host::text(value)),
                ACCOUNT => head.account = Some(host::text(value)),
                "x-request-id" => request_id = Some(host::text(value)),
                _ => {}
            }
        }
        #[cfg(debug_assertions)]
        super::crash_on_demand(&head.path);
        let request_id = request_id.filter(|text| request_id::is_uuid(text));
        let request_id = request_id.unwrap_or_else(new_request_id);
        let mut inner = self.0.borrow_mut();
        inner.exchange = Some(Exchange::new(Rc::clone(&inner.gateway), request_id));
        drop(inner);
        self.tell(Input::Head(head))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return self.tell(Input::Received(size));
        }
        let body = host::buffer(BufferType::HttpRequestBody, size);
        self.tell(Input::Body(body))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.tell(Input::Trailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if self.0.borrow().replaced {
            return Action::Continue;
        }
        // The usual answer is told from all others by one cheap question.
        if host::status() == 200 {
            return self.tell(Input::Response { status: 200, source: ReplySource::Provider });
        }
        let status = host::status();
        let (source, reason) = ReplySource::of(&HostResponse);
        let held = Held { status, reason, is_counted: source == ReplySource::Provider };
        let action = self.tell(Input::Response { status, source });
        let mut inner = self.0.borrow_mut();
        match action {
            Action::Pause => inner.held = Some(held),
            _ => inner.pass(&held),
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let inner = self.0.borrow();
        // Of what says nothing to the client, the provider role leaves nothing.
        match &inner.line {
            Some(line) if size > 0 => line.borrow_mut().on_content(),
            Some(line) if !end => {
                if let Some(comment) = line.borrow_mut().on_empty_piece() {
                    host::set_buffer(BufferType::HttpResponseBody, 0, comment);
                }
            }
            _ => {}
        }
        if inner.held.is_some() && !inner.replaced { Action::Pause } else { Action::Continue }
    }
}

fn count_note(note: &TelemetryEvent, gateway: &Gateway) {
    match note {
        TelemetryEvent::Failed { provider, model, reason, duration } => {
            metrics::count_failure(provider, model, reason, *duration);
        }
        TelemetryEvent::Refused { account, model, exceeded: used_up } => {
            let account = gateway.config.telemetry.per_account.then_some(account.as_str());
            metrics::count_refused(account, model, *used_up);
        }
    }
}

/// Lets the request go to the cluster that the ticket names. Envoy chooses the route again after a
/// header was touched, and only then.
fn forward(ticket: &Ticket, retries: usize) {
    host::set_filter_state(filter_state::TICKET, &ticket.to_text());
    // The routes of the stream lane allow one.
    if ticket.lane == crate::handoff::ticket::Lane::Stream && retries != 1 {
        host::set_request_header(MAX_RETRIES, &retries.to_string());
    }
    host::remove_header(MapType::HttpRequestHeaders, ACCOUNT);
}

/// The response under way.
struct HostResponse;

impl ResponseFacts for HostResponse {
    fn details(&self) -> String {
        host::details()
    }

    fn header(&self, name: &str) -> Option<String> {
        host::header(MapType::HttpResponseHeaders, name)
    }

    fn filter_state(&self, name: &str) -> Option<String> {
        host::property(&[name]).map(host::text)
    }

    fn upstream_address(&self) -> Vec<u8> {
        host::upstream_address()
    }
}

/// Envoy gives every request an id; this is for one that lost it.
fn new_request_id() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        warn!("no random bytes for a request id: {error}");
    }
    request_id::uuid(bytes)
}
