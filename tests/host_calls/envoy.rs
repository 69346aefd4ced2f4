//! Envoy's part in an exchange: the filters of both roles get the callbacks that Envoy gives them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use attache::{plugin_config::Role, region::Region};
use serde_json::Value;

use crate::host::{self, Call, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_BODY, RESPONSE_HEADERS};

// The functions that the module exports (`dispatcher.rs` of the SDK). `Action::Continue` is 0.
unsafe extern "C" {
    safe fn _initialize();
    safe fn proxy_on_vm_start(root: u32, size: usize) -> bool;
    safe fn proxy_on_configure(root: u32, size: usize) -> bool;
    safe fn proxy_on_context_create(context: u32, root: u32);
    safe fn proxy_on_request_headers(context: u32, count: usize, end: bool) -> u32;
    safe fn proxy_on_request_body(context: u32, size: usize, end: bool) -> u32;
    safe fn proxy_on_response_headers(context: u32, count: usize, end: bool) -> u32;
    safe fn proxy_on_response_body(context: u32, size: usize, end: bool) -> u32;
    safe fn proxy_on_response_trailers(context: u32, count: usize) -> u32;
    safe fn proxy_on_done(context: u32) -> bool;
    safe fn proxy_on_log(context: u32);
    safe fn proxy_on_delete(context: u32);
}

const CONTINUE: u32 = 0;

/// Root contexts of the two roles, then the next context of a request.
const GATEWAY: u32 = 1;
const PROVIDER: u32 = 2;
const FIRST: u32 = 3;

/// The module, configured for both roles. One thread has one module: the SDK keeps it there. The
/// module relies on being alone, as it is in WebAssembly, so that tests take turns.
pub struct Envoy {
    next: u32,
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

/// A provider's response: its content type, and the pieces of its body.
pub struct Response<'r> {
    pub content_type: &'r str,
    pub pieces: &'r [&'r str],
}

impl Response<'_> {
    pub fn is_stream(&self) -> bool {
        self.content_type == "text/event-stream"
    }
}

impl Envoy {
    pub fn start(file: &Value) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        _initialize();
        // The module has set a hook that gives panics to the host's log, and those of tests with them.
        drop(std::panic::take_hook());
        for (root, role) in
            [(GATEWAY, Role::gateway(Region::Us, "1", file)), (PROVIDER, Role::provider("1", file))]
        {
            let configuration = role.to_string();
            host::configure(configuration.clone().into_bytes());
            proxy_on_context_create(root, 0);
            assert!(proxy_on_vm_start(root, 0));
            assert!(proxy_on_configure(root, configuration.len()));
        }
        Self { next: FIRST, _turn: turn }
    }

    /// Returns the host calls of an exchange, and the body that the client gets.
    pub fn exchange(
        &mut self,
        account: &str,
        request: &str,
        response: &Response<'_>,
    ) -> (Vec<Call>, String) {
        let gateway = self.ask(account, request);
        let mut filters = vec![gateway];
        // The cluster for answers has no filter of the module's.
        if response.is_stream() {
            filters.insert(0, self.forward());
        }
        let body = respond(&filters, response);
        filters.into_iter().for_each(end);
        (host::take_calls(), body)
    }

    /// Returns the host calls for a response that ends in trailers, and what the provider role lets
    /// pass of its body.
    pub fn trailers(
        &mut self,
        account: &str,
        request: &str,
        response: &Response<'_>,
    ) -> (Vec<Call>, String) {
        let filters = [self.ask(account, request), self.forward()];
        let [_, provider] = filters;
        response_headers(response);
        proxy_on_response_headers(provider, 2, false);
        let mut body = Vec::new();
        for piece in response.pieces {
            let size = host::receive(RESPONSE_BODY, piece.as_bytes());
            if proxy_on_response_body(provider, size, false) == CONTINUE {
                body.extend(host::take_body(RESPONSE_BODY));
            }
        }
        proxy_on_response_trailers(provider, 1);
        body.extend(host::take_body(RESPONSE_BODY));
        filters.into_iter().for_each(end);
        (host::take_calls(), String::from_utf8(body).unwrap())
    }

    /// Gives a client's request to the gateway role, and returns its filter.
    fn ask(&mut self, account: &str, request: &str) -> u32 {
        host::begin();
        client_headers(account);
        self.send(GATEWAY, request)
    }

    /// Gives the request that the gateway role has let pass to the provider role, and returns its
    /// filter.
    fn forward(&mut self) -> u32 {
        let request = String::from_utf8(host::take_body(REQUEST_BODY)).unwrap();
        self.send(PROVIDER, &request)
    }

    /// Gives a request to a new filter, which lets it pass.
    fn send(&mut self, root: u32, body: &str) -> u32 {
        let context = self.next;
        self.next += 1;
        proxy_on_context_create(context, root);
        assert_ne!(proxy_on_request_headers(context, 10, false), CONTINUE, "no body has come");
        let size = host::receive(REQUEST_BODY, body.as_bytes());
        assert_ne!(proxy_on_request_body(context, size, false), CONTINUE, "the body is not whole");
        let action = proxy_on_request_body(context, size, true);
        assert_eq!(action, CONTINUE, "{:#?}", host::take_calls());
        context
    }
}

fn end(context: u32) {
    proxy_on_done(context);
    proxy_on_log(context);
    proxy_on_delete(context);
}

/// Sets the headers of a client's request, as the gateway role finds them.
fn client_headers(account: &str) {
    let headers = [
        (":authority", "gateway"),
        (":path", "/v1/chat/completions"),
        (":method", "POST"),
        (":scheme", "http"),
        ("content-type", "application/json"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "7f3c1e52-9b1d-4e6a-8c2f-0d4b5a697887"),
        ("x-attache-account", account),
    ];
    host::set_headers(REQUEST_HEADERS, &headers);
}

fn response_headers(response: &Response<'_>) {
    let headers = [(":status", "200"), ("content-type", response.content_type)];
    host::set_headers(RESPONSE_HEADERS, &headers);
}

/// Gives a response to filters, the provider's first, and returns what passes all of them.
fn respond(filters: &[u32], response: &Response<'_>) -> String {
    response_headers(response);
    let mut chain = Chain { filters, begun: vec![false; filters.len()], body: Vec::new() };
    if response.is_stream() {
        for piece in response.pieces {
            chain.pass(0, piece.as_bytes(), false);
        }
        chain.pass(0, b"", true);
    } else {
        // The cluster holds an answer until it is complete.
        chain.pass(0, response.pieces.concat().as_bytes(), true);
    }
    String::from_utf8(chain.body).unwrap()
}

/// Filters, of which each gets what the one before it lets pass.
struct Chain<'c> {
    filters: &'c [u32],
    /// Filters that have got the headers.
    begun: Vec<bool>,
    /// Bytes that the client has got.
    body: Vec<u8>,
}

impl Chain<'_> {
    /// Gives a piece of the body to a filter, after the headers.
    fn pass(&mut self, at: usize, piece: &[u8], end: bool) {
        let Some(&filter) = self.filters.get(at) else {
            self.body.extend_from_slice(piece);
            return;
        };
        if !std::mem::replace(&mut self.begun[at], true) {
            proxy_on_response_headers(filter, 2, false);
        }
        let size = host::receive(RESPONSE_BODY, piece);
        if proxy_on_response_body(filter, size, end) == CONTINUE {
            let passed = host::take_body(RESPONSE_BODY);
            self.pass(at + 1, &passed, end);
        }
    }
}
