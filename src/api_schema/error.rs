//! Classification of providers' errors.

mod delay;
mod fields;
mod keys;
mod wordings;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::{
    delay::delay_in,
    fields::ErrorFields,
    wordings::{is_context_length, is_out_of_credit},
};
use super::origin::{ResponseContext, ResponseHead};
use crate::chat::error::Error;

/// Classifies an answer whose status is not 200.
pub(crate) fn classify(origin: ResponseContext<'_>, body: &[u8]) -> Error {
    let fields = ErrorFields::read(body);
    let (provider, status) = (origin.provider.to_owned(), origin.head.status);
    if is_context_length(&fields) {
        return Error::ContextLength { message: fields.message };
    }
    // Anthropic reports this with a 400, OpenAI with a 429.
    if is_out_of_credit(&fields) {
        return Error::Refused { provider, status };
    }
    let ErrorFields { message, code, param, .. } = fields;
    let retry_after = || origin.head.retry_after.or_else(|| delay_in(&message));
    match status {
        401..=404 => Error::Refused { provider, status },
        410 => Error::Retired { model: origin.model.to_owned() },
        413 => {
            Error::Rejected { status: 413, message, code: Some("request_too_large".into()), param }
        }
        429 => Error::RateLimited { provider, retry_after: retry_after() },
        408 | 409 | 425 | 503 | 529 => Error::Overloaded { provider, retry_after: retry_after() },
        504 | 524 => Error::Timeout { provider },
        400..=499 => Error::Rejected { status: 400, message, code, param },
        status => Error::Failed { provider, status },
    }
}

/// Classifies an error in an answer with status 200, or in a stream. The status is derived from the
/// error's own code, if it has one.
pub(crate) fn classify_embedded(origin: ResponseContext<'_>, error: &RawValue) -> Error {
    let body = format!("{{\"error\":{}}}", error.get());
    let status = status_in(error).unwrap_or(origin.head.status);
    let head =
        ResponseHead { status, retry_after: origin.head.retry_after, ..ResponseHead::default() };
    classify(ResponseContext { head: &head, ..origin }, body.as_bytes())
}

/// Returns the status that the code, the status or the type of an error stands for.
fn status_in(error: &RawValue) -> Option<u16> {
    #[derive(Deserialize)]
    struct WireErrorCode<'a> {
        #[serde(borrow, default)]
        code: Option<&'a RawValue>,
        #[serde(borrow, default)]
        status: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    let error: WireErrorCode<'_> = serde_json::from_str(error.get()).ok()?;
    let bare = |raw: &'_ RawValue| raw.get().trim_matches('"').to_owned();
    let codes = [error.code, error.status, error.kind].map(|raw| raw.map(bare).unwrap_or_default());
    let number = codes.iter().find_map(|code| code.parse().ok());
    let known = || codes.iter().find_map(|code| STATUS_BY_CODE.iter().find(|(own, _)| own == code));
    let status = number.or_else(|| known().map(|(_, status)| *status))?;
    (400..=599).contains(&status).then_some(status)
}

/// The codes and types of OpenAI and Anthropic, with the status that each has outside of a 200.
/// OpenAI, *Error codes*; Anthropic, *Errors*.
const STATUS_BY_CODE: [(&str, u16); 14] = [
    ("invalid_api_key", 401),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("model_not_found", 404),
    ("not_found_error", 404),
    ("request_too_large", 413),
    ("rate_limit_exceeded", 429),
    ("rate_limit_error", 429),
    ("insufficient_quota", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
    ("invalid_request_error", 400),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(head: &ResponseHead) -> ResponseContext<'_> {
        ResponseContext { provider: "p", model: "m", head }
    }

    #[test]
    fn statuses_are_ours_to_choose() {
        let cases = [
            (400, 400),
            (401, 502),
            (402, 502),
            (403, 502),
            (404, 502),
            (408, 503),
            (409, 503),
            (410, 410),
            (413, 413),
            (418, 400),
            (422, 400),
            (425, 503),
            (429, 429),
            (500, 502),
            (502, 502),
            (503, 503),
            (504, 504),
            (520, 502),
            (524, 504),
            (529, 503),
            (302, 502),
            (204, 502),
        ];
        for (theirs, ours) in cases {
            let head = ResponseHead { status: theirs, ..ResponseHead::default() };
            assert_eq!(classify(origin(&head), b"").status(), ours, "{theirs}");
        }
    }

    #[test]
    fn an_error_hidden_in_a_200_has_its_own_status() {
        let cases = [
            (r#"{"message":"m","code":429}"#, 429),
            (r#"{"message":"m","code":"503"}"#, 503),
            (r#"{"message":"m","code":"server_error"}"#, 502),
            (r#"{"message":"m","type":"requests","code":"rate_limit_exceeded"}"#, 429),
            (r#"{"message":"m","type":"overloaded_error"}"#, 503),
            (r#"{"message":"m","type":"invalid_request_error","code":null}"#, 400),
            (r#"{"message":"m","type":"invalid_request_error","code":"invalid_api_key"}"#, 502),
            (r#"{"message":"m","type":"timeout_error","code":{}}"#, 504),
            (r#""m""#, 502),
        ];
        for (error, status) in cases {
            let raw: &RawValue = serde_json::from_str(error).unwrap();
            assert_eq!(
                classify_embedded(origin(&ResponseHead::default()), raw).status(),
                status,
                "{error}"
            );
        }
    }
}
