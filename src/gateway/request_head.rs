//! The head of a client's request.

use super::head_fields::HeadFields;
use crate::{handoff::headers, messages::betas::Betas, request_id};

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
    /// `content-length`.
    pub content_length: Option<usize>,
    /// `anthropic-beta`, as far as the names are known.
    pub betas: Betas,
    /// `true` if `anthropic-version` is there: the client is one of Anthropic's API.
    pub is_anthropic: bool,
    /// Fields of the request that are in its head.
    pub fields: HeadFields,
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
                "content-length" => head.content_length = value.parse().ok(),
                "anthropic-beta" => head.betas.add(&value),
                "anthropic-version" => head.is_anthropic = true,
                headers::ACCOUNT => head.account = Some(value),
                "x-request-id" => request_id = Some(value),
                other => head.fields.add(other, &value),
            }
        }
        (head, request_id.filter(|text| request_id::is_uuid(text)))
    }
}
