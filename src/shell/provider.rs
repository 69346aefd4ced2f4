//! The provider role's callbacks: a filter of a cluster, made anew for each attempt.

use std::{rc::Rc, time::Duration};

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{
    host, metrics, recent_configs, record_error, recorded_error,
    telemetry::{self, Route},
    timer::Timer,
};
use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    chat::error::Error,
    config::cluster,
    failover::envoy::{self, Cause},
    gateway::AttemptReason,
    handoff::{
        filter_state, headers,
        ticket::{Lane, Ticket},
    },
    provider::{self, Attempt, ProviderCluster, ProviderClusters, Step},
    reply::Reply,
    time::Timestamp,
};

/// One attempt.
pub(super) struct ProviderFilter {
    sites: Rc<ProviderClusters>,
    timer: Rc<Timer>,
    context: u32,
    route: Route,
    attempt: Option<Attempt>,
}

impl ProviderFilter {
    pub(super) fn new(sites: Rc<ProviderClusters>, timer: Rc<Timer>, context: u32) -> Self {
        Self { sites, timer, context, route: Route::Router, attempt: None }
    }

    fn ask(&mut self, size: usize) -> Action {
        let told = ticket().and_then(|(ticket, route)| Some((self.site(&ticket)?, ticket, route)));
        let Some((site, ticket, route)) = told else {
            let problem = "a request came to a provider without a ticket";
            let error = Error::Misconfigured { problem };
            host::reply(&Reply::error(&error, ""));
            return Action::Pause;
        };
        self.route = route;
        let Ticket { request_id, lane, gateway_region: home, .. } = &ticket;
        let (request_id, lane, home) = (request_id.clone(), *lane, *home);
        let body = host::buffer(BufferType::HttpRequestBody, size);
        match Attempt::new(&site, ticket, &body, host::now()) {
            Ok((attempt, outgoing)) => {
                metrics::count_attempt(home, site.region);
                let trace = host::trace(&site.config.telemetry, |name| {
                    host::header(MapType::HttpRequestHeaders, name)
                });
                send(&outgoing, &request_id, &trace, size);
                let due = attempt.due();
                self.attempt = Some(attempt);
                due.map_or(Action::Continue, |due| self.wait(due))
            }
            Err(error) => {
                let reply = provider::refuse(&error, &request_id);
                if lane == Lane::Stream {
                    record_error(reply.reason.as_deref());
                    metrics::count_request(site.region, "none", reply.status);
                }
                host::reply(&reply);
                Action::Pause
            }
        }
    }

    /// The site of the cluster that the ticket sent the request to, as the file has it that the
    /// exchange was planned by.
    fn site(&self, ticket: &Ticket) -> Option<Rc<ProviderCluster>> {
        recent_configs::of(&self.sites, &ticket.version).get(&ticket.target.cluster).cloned()
    }

    /// Holds the request until a moment.
    fn wait(&self, due: Timestamp) -> Action {
        let context = self.context;
        self.timer.at(due, move || {
            if hostcalls::set_effective_context(context).is_ok() {
                host::resume_request();
            }
        });
        Action::Pause
    }

    /// Takes in `size` bytes of the answer's body.
    fn receive(&mut self, size: usize, end: bool) -> Action {
        let Some(attempt) = &mut self.attempt else { return Action::Continue };
        if !end && attempt.may_wait(size) {
            return Action::Pause;
        }
        let piece = host::buffer(BufferType::HttpResponseBody, size);
        let had_ended = attempt.has_ended();
        let step = attempt.body(&piece, end, host::now);
        if let Some(mended) = attempt.take_repairs() {
            mended.kinds().for_each(metrics::count_repair);
        }
        match step {
            Step::Hold => {
                if size > 0 {
                    host::set_buffer(BufferType::HttpResponseBody, size, b"");
                }
                Action::Pause
            }
            Step::Answer(mut reply) => {
                telemetry::replied(attempt, self.route, &mut reply);
                answer(&reply, Some(&reply.body.len().to_string()), size);
                Action::Continue
            }
            Step::Begin(mut reply) => {
                telemetry::replied(attempt, self.route, &mut reply);
                answer(&reply, None, size);
                Action::Continue
            }
            Step::Yield(reply, ticket) => {
                telemetry::failed(attempt, reason(&reply));
                yield_to(attempt, &ticket);
                answer(&reply, Some(&reply.body.len().to_string()), size);
                Action::Continue
            }
            Step::Continue { bytes, reason } => {
                if attempt.has_ended() && !had_ended {
                    telemetry::ended(attempt, reason);
                }
                if size > 0 || !bytes.is_empty() {
                    host::set_buffer(BufferType::HttpResponseBody, size, &bytes);
                }
                Action::Continue
            }
        }
    }

