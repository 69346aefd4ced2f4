//! The gateway role's callbacks: a filter of the listener.

use std::rc::Rc;

use log::warn;
use proxy_wasm::{
    traits::{Context, HttpContext},
    types::{Action, BufferType, MapType},
};

use super::{host, metrics, note_error};
use crate::{
    exchange::{Exchange, Gateway, Head, Input, Output, outcome::Source},
    id,
};

/// Where Envoy's `api_key_auth` puts the account's name, over whatever a client sent.
const ACCOUNT: &str = "x-attache-account";

/// Where the route looks for the cluster.
const CLUSTER: &str = "attache_cluster";

/// One client request.
pub(super) struct GatewayFilter {
    gateway: Rc<Gateway>,
    exchange: Option<Exchange>,
    /// Whether the answer that is coming has been replaced, so that none of it may pass.
    replaced: bool,
}

impl GatewayFilter {
    pub(super) fn new(gateway: Rc<Gateway>) -> Self {
        Self { gateway, exchange: None, replaced: false }
    }

    fn count(&self, status: u16) {
        let model = self.exchange.as_ref().and_then(Exchange::model).unwrap_or("none");
        metrics::count_request(self.gateway.region, model, status);
    }

    fn tell(&mut self, input: Input<'_>) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let output = exchange.on(input, host::now);
        self.perform(output)
    }

    fn perform(&mut self, output: Output) -> Action {
        match output {
            Output::Wait => Action::Pause,
            Output::Reply(reply) => {
                self.replaced = true;
                self.count(reply.status);
                note_error(reply.reason);
                host::reply(&reply);
                Action::Pause
            }
            Output::Forward { cluster } => {
                host::set_filter_state(CLUSTER, &cluster);
                // Envoy chooses the route again after a header was touched, and only then.
                host::remove_request_header(ACCOUNT);
                Action::Continue
            }
            Output::Pass => Action::Continue,
        }
    }
}

impl Context for GatewayFilter {}

impl HttpContext for GatewayFilter {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let (mut head, mut request_id) = (Head { end, ..Head::default() }, None);
        for (name, value) in host::headers(MapType::HttpRequestHeaders) {
            match name.as_str() {
                ":method" => head.method = host::text(value),
                ":path" => head.path = host::text(value),
                "content-type" => head.content_type = Some(host::text(value)),
                ACCOUNT => head.account = Some(host::text(value)),
                "x-request-id" => request_id = Some(host::text(value)),
                _ => {}
            }
        }
        let request_id = request_id.filter(|text| id::is_uuid(text));
        let request_id = request_id.unwrap_or_else(new_request_id);
        self.exchange = Some(Exchange::new(Rc::clone(&self.gateway), request_id));
        self.tell(Input::Head(head))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return self.tell(Input::Received(size));
        }
        let body = host::buffer(BufferType::HttpRequestBody, size);
        self.tell(Input::Body(&body))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.tell(Input::Trailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        if self.replaced {
            return Action::Continue;
        }
        let (status, source) = origin();
        let action = self.tell(Input::Answer { status, source });
        // The provider role has counted its own answers, and `perform` those that were replaced.
        if status > 0 && !self.replaced {
            self.count(status);
        }
        action
    }

    fn on_http_response_body(&mut self, _size: usize, _end: bool) -> Action {
        Action::Continue
    }
}

/// Whose answer has begun, and the status if it is Envoy's own. Details are cheaper to get than the
/// status, and say it all for the usual answer.
fn origin() -> (u16, Source) {
    let details = host::property(&["response", "code_details"]).unwrap_or_default();
    if details.is_empty() || details == b"via_upstream" {
        return (0, Source::Provider);
    }
    let status = host::header(MapType::HttpResponseHeaders, ":status");
    let status = status.and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, Source::Envoy(host::text(details)))
}

/// Envoy gives every request an id; this is for one that lost it.
fn new_request_id() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom::fill(&mut bytes) {
        warn!("no random bytes for a request id: {error}");
    }
    id::uuid(bytes)
}
