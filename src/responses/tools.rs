//! The translation of tools and of the choice among them. OpenAI's API reference, *Create a
//! response*: `tools`, `tool_choice`.

use serde_json::value::RawValue;

use super::namespaces;
use crate::{
    chat::{object::ObjectFields, text::Text},
    client_api::translation::InletTranslation,
    json::{Object, list},
};

/// Tool that the client runs.
struct ClientTool<'a> {
    name: Text<'a>,
    fields: ObjectFields<'a>,
}

/// Writes the tools of a request, and the choice among them.
pub(super) fn write(
    translation: &mut InletTranslation,
    fields: &ObjectFields<'_>,
    chat: &mut Object<'_>,
) {
    let tools = fields.get("tools").map(|raw| {
        let mut tools = Vec::new();
        add_tools(translation, "tools", raw, None, &mut tools);
        tools
    });
    if let Some(tools) = &tools {
        list(chat.key("tools"), tools, write_tool);
    }
    if let Some(choice) = translation.tool_choice(fields, tools.map(|tools| tools.len())) {
        write_choice(translation, choice, chat);
    }
}

/// Adds the tools that the client runs. Tools that OpenAI runs or defines are left out.
fn add_tools<'a>(
    translation: &mut InletTranslation,
    path: &str,
    raw: &'a RawValue,
    namespace: Option<&Text<'a>>,
    tools: &mut Vec<ClientTool<'a>>,
) {
    let all = translation.read_list(path, raw, "an array of tools");
    for (index, raw) in all.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let Some(fields) = translation.read_object(&path, raw, "a tool with a type") else {
            continue;
        };
        match kind_of(&fields).as_str() {
            "function" | "custom" => {
                let Some(name) = translation.read_text(&path, &fields, "name") else { continue };
                let name = match namespace {
                    Some(namespace) => namespaces::joined(namespace, &name),
                    None => name,
                };
                leave_out_rest(translation, &fields);
                tools.push(ClientTool { name, fields });
            }
            "namespace" if namespace.is_none() => {
                let Some(name) = translation.read_text(&path, &fields, "name") else { continue };
                if let Some(own) = fields.get("tools") {
                    add_tools(translation, &[&path, ".tools"].concat(), own, Some(&name), tools);
                }
            }
            "" => translation.add_invalid(&path, "must be a tool with a type"),
            kind => translation.leave_out("tools", kind),
        }
    }
}

/// Fields of a tool that the chat API has.
const TOOL_KEYS: [&str; 6] = ["type", "name", "description", "parameters", "strict", "format"];

/// Reports the fields of a tool that the chat API does not have, except for those that ask for nothing.
fn leave_out_rest(translation: &mut InletTranslation, tool: &ObjectFields<'_>) {
    for (key, raw) in tool.iter().filter(|(key, _)| !TOOL_KEYS.contains(key)) {
        if !matches!(raw.get(), "null" | "false") {
            translation.leave_out("tools", key);
        }
    }
}

fn kind_of(fields: &ObjectFields<'_>) -> String {
    fields.text("type").map(|kind| kind.decode().into_owned()).unwrap_or_default()
}

fn write_tool(out: &mut Vec<u8>, tool: &ClientTool<'_>) {
    let (is_custom, fields) = (kind_of(&tool.fields) == "custom", &tool.fields);
    let kind = if is_custom { "custom" } else { "function" };
    let keys: &[&str] = match is_custom {
        true => &["description"],
        false => &["description", "parameters", "strict"],
    };
    let mut object = Object::open(out);
    object.value("type", kind).object(kind, |own| {
        own.value("name", &tool.name);
        for key in keys {
            fields.get(key).map(|raw| own.raw(key, raw.get()));
        }
        if let Some(format) = fields.object("format").filter(|_| is_custom) {
            write_format(own, &format);
        }
    });
    object.close();
}

/// Writes the format of a custom tool's input, whose grammar is an object of its own in the chat API.
fn write_format(tool: &mut Object<'_>, format: &ObjectFields<'_>) {
    tool.object("format", |own| {
        format.get("type").map(|kind| own.raw("type", kind.get()));
        if kind_of(format) == "grammar" {
            own.object("grammar", |grammar| {
                for key in ["syntax", "definition"] {
                    format.get(key).map(|raw| grammar.raw(key, raw.get()));
                }
            });
        }
    });
}

/// The values of a choice, for mistakes.
const CHOICES: &str = "must be auto, none, required, or an object with type function, custom or \
                       allowed_tools";

fn write_choice(translation: &mut InletTranslation, raw: &RawValue, chat: &mut Object<'_>) {
    if Text::from_raw(raw).is_some() {
        chat.raw("tool_choice", raw.get());
        return;
    }
    let Some(choice) = ObjectFields::read(raw) else {
        return translation.add_invalid("tool_choice", CHOICES);
    };
    match kind_of(&choice).as_str() {
        "function" | "custom" => {
            if translation.read_text("tool_choice", &choice, "name").is_some() {
                write_named(chat.key("tool_choice"), &choice);
            }
        }
        "allowed_tools" => write_allowed(translation, &choice, chat),
        _ => translation.add_invalid("tool_choice", CHOICES),
    }
}

/// Writes a reference to a tool.
fn write_named(out: &mut Vec<u8>, tool: &ObjectFields<'_>) {
    let kind = kind_of(tool);
    let Some(name) = tool.text("name") else { return out.extend_from_slice(b"{}") };
    let name = match tool.text("namespace") {
        Some(namespace) => namespaces::joined(&namespace, &name),
        None => name,
    };
    let mut object = Object::open(out);
    object.value("type", &kind).object(&kind, |own| {
        own.value("name", &name);
    });
    object.close();
}

/// Writes the tools among which the model may choose. Tools that the client does not run are left out.
fn write_allowed(
    translation: &mut InletTranslation,
    choice: &ObjectFields<'_>,
    chat: &mut Object<'_>,
) {
    let tools: Option<Vec<ObjectFields<'_>>> =
        choice.get("tools").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let (Some(mode), Some(tools)) = (choice.get("mode"), tools) else {
        return translation.add_invalid("tool_choice", "allowed_tools needs mode and tools");
    };
    let is_own = |tool: &&ObjectFields<'_>| {
        matches!(kind_of(tool).as_str(), "function" | "custom") && tool.text("name").is_some()
    };
    for other in tools.iter().filter(|tool| !is_own(tool)) {
        translation.leave_out("tool_choice", &kind_of(other));
    }
    chat.object("tool_choice", |own| {
        own.value("type", "allowed_tools").object("allowed_tools", |allowed| {
            allowed.raw("mode", mode.get());
            list(allowed.key("tools"), tools.iter().filter(is_own), write_named);
        });
    });
}
