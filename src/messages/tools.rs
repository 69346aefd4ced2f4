//! The translation of tools and of the choice among them. Claude API reference, *Create a Message*:
//! `tools`, `tool_choice`.

use serde_json::value::RawValue;

use super::translation::{MessagesTranslation, PathStep};
use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields, text::Text},
    json::{Object, list},
};

/// Writes the tools of a request, and the choice among them.
pub(super) fn write(
    translation: &mut MessagesTranslation,
    fields: &ObjectFields<'_>,
    chat: &mut Object<'_>,
) {
    let tools = fields.get("tools").map(|raw| client_tools(translation, raw));
    if let Some(tools) = &tools {
        list(chat.key("tools"), tools, write_tool);
    }
    match (fields.get("tool_choice"), tools) {
        (Some(_), Some(tools)) if tools.is_empty() => translation.leave_out("", "tool_choice"),
        (Some(raw), _) => write_choice(translation, raw, chat),
        (None, _) => {}
    }
}

/// Returns the tools that the client runs. Tools that Anthropic runs or defines are left out.
fn client_tools<'a>(
    translation: &mut MessagesTranslation,
    raw: &'a RawValue,
) -> Vec<ObjectFields<'a>> {
    let mut tools = Vec::new();
    let all = translation.read_list("tools", raw, "an array of tools");
    for (index, raw) in all.into_iter().enumerate() {
        let tool = translation.within(PathStep::Key("tools"), |all| {
            all.within(PathStep::Index(index), |own| client_tool(own, raw))
        });
        tools.extend(tool);
    }
    tools
}

fn client_tool<'a>(
    translation: &mut MessagesTranslation,
    raw: &'a RawValue,
) -> Option<ObjectFields<'a>> {
    let tool = translation.read_object("", raw, "a tool with name and input_schema")?;
    let kind = tool.text("type");
    let kind = kind.as_ref().map(Text::decode).unwrap_or_default();
    if !matches!(kind.as_ref(), "" | "custom") {
        translation.leave_out("tools", &kind);
        return None;
    }
    if tool.get("input_schema").is_none() {
        translation.add(MistakeKind::Missing, "input_schema", "is required");
        return None;
    }
    translation.read_text("", &tool, "name").map(|_| tool)
}

fn write_tool(out: &mut Vec<u8>, tool: &ObjectFields<'_>) {
    const FIELDS: [(&str, &str); 4] = [
        ("name", "name"),
        ("description", "description"),
        ("input_schema", "parameters"),
        ("strict", "strict"),
    ];
    let mut object = Object::open(out);
    object.value("type", "function").object("function", |function| {
        for (key, own) in FIELDS {
            tool.get(key).map(|raw| function.raw(own, raw.get()));
        }
    });
    tool.get("cache_control").map(|mark| object.raw("cache_control", mark.get()));
    object.close();
}

fn write_choice(translation: &mut MessagesTranslation, raw: &RawValue, chat: &mut Object<'_>) {
    let expected = "an object with type auto, any, tool or none";
    let Some(choice) = translation.read_object("tool_choice", raw, expected) else { return };
    let kind = choice.text("type").map(|kind| kind.decode().into_owned()).unwrap_or_default();
    match kind.as_str() {
        "tool" => {
            let Some(name) = translation.read_text("tool_choice", &choice, "name") else { return };
            chat.object("tool_choice", |named| {
                named.value("type", "function").object("function", |function| {
                    function.value("name", &name);
                });
            });
        }
        "any" => {
            chat.value("tool_choice", "required");
        }
        "auto" | "none" => {
            chat.value("tool_choice", &kind);
        }
        _ => translation.add_invalid("tool_choice.type", "must be auto, any, tool or none"),
    }
    let serial = choice.get("disable_parallel_tool_use").map(RawValue::get);
    if serial == Some("true") {
        chat.value("parallel_tool_calls", &false);
    }
}
