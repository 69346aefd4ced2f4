//! The fields of a request that its response repeats. OpenAI's API reference, *The response object*.

use serde_json::value::RawValue;

use super::request::ENCRYPTED_REASONING;
use crate::{
    chat::object::ObjectFields,
    json::{Object, put_on_one_line},
};

/// Repeated fields, each with its value in the response to a request without it.
const REPEATED: [(&str, &str); 15] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("user", "null"),
];

/// Fields that have the same value in every response.
const SAME: &str = r#""background":false,"max_tool_calls":null,"previous_response_id":null,"store":false,"truncation":"disabled""#;

/// Returns the fields of a request that its response repeats, as an object in JSON on one line.
pub fn to_json(request: &ObjectFields<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = Object::open(&mut out);
    for (key, default) in REPEATED {
        object.raw(key, request.get(key).map_or(default, RawValue::get));
    }
    object.close();
    out.pop();
    for piece in [",", SAME, "}"] {
        out.extend_from_slice(piece.as_bytes());
    }
    put_on_one_line(&mut out);
    out
}

/// Returns `true` if the reasoning of the response is to hold data for the next turn: if the client
/// asks for it, or relies on storage that the gateway does not have.
pub fn carries_reasoning(request: &ObjectFields<'_>) -> bool {
    let included =
        request.get("include").is_some_and(|raw| raw.get().contains(ENCRYPTED_REASONING));
    included || request.get("store").is_none_or(|raw| raw.get() != "false")
}
