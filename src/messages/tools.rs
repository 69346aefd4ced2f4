//! The translation of tools and of the choice among them. Claude API reference, *Create a Message*:
//! `tools`, `tool_choice`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::translation::MessagesTranslation;
use crate::{
    chat::{
        mistake::MistakeKind,
        object::{JsonObject, ObjectFields},
        text::Text,
    },
    json::{Object, list},
};

/// Tool of a request.
#[derive(Deserialize)]
struct ToolParam<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    description: Option<Text<'a>>,
    #[serde(borrow, default)]
    input_schema: Option<&'a RawValue>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

/// `tool_choice`.
#[derive(Deserialize)]
struct ToolChoiceParam<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

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
) -> Vec<ToolParam<'a>> {
    let all = translation.read::<Vec<&RawValue>>("tools", raw, "an array of tools");
    let mut tools = Vec::new();
    for (index, raw) in all.into_iter().flatten().enumerate() {
        let path = format!("tools[{index}]");
        let tool: Option<JsonObject<ToolParam<'_>>> =
            translation.read(&path, raw, "a tool with name and input_schema");
        let Some(JsonObject(tool)) = tool else { continue };
        let kind = tool.kind.as_ref().map(Text::decode).unwrap_or_default();
        if !matches!(kind.as_ref(), "" | "custom") {
            translation.leave_out("tools", &kind);
        } else if tool.input_schema.is_none() {
            translation.add(MistakeKind::Missing, &format!("{path}.input_schema"), "is required");
        } else {
            tools.push(tool);
        }
    }
    tools
}

fn write_tool(out: &mut Vec<u8>, tool: &ToolParam<'_>) {
    let mut object = Object::open(out);
    object.value("type", "function").object("function", |function| {
        function.value("name", &tool.name);
        tool.description.as_ref().map(|text| function.value("description", text));
        tool.input_schema.map(|schema| function.raw("parameters", schema.get()));
        tool.strict.map(|strict| function.value("strict", &strict));
    });
    tool.cache_control.map(|mark| object.raw("cache_control", mark.get()));
    object.close();
}

fn write_choice(translation: &mut MessagesTranslation, raw: &RawValue, chat: &mut Object<'_>) {
    let expected = "an object with type auto, any, tool or none";
    let choice: Option<JsonObject<ToolChoiceParam<'_>>> =
        translation.read("tool_choice", raw, expected);
    let Some(JsonObject(choice)) = choice else { return };
    match (choice.kind.decode().as_ref(), &choice.name) {
        ("auto", _) => {
            chat.value("tool_choice", "auto");
        }
        ("any", _) => {
            chat.value("tool_choice", "required");
        }
        ("none", _) => {
            chat.value("tool_choice", "none");
        }
        ("tool", Some(name)) => {
            chat.object("tool_choice", |named| {
                named.value("type", "function").object("function", |function| {
                    function.value("name", name);
                });
            });
        }
        ("tool", None) => translation.add(MistakeKind::Missing, "tool_choice.name", "is required"),
        _ => translation.add_invalid("tool_choice.type", "must be auto, any, tool or none"),
    }
    if choice.disable_parallel_tool_use == Some(true) {
        chat.value("parallel_tool_calls", &false);
    }
}
