//! The head of a client's request.

use crate::{handoff::headers, request_id};

/// Head of a client's request, as far as the gateway reads it.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    /// `:method`.
    pub method: String,
    /// `:path`, query included.
    pub path: String,
    /// `content-type`.
    pub content_type: Option<String>,
    /// `content-encoding`.
    pub content_encoding: Option<String>,
    /// Account of the caller, by the key or the token that Envoy has checked.
    pub account: Option<String>,
    /// Whether no body follows.
    pub end: bool,
}

impl RequestHead {
    /// Reads the headers of a request. Returns the request id beside the head, if there is a valid
    /// one.
    pub fn from_headers(headers: Vec<(String, String)>, end: bool) -> (Self, Option<String>) {
        let (mut head, mut request_id) = (Self { end, ..Self::default() }, None);
        for (name, value) in headers {
            match name.as_str() {
                ":method" => head.method = value,
                ":path" => head.path = value,
                "content-type" => head.content_type = Some(value),
                "content-encoding" => head.content_encoding = Some(value),
                headers::ACCOUNT => head.account = Some(value),
                "x-request-id" => request_id = Some(value),
                _ => {}
            }
        }
        (head, request_id.filter(|text| request_id::is_uuid(text)))
    }
}