    /// Takes in the end of an answer that has no body, so that nothing can be put in its place.
    fn receive_nothing(&mut self) -> Action {
        let Some(attempt) = &mut self.attempt else { return Action::Continue };
        match attempt.body(b"", true, host::now) {
            Step::Answer(mut reply) | Step::Begin(mut reply) => {
                telemetry::replied(attempt, self.route, &mut reply);
                host::reply(&reply);
                Action::Pause
            }
            // Envoy's router makes the next attempt of an answer, not of a local reply.
            Step::Yield(reply, ticket) => {
                telemetry::failed(attempt, reason(&reply));
                yield_to(attempt, &ticket);
                let reply = Reply { body: Vec::new(), ..reply };
                set_head(&reply, Some("0"));
                Action::Continue
            }
            Step::Hold | Step::Continue { .. } => Action::Continue,
        }
    }
}

/// What this attempt is told: in filter state, or in a header if it is a call.
fn ticket() -> Option<(Ticket, Route)> {
    let routed =
        host::property(&[filter_state::TICKET]).map(|text| (host::text(text), Route::Router));
    let called = || {
        host::header(MapType::HttpRequestHeaders, headers::TICKET).map(|text| (text, Route::Call))
    };
    let (text, route) = routed.or_else(called)?;
    Some((Ticket::parse(&text)?, route))
}

/// Leaves it to Envoy's router to make another attempt, if there is one.
fn yield_to(attempt: &mut Attempt, ticket: &Ticket) {
    telemetry::refused(attempt);
    host::set_filter_state(filter_state::TICKET, &ticket.to_text());
    if !ticket.is_exhausted() {
        let ProviderCluster { provider, region, .. } = attempt.cluster();
        host::note_cluster(&cluster(provider, *region));
        let why = if ticket.due.is_some() { AttemptReason::Retry } else { AttemptReason::Fallback };
        metrics::count_next(why, &ticket.target.cluster);
    }
}

/// Puts the provider's request in the place of the client's. No header of the client goes along.
fn send(
    outgoing: &TranslatedRequest,
    request_id: &str,
    trace: &[(&'static str, String)],
    size: usize,
) {
    let length = outgoing.body.len().to_string();
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", &outgoing.authority),
        (":path", &outgoing.path),
        ("content-type", "application/json"),
        ("content-length", &length),
        ("accept", outgoing.accept),
        ("user-agent", host::USER_AGENT),
        ("x-request-id", request_id),
    ];
    headers.extend(outgoing.headers);
    headers.extend(trace.iter().map(|(name, value)| (*name, value.as_str())));
    host::set_headers(MapType::HttpRequestHeaders, headers);
    host::set_buffer(BufferType::HttpRequestBody, size, &outgoing.body);
}

/// Puts the gateway's answer in the place of the provider's.
fn answer(reply: &Reply, length: Option<&str>, size: usize) {
    set_head(reply, length);
    host::set_buffer(BufferType::HttpResponseBody, size, &reply.body);
}

/// Puts the gateway's head in the place of the provider's. No header of the provider goes along.
fn set_head(reply: &Reply, length: Option<&str>) {
    let status = reply.status.to_string();
    let mut headers = vec![(":status", status.as_str())];
    headers.extend(reply.headers.iter().map(|(name, value)| (*name, value.as_str())));
    headers.extend(length.map(|length| ("content-length", length)));
    host::set_headers(MapType::HttpResponseHeaders, headers);
}

fn reason(reply: &Reply) -> &str {
    reply.reason.as_deref().unwrap_or_default()
}

fn head() -> ResponseHead {
    let get = |name| host::header(MapType::HttpResponseHeaders, name);
    let status = host::status();
    let retry_after = if status == 200 { None } else { get("retry-after") };
    ResponseHead {
        status,
        content_type: get("content-type").unwrap_or_default().to_ascii_lowercase(),
        retry_after: retry_after.and_then(|wait| wait.parse().ok()).map(Duration::from_secs),
    }
}

impl Context for ProviderFilter {
    /// Envoy is done with this attempt. If that is news, the next one is told.
    fn on_done(&mut self) -> bool {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| !attempt.has_ended()) else {
            return true;
        };
        let (now, details) = (host::now(), host::details());
        if !attempt.is_open() {
            let reason = attempt.on_cut_off(&details, recorded_error(), now);
            telemetry::cut_off(attempt, reason.as_deref());
        } else if !envoy::is_by_client(&details)
            && let Some((error, ticket)) =
                attempt.on_response_lost(Cause::of_lost_response(&host::upstream_address()), now)
        {
            telemetry::failed(attempt, error.reason());
            yield_to(attempt, &ticket);
        }
        true
    }
}

impl HttpContext for ProviderFilter {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        if end { self.ask(0) } else { Action::Pause }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if end { self.ask(size) } else { Action::Pause }
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        let Some(attempt) = &mut self.attempt else { return Action::Continue };
        attempt.head(head());
        if end { self.receive_nothing() } else { Action::Pause }
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.receive(size, end)
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.receive(0, true)
    }
}
