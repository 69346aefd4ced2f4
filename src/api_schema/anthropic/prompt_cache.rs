//! Marks of the prompt cache that the gateway places in a request in which the client places none. Guide
//! *Prompt caching*.
//!
//! Claude writes the prompt up to each mark to its cache, and reads the longest of these that a later
//! request repeats up to a mark of its own. A mark at the end of the user's last turn writes the whole
//! conversation. The next request has that turn as the user's last but one, and marks it again: it reads
//! what this request wrote, however many blocks lie between.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::{
    chat::{
        object::ObjectFields,
        parameter::{ClientApi, Parameter},
        request::Request,
        text::Text,
    },
    config::{Model, PromptCache},
    json::range_within,
};

/// The number of the user's turns that are marked. With the tools and the system prompt, these are as
/// many marks as Claude takes.
pub(super) const MARKED_TURNS: usize = 2;

/// A mark as a field of an object that has others before it, and the end of the object.
const MARK_FIELD: &str = r#","cache_control":{"type":"ephemeral"}}"#;

/// Returns a mark, whose cache entry lives for five minutes after its last use.
pub(super) fn mark() -> Option<&'static RawValue> {
    serde_json::from_str(r#"{"type":"ephemeral"}"#).ok()
}

/// Returns the marks that the gateway places in a request: none beside those of the client.
pub(super) fn effective(request: &Request<'_>, model: &Model) -> PromptCache {
    match model.prompt_cache {
        PromptCache::Auto if !has_marks(request) => PromptCache::Auto,
        PromptCache::Auto | PromptCache::Off => PromptCache::Off,
    }
}

/// Returns `true` if the client has placed a mark, even one that Claude does not know.
fn has_marks(request: &Request<'_>) -> bool {
    if let Some(original) = request.parameters.original_in(ClientApi::Messages) {
        // Inside of a string, the quotes would have a backslash.
        let mut fields = original.fields.iter();
        return fields
            .any(|(key, raw)| key == "cache_control" || raw.get().contains("\"cache_control\""));
    }
    let in_messages = request.messages.iter().any(|message| {
        let mut parts = message.content.parts().iter();
        message.cache_control.is_some() || parts.any(|part| part.cache_control.is_some())
    });
    request.parameters.get(Parameter::CacheControl).is_some()
        || in_messages
        || request.tools.iter().any(|tool| tool.cache_control.is_some())
}

/// Returns a field of a request in Claude's own API with its marks.
pub(super) fn marked_field<'j>(key: &str, json: Cow<'j, str>) -> Cow<'j, str> {
    let marked = match key {
        "tools" => with_marked_tool(&json),
        "system" => with_marked_block(&json),
        "messages" => with_marked_turns(&json),
        _ => None,
    };
    marked.map_or(json, Cow::Owned)
}

/// Returns messages in which the user's last ones are marked.
fn with_marked_turns(json: &str) -> Option<String> {
    let messages: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let ends = messages.iter().rev().filter_map(|message| {
        let content = user_content(message)?.get();
        Some((content, with_marked_block(content)?))
    });
    let mut out = json.to_owned();
    // The last one comes first, so that the places of the others stay the same.
    for (content, marked) in ends.take(MARKED_TURNS) {
        out.replace_range(range_within(content, json.as_bytes())?, &marked);
    }
    Some(out)
}

/// Returns the content of a message of the user.
fn user_content<'m>(message: &&'m RawValue) -> Option<&'m RawValue> {
    let fields = ObjectFields::read(message)?;
    fields.text("role").filter(|role| role.decode() == "user")?;
    fields.get("content")
}

/// Returns content, a string or an array of blocks, of which the last block is marked.
fn with_marked_block(json: &str) -> Option<String> {
    if let Ok(text) = serde_json::from_str::<Text<'_>>(json) {
        let block = ["[{\"type\":\"text\",\"text\":", json, MARK_FIELD, "]"];
        return (!text.is_blank()).then(|| block.concat());
    }
    with_marked_item(json, |block| match block.text("type").as_ref().map(Text::decode).as_deref() {
        Some("text") => block.text("text").is_some_and(|text| !text.is_blank()),
        Some(kind) => matches!(kind, "image" | "document" | "search_result" | "tool_result"),
        None => false,
    })
}

/// Returns tools of which the last is marked. Claude refuses a mark on one that it loads later.
fn with_marked_tool(json: &str) -> Option<String> {
    with_marked_item(json, |tool| {
        let is_deferred = tool.get("defer_loading").is_some_and(|raw| raw.get() == "true");
        tool.get("name").is_some() && !is_deferred
    })
}

/// Returns an array in which the last object that can be marked is.
fn with_marked_item(json: &str, can_be_marked: fn(ObjectFields<'_>) -> bool) -> Option<String> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let is_last = |item: &&&RawValue| ObjectFields::read(item).is_some_and(can_be_marked);
    let last = items.iter().rev().find(is_last)?;
    let range = range_within(last.get(), json.as_bytes())?;
    let mut out = json.to_owned();
    let fields = last.get().strip_suffix('}')?;
    out.replace_range(range, &[fields, MARK_FIELD].concat());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_have_no_place_for_a_mark_stay_as_they_are() {
        for (key, json) in [
            ("model", r#""claude""#),
            ("system", r#"" \n""#),
            ("system", "[]"),
            ("system", "1"),
            ("tools", r#"[{}, 1, {"name": "a", "defer_loading": true}]"#),
            ("messages", r#"[{"role": "user"}, {"role": "assistant", "content": "x"}, 1]"#),
            ("messages", r#"[{"role": "user", "content": [{"type": "text", "text": ""}, {}]}]"#),
        ] {
            assert_eq!(marked_field(key, Cow::Borrowed(json)), json);
        }
    }

    #[test]
    fn all_but_the_mark_stays_as_it_was_written() {
        let json = r#"[ {"role":"user","content":"a\u00e9"},{"role":"user", "content": [{"type":
            "image" } ,{"type":"thinking"}]} ]"#;
        let marked = r#"[ {"role":"user","content":[{"type":"text","text":"a\u00e9","cache_control":{"type":"ephemeral"}}]},{"role":"user", "content": [{"type":
            "image" ,"cache_control":{"type":"ephemeral"}} ,{"type":"thinking"}]} ]"#;
        assert_eq!(marked_field("messages", Cow::Borrowed(json)), marked);
    }
}
