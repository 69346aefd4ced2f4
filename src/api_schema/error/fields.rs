//! The fields of an error body, whatever its shape.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::keys::mask_keys;
use crate::chat::mistake::truncated;

/// The fields of an error, from any of the shapes that servers use.
pub(super) struct ErrorFields {
    pub(super) message: String,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
    /// The value of `type`.
    pub(super) kind: Option<String>,
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
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// `metadata` of an error of OpenRouter's. OpenRouter, *Errors and Debugging*: provider errors.
#[derive(Default, Deserialize)]
struct RouterMetadata<'a> {
    /// The error body of the provider behind the router, as text.
    #[serde(borrow, default)]
    raw: Option<&'a RawValue>,
}

impl ErrorFields {
    /// Reads `{"error": {…}}`, `{"error": "…"}`, `{"message": "…"}`, `{"detail": …}`, or one of
    /// these in an array. The message of any other body is its text, and that of an HTML page the
    /// page's title.
    pub(super) fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let json = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let fields: WireError<'_> = serde_json::from_str(json).unwrap_or_default();
        let inner = fields.error.map(|raw| serde_json::from_str(raw.get()).unwrap_or_default());
        let inner: WireError<'_> = inner.unwrap_or_default();
        let own = [inner.message, fields.message, fields.error, fields.detail];
        let message = behind_router(inner.metadata)
            .or_else(|| own.into_iter().flatten().find_map(non_empty))
            .or_else(|| {
                [fields.detail, fields.error].into_iter().flatten().find_map(non_empty_json)
            })
            .or_else(|| fields.error.is_none().then(|| text_of(text))?)
            .unwrap_or(Cow::Borrowed("no reason given"));
        let [code, param, kind] =
            [(inner.code, fields.code), (inner.param, fields.param), (inner.kind, fields.kind)]
                .map(|(inner, outer)| inner.or(outer).and_then(non_empty));
        let owned = |text: Cow<'_, str>| truncated(&mask_keys(&text));
        Self {
            message: owned(message),
            code: code.map(owned),
            param: param.map(owned),
            kind: kind.map(owned),
        }
    }
}

/// Returns the message of the error that a router has put into its own error.
fn behind_router(metadata: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let metadata: RouterMetadata<'_> = serde_json::from_str(metadata?.get()).ok()?;
    let raw = non_empty(metadata.raw?)?;
    let body: WireError<'_> = serde_json::from_str(&raw).unwrap_or_default();
    let inner = body.error.and_then(|error| serde_json::from_str(error.get()).ok());
    let inner: WireError<'_> = inner.unwrap_or_default();
    let messages = [inner.message, body.message, body.error];
    let message = messages.into_iter().flatten().find_map(non_empty).map(Cow::into_owned);
    Some(message.map_or(raw, Cow::Owned))
}

/// Returns the text of a body in no known shape, if it has any.
fn text_of(body: &str) -> Option<Cow<'_, str>> {
    let text = if body.starts_with('<') {
        ["title", "h1", "message"].iter().find_map(|name| element(body, name))
    } else {
        let is_empty = ["", "{}", "[]", "null", "\"\""].contains(&body);
        (!is_empty).then_some(body)
    };
    text.map(Cow::Borrowed)
}

/// Returns the text in the first element of HTML or XML with this name in lower case.
fn element<'t>(page: &'t str, name: &str) -> Option<&'t str> {
    // ASCII letters keep their length, so that positions are the same in both texts.
    let lower = page.to_ascii_lowercase();
    let start = lower.find(&format!("<{name}"))?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let length = lower.get(start..)?.find("</")?;
    let text = page.get(start..start + length)?.trim();
    (!text.is_empty()).then_some(text)
}

/// Returns a string that is not empty.
fn non_empty(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    (!text.is_empty()).then_some(Cow::Owned(text))
}

/// Returns the JSON of an array or an object that is not empty.
fn non_empty_json(raw: &RawValue) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let is_container = json.starts_with(['{', '[']) && !["{}", "[]"].contains(&json);
    is_container.then_some(Cow::Borrowed(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_gives_its_message() {
        let cases = [
            (r#"{"error":{"message":"m","code":"c","param":"p"}}"#, "m"),
            (r#"{"error":"m"}"#, "m"),
            (r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#, "m"),
            (r#"{"detail":"m"}"#, "m"),
            (r#"{"detail":[{"loc":["body"],"msg":"x"}]}"#, r#"[{"loc":["body"],"msg":"x"}]"#),
            (r#"[{"error":{"message":"m"}}]"#, "m"),
            (r#"{"error":{"reason":"x"}}"#, r#"{"reason":"x"}"#),
            (r#"{"errors":["x"]}"#, r#"{"errors":["x"]}"#),
            (r#""m""#, r#""m""#),
            ("image of 9 MB is too large\n", "image of 9 MB is too large"),
            (r#"{"error":{"message":"cut sh"#, r#"{"error":{"message":"cut sh"#),
            ("<html>502</html>", "no reason given"),
            ("<!DOCTYPE html>\n<TITLE lang=en>\n413 Too Large</TITLE>", "413 Too Large"),
            ("<html><body><h1>Blocked</h1></body></html>", "Blocked"),
            ("<Error><Message>no such bucket</Message></Error>", "no such bucket"),
            ("<title></title><title", "no reason given"),
            (r#"{"error":{}}"#, "no reason given"),
            ("{}", "no reason given"),
            ("", "no reason given"),
        ];
        for (body, message) in cases {
            assert_eq!(ErrorFields::read(body.as_bytes()).message, message, "{body}");
        }
        assert_eq!(ErrorFields::read(b"caf\xe9 closed").message, "caf\u{fffd} closed");
    }

    #[test]
    fn the_error_behind_a_router_is_told() {
        let error = |raw: &str| {
            let metadata = serde_json::json!({"raw": raw, "provider_name": "X"});
            let error = serde_json::json!({"message": "Provider returned error", "code": 400});
            let mut body = serde_json::json!({ "error": error });
            body["error"]["metadata"] = metadata;
            ErrorFields::read(body.to_string().as_bytes()).message
        };
        assert_eq!(error(r#"{"error":{"message":"too hot"}}"#), "too hot");
        assert_eq!(error(r#"{"message":"too hot"}"#), "too hot");
        assert_eq!(error("too hot"), "too hot");
        assert_eq!(error(""), "Provider returned error");
    }
}
