//! The translation of tools and of the choice among them. Claude API reference, *Create a Message*:
//! `tools`, `tool_choice`.

use serde_json::value::RawValue;

use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields},
    client_api::translation::InletTranslation,
    json::{Object, list},
};

/// Writes the tools of a request, and the choice among them.
pub(super) fn write(
    translation: &mut InletTranslation,
    fields: &ObjectFields<'_>,
    chat: &mut Object<'_>,
) {
    let tools = fields.get("tools").map(|raw| client_tools(translation, raw));
    if let Some(tools) = &tools {
        list(chat.key("tools"), tools, write_tool);
    }
    if let Some(choice) = translation.tool_choice(fields, tools.map(|tools| tools.len())) {
        write_choice(translation, choice, chat);
    }
}

/// Returns the tools that the client runs. Tools that Anthropic runs or defines are left out.
fn client_tools<'a>(
    translation: &mut InletTranslation,
    raw: &'a RawValue,
) -> Vec<ObjectFields<'a>> {
    let mut tools = Vec::new();
    let all = translation.read_list("tools", raw, "an array of tools");
    for (index, raw) in all.into_iter().enumerate() {
        let path = format!("tools[{index}]");
        let tool = translation.read_object(&path, raw, "a tool with name and input_schema");
        let Some(tool) = tool else { continue };
        let kind = tool.text("type").map(|kind| kind.decode().into_owned()).unwrap_or_default();
        if !matches!(kind.as_str(), "" | "custom") {
            translation.leave_out("tools", &kind);
        } else if tool.get("input_schema").is_none() {
            translation.add(MistakeKind::Missing, &format!("{path}.input_schema"), "is required");
        } else if translation.read_text(&path, &tool, "name").is_some() {
            tools.push(tool);
        }
    }
    tools
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

fn write_choice(translation: &mut InletTranslation, raw: &RawValue, chat: &mut Object<'_>) {
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
