//! Classification of providers' errors.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::origin::{ResponseContext, ResponseHead};
use crate::{
    chat::{error::Error, mistake::truncated},
    request_id::is_uuid,
};

/// Classifies an answer whose status is not 200.
pub(crate) fn classify(origin: ResponseContext<'_>, body: &[u8]) -> Error {
    let ErrorFields { message, code, param } = ErrorFields::read(body);
    let (provider, head) = (origin.provider.to_owned(), origin.head);
    match head.status {
        _ if is_context_length(code.as_deref(), &message) => Error::ContextLength { message },
        // Anthropic reports this with a 400.
        _ if message.contains("credit balance is too low") => {
            Error::Refused { provider, status: head.status }
        }
        401..=404 => Error::Refused { provider, status: head.status },
        410 => Error::Retired { model: origin.model.to_owned() },
        413 => {
            Error::Rejected { status: 413, message, code: Some("request_too_large".into()), param }
        }
        429 => Error::RateLimited { provider, retry_after: head.retry_after },
        408 | 409 | 425 | 503 | 529 => Error::Overloaded { provider },
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

/// Returns whether a prompt is too long, by OpenAI's code or by the messages of servers without
/// codes.
fn is_context_length(code: Option<&str>, message: &str) -> bool {
    code == Some("context_length_exceeded")
        || message.contains("maximum context length")
        || message.contains("prompt is too long")
        || message.contains("exceed context limit")
}

/// The fields of an error, from any of the shapes that servers use.
struct ErrorFields {
    message: String,
    code: Option<String>,
    param: Option<String>,
}

/// An error body, or the object in its `error`.
#[derive(Default, Deserialize)]
struct WireError<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    param: Option<&'a RawValue>,
}

impl ErrorFields {
    /// Reads `{"error": {…}}`, `{"error": "…"}`, `{"message": "…"}`, `{"detail": …}`, or one of
    /// these in an array. Any other body, HTML for example, has no fields.
    fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let fields: WireError<'_> = serde_json::from_str(text).unwrap_or_default();
        let inner = fields.error.map(|raw| serde_json::from_str(raw.get()).unwrap_or_default());
        let inner: WireError<'_> = inner.unwrap_or_default();
        let message = [inner.message, fields.message, fields.error, fields.detail]
            .into_iter()
            .flatten()
            .find_map(non_empty);
        let code = inner.code.or(fields.code).and_then(non_empty);
        let param = inner.param.or(fields.param).and_then(non_empty);
        let message = message.or_else(|| fields.detail.map(|raw| Cow::Borrowed(raw.get())));
        let message = message.unwrap_or(Cow::Borrowed("no reason given"));
        let owned = |text: Cow<'_, str>| truncated(&mask_keys(&text));
        Self { message: owned(message), code: code.map(owned), param: param.map(owned) }
    }
}

/// The prefixes of the API keys of known providers.
const KEY_PREFIXES: [&str; 9] =
    ["sk-", "sk_", "pk-", "AIza", "ya29.", "ABSK", "AKIA", "gsk_", "bedrock-api-key-"];

/// Masks the words of a text that look like API keys: some providers repeat the key that they
/// refuse.
fn mask_keys(text: &str) -> String {
    let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_key) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !in_key(c)).unwrap_or(word.len()));
        masked.push_str(before);
        masked.push_str(if is_key(word) { "[key]" } else { word });
        rest = after;
    }
    masked + rest
}

/// Returns whether a word has a known prefix, or is longer than words are and no UUID.
fn is_key(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    let has_prefix = word.len() >= 12 && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    let is_long = word.len() >= 32 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    has_prefix || (is_long && !is_uuid(word))
}

/// Returns a string that is not empty.
fn non_empty(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    (!text.is_empty()).then_some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn origin(head: &ResponseHead) -> ResponseContext<'_> {
        ResponseContext { provider: "p", model: "m", head }
    }

    #[test]
    fn every_shape_of_error_gives_its_message() {
        let cases = [
            (r#"{"error":{"message":"m","code":"c","param":"p"}}"#, "m"),
            (r#"{"error":"m"}"#, "m"),
            (r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#, "m"),
            (r#"{"detail":"m"}"#, "m"),
            (r#"{"detail":[{"loc":["body"],"msg":"x"}]}"#, r#"[{"loc":["body"],"msg":"x"}]"#),
            (r#"[{"error":{"message":"m"}}]"#, "m"),
            ("<html>502</html>", "no reason given"),
            ("", "no reason given"),
        ];
        for (body, message) in cases {
            assert_eq!(ErrorFields::read(body.as_bytes()).message, message, "{body}");
        }
    }

    #[test]
    fn what_looks_like_a_key_is_masked() {
        let cases = [
            ("bad key sk-proj-0123456789abcdef.", "bad key [key]"),
            ("`AIzaSyA0123456789` is not valid", "`[key]` is not valid"),
            ("Bearer 0123456789abcdefghijABCDEFGHIJklm!", "Bearer [key]!"),
            ("no model claude-haiku-4-5-20251001", "no model claude-haiku-4-5-20251001"),
            ("id 8077c0fe-2422-4590-a675-187a4d96f2b1", "id 8077c0fe-2422-4590-a675-187a4d96f2b1"),
            ("é: sk-", "é: sk-"),
        ];
        for (said, masked) in cases {
            assert_eq!(mask_keys(said), masked);
        }
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
