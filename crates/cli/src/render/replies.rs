//! Envoy's own local replies, in the gateway's error format.

use serde::Serialize;

/// The error that replaces a local reply of Envoy's.
#[derive(Serialize)]
pub(super) struct LocalReplyView {
    op: &'static str,
    status: u16,
    kind: &'static str,
    /// The type of the error in the Messages API.
    messages_kind: &'static str,
    code: &'static str,
    message: String,
    /// Seconds after which a client should try again.
    retry_after: Option<u32>,
}

/// Returns all replacements. Envoy uses the first that matches.
pub(super) fn replies() -> Vec<LocalReplyView> {
    let invalid = "invalid_request_error";
    let reply = |op, status, kind, code, message: &str| {
        let message = message.to_owned();
        // Whatever an Envoy has too little of now, it may have again soon.
        let retry_after = (status == 503).then_some(1);
        let messages_kind = messages_kind(status);
        LocalReplyView { op, status, kind, messages_kind, code, message, retry_after }
    };
    vec![
        reply(
            "EQ",
            401,
            invalid,
            "invalid_api_key",
            "Authentication error, API token missing/invalid",
        ),
        reply("EQ", 405, invalid, "method_not_allowed", "this path takes GET only"),
        reply("EQ", 408, "timeout", "timeout", "the request took too long to arrive"),
        reply("EQ", 413, invalid, "request_too_large", "the body is too long"),
        reply("EQ", 426, invalid, "invalid_request", "HTTP/1.0 is too old, use HTTP/1.1 or newer"),
        reply("EQ", 431, invalid, "headers_too_large", "the headers are too long"),
        reply("EQ", 501, invalid, "invalid_request", "the transfer encoding is not supported"),
        reply("EQ", 503, "server_error", "overloaded", "the gateway cannot serve this now"),
        reply("EQ", 504, "timeout", "timeout", "the request took too long"),
        reply("GE", 500, "server_error", "internal_error", "the gateway failed"),
        reply("GE", 400, invalid, "invalid_request", "the request is not valid HTTP"),
    ]
}

/// Returns the type of an error in the Messages API.
fn messages_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        413 => "request_too_large",
        503 => "overloaded_error",
        408 | 504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
