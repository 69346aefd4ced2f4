//! The head of the request to a provider, and of its response.

use crate::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    http_call::USER_AGENT,
    time::Timestamp,
};

/// Returns the headers of the request to a provider. No header of the client goes along.
pub fn request_headers<'h>(
    request: &'h TranslatedRequest,
    length: &'h str,
    request_id: &'h str,
    trace: &'h [(&'static str, String)],
) -> Vec<(&'h str, &'h str)> {
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", request.authority.as_str()),
        (":path", &request.path),
        ("content-type", "application/json"),
        ("content-length", length),
        ("accept", request.accept),
        ("user-agent", USER_AGENT),
        ("x-request-id", request_id),
    ];
    headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
    headers.extend(trace.iter().map(|(name, value)| (*name, value.as_str())));
    headers
}

/// Returns the head of a provider's response. `header` reads a header.
pub fn response_head(
    status: u16,
    header: impl Fn(&str) -> Option<String>,
    clock: impl FnOnce() -> Timestamp,
) -> ResponseHead {
    let retry_after = (status != 200).then(|| ResponseHead::retry_after(&header, clock)).flatten();
    let content_type = header("content-type").unwrap_or_default().to_ascii_lowercase();
    ResponseHead { status, content_type, retry_after }
}
