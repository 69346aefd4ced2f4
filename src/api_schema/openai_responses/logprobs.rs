//! Log probabilities of tokens, which have no `bytes` in a stream. OpenAI's API reference, *The
//! response object*, `logprobs`; *The chat completion object*, `logprobs`.

use serde_json::value::RawValue;

use crate::{
    api_schema::raw_items::raw_items,
    chat::object::ObjectFields,
    json::{Object, list},
};

/// Translates the log probabilities of a message's texts into those of a choice. Returns `None` if
/// there are none.
pub(super) fn translate<'a>(
    parts: impl IntoIterator<Item = &'a RawValue>,
) -> Option<Box<RawValue>> {
    let tokens = parts.into_iter().flat_map(|raw| raw_items(Some(raw)));
    let tokens: Vec<_> = tokens.filter_map(ObjectFields::read).collect();
    if tokens.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let mut logprobs = Object::open(&mut out);
    list(logprobs.key("content"), &tokens, |out, token| {
        let mut object = write_token(out, token);
        // Some alternatives of a stream lack their number.
        let others = raw_items(token.get("top_logprobs")).filter_map(ObjectFields::read);
        let others = others.filter(|other| other.get("logprob").is_some());
        list(object.key("top_logprobs"), others, |out, other| write_token(out, &other).close());
        object.close();
    });
    logprobs.raw("refusal", "null");
    logprobs.close();
    String::from_utf8(out).ok().and_then(|json| RawValue::from_string(json).ok())
}

/// Writes the fields that every token has, into an object that is left open.
fn write_token<'o>(out: &'o mut Vec<u8>, token: &ObjectFields<'_>) -> Object<'o> {
    let mut object = Object::open(out);
    for key in ["token", "logprob", "bytes"] {
        object.raw(key, token.get(key).map_or("null", RawValue::get));
    }
    object
}
