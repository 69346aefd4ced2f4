//! The provider role's callbacks: a filter of a cluster, made anew for each attempt.

use std::{rc::Rc, time::Duration};

use proxy_wasm::{
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{host, metrics, note_error};
use crate::{
    provider::{Attempt, Head, Outgoing, Site, Step},
    reply::Reply,
};

/// One attempt.
pub(super) struct ProviderFilter {
    site: Rc<Site>,
    attempt: Option<Attempt>,
}

impl ProviderFilter {
    pub(super) fn new(site: Rc<Site>) -> Self {
        Self { site, attempt: None }
    }

    fn ask(&mut self, size: usize) -> Action {
        let request_id =
            host::header(MapType::HttpRequestHeaders, "x-request-id").unwrap_or_default();
        let body = host::buffer(BufferType::HttpRequestBody, size);
        match Attempt::new(&self.site, &request_id, &body, host::now()) {
            Ok((attempt, outgoing)) => {
                self.attempt = Some(attempt);
                send(&outgoing, &request_id, size);
                Action::Continue
            }
            Err(error) => {
                note_error(Some(error.reason()));
                metrics::count_request(self.site.region, "none", error.status());
                host::reply(&Reply::error(&error, &request_id));
                Action::Pause
            }
        }
    }

    /// Takes in `size` bytes of the answer's body.
    fn receive(&mut self, size: usize, end: bool) -> Action {
        let Some(attempt) = &mut self.attempt else { return Action::Continue };
        if !end && attempt.may_wait(size) {
            return Action::Pause;
        }
        let piece = host::buffer(BufferType::HttpResponseBody, size);
        match attempt.body(&piece, end, host::now) {
            Step::Hold => {
                if size > 0 {
                    host::set_buffer(BufferType::HttpResponseBody, size, b"");
                }
                Action::Pause
            }
            Step::Answer(reply) => {
                metrics::count_request(self.site.region, attempt.model(), reply.status);
                let length = reply.body.len().to_string();
                answer(&reply, Some(&length), size);
                Action::Continue
            }
            Step::Begin(reply) => {
                metrics::count_request(self.site.region, attempt.model(), reply.status);
                answer(&reply, None, size);
                Action::Continue
            }
            Step::Continue { bytes, reason } => {
                note_error(reason);
                if size > 0 || !bytes.is_empty() {
                    host::set_buffer(BufferType::HttpResponseBody, size, &bytes);
                }
                Action::Continue
            }
        }
    }
}

/// Puts the provider's request in the place of the client's. No header of the client goes along.
fn send(outgoing: &Outgoing, request_id: &str, size: usize) {
    let length = outgoing.body.len().to_string();
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", &outgoing.authority),
        (":path", &outgoing.path),
        ("content-type", "application/json"),
        ("content-length", &length),
        ("accept", outgoing.accept),
        ("user-agent", concat!("attache/", env!("CARGO_PKG_VERSION"))),
        ("x-request-id", request_id),
    ];
    headers.extend(outgoing.headers);
    host::set_headers(MapType::HttpRequestHeaders, headers);
    host::set_buffer(BufferType::HttpRequestBody, size, &outgoing.body);
}

/// Puts the gateway's answer in the place of the provider's. No header of the provider goes along.
fn answer(reply: &Reply, length: Option<&str>, size: usize) {
    note_error(reply.reason);
    let status = reply.status.to_string();
    let mut headers = vec![(":status", status.as_str())];
    headers.extend(reply.headers.iter().map(|(name, value)| (*name, value.as_str())));
    headers.extend(length.map(|length| ("content-length", length)));
    host::set_headers(MapType::HttpResponseHeaders, headers);
    host::set_buffer(BufferType::HttpResponseBody, size, &reply.body);
}

fn head() -> Head {
    let get = |name| host::header(MapType::HttpResponseHeaders, name);
    let status = get(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
    let retry_after = if status == 200 { None } else { get("retry-after") };
    Head {
        status,
        content_type: get("content-type").unwrap_or_default().to_ascii_lowercase(),
        retry_after: retry_after.and_then(|wait| wait.parse().ok()).map(Duration::from_secs),
    }
}

impl Context for ProviderFilter {}

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
        if !end {
            return Action::Pause;
        }
        // There is no body to put anything in the place of.
        if let Step::Answer(reply) = attempt.body(b"", true, host::now) {
            note_error(reply.reason);
            metrics::count_request(self.site.region, attempt.model(), reply.status);
            host::reply(&reply);
        }
        Action::Pause
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.receive(size, end)
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.receive(0, true)
    }
}
