//! Errors of Bedrock, classified. Amazon Bedrock API reference, *Converse*, "Errors";
//! *ConverseStreamOutput*.

use serde_json::value::RawValue;

use crate::{
    api_schema::{
        error,
        origin::{ResponseContext, ResponseHead},
    },
    chat::error::Error,
};

/// The status of an error in the model itself, which another attempt may avoid.
const MODEL_ERROR: u16 = 424;

/// The exceptions of a stream, each with the status that it has outside of one.
const EXCEPTIONS: [(&str, u16); 6] = [
    ("validationException", 400),
    ("modelTimeoutException", 408),
    ("modelStreamErrorException", MODEL_ERROR),
    ("throttlingException", 429),
    ("serviceUnavailableException", 503),
    ("internalServerException", 500),
];

/// Classifies a response whose status is not 200.
pub(crate) fn classify(origin: ResponseContext<'_>, body: &[u8]) -> Error {
    if origin.head.status == MODEL_ERROR {
        return Error::Failed { provider: origin.provider.to_owned(), status: MODEL_ERROR };
    }
    error::classify(origin, body)
}

/// Returns the error that an event of a stream stands for, if it is an exception.
pub(super) fn exception(
    kind: &str,
    payload: &RawValue,
    origin: ResponseContext<'_>,
) -> Option<Error> {
    let known = EXCEPTIONS.iter().find(|(own, _)| *own == kind).map(|(_, status)| *status);
    let is_one = kind.ends_with("Exception") || kind.ends_with("Error");
    let status = known.or_else(|| is_one.then_some(500))?;
    let retry_after = origin.head.retry_after;
    let head = ResponseHead { status, retry_after, ..ResponseHead::default() };
    Some(classify(ResponseContext { head: &head, ..origin }, payload.get().as_bytes()))
}
