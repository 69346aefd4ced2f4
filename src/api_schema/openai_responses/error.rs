//! Errors inside of a response or of a stream. OpenAI's API reference, *The response object*, `error`.

use serde_json::value::RawValue;

use crate::{
    api_schema::{
        error,
        origin::{ResponseContext, ResponseHead},
    },
    chat::{error::Error, object::ObjectFields},
};

/// The codes of faults of the provider. All others are faults of the request.
const PROVIDER_FAULTS: [&str; 3] = ["server_error", "rate_limit_exceeded", "vector_store_timeout"];

/// Classifies the error of a response that has failed, or an `error` event.
pub(super) fn classify_failure(error: &RawValue, origin: ResponseContext<'_>) -> Error {
    let code = ObjectFields::read(error).and_then(|own| own.text("code"));
    let code = code.filter(|code| !code.is_empty());
    let is_of_request = code.is_some_and(|code| !PROVIDER_FAULTS.contains(&code.decode().as_ref()));
    let status = if is_of_request { 400 } else { origin.head.status };
    let head =
        ResponseHead { status, retry_after: origin.head.retry_after, ..ResponseHead::default() };
    error::classify_embedded(ResponseContext { head: &head, ..origin }, error)
}
