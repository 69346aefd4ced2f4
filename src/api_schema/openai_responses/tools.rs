//! Tools, whose fields are not in an object of their own as they are in Chat Completions. OpenAI's API
//! reference, *Create a model response*, `tools` and `tool_choice`.

use serde_json::value::RawValue;

use super::flat_fields::{inner_object, write_flat_fields};
use crate::{
    api_schema::{
        openai::{kind_of, takes_custom_tools},
        tool_names::ToolNames,
        translation::TranslationInput,
    },
    chat::{
        text::Text,
        tools::{AllowedTools, CustomTool, FunctionTool, ToolChoice},
    },
    json::{Object, list},
};

/// The parameters of a function that has none.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// Writes tools.
pub(super) fn write_tools(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>, names: &ToolNames) {
    let takes_custom_tools = takes_custom_tools(&input.target);
    list(out, &input.request.tools, |out, item| {
        let mut tool = Object::open(out);
        match (&item.custom, &item.function) {
            (Some(custom), _) if takes_custom_tools => write_custom_tool(&mut tool, custom, names),
            (_, Some(function)) => write_function(&mut tool, function, names),
            (_, None) => {}
        }
        tool.close();
    });
}

/// Writes a function. Without `strict`, Responses would enforce the schema.
fn write_function(tool: &mut Object<'_>, function: &FunctionTool<'_>, names: &ToolNames) {
    tool.value("type", "function").value("name", &names.sent(&function.name));
    function.description.as_ref().map(|text| tool.value("description", text));
    let parameters = function.parameters.map(RawValue::get).filter(|json| *json != "null");
    tool.raw("parameters", parameters.unwrap_or(NO_PARAMETERS));
    tool.value("strict", &function.strict.unwrap_or_default());
}

fn write_custom_tool(tool: &mut Object<'_>, custom: &CustomTool<'_>, names: &ToolNames) {
    tool.value("type", "custom").value("name", &names.sent(&custom.name));
    custom.description.as_ref().map(|text| tool.value("description", text));
    if let Some(format) = custom.format {
        write_custom_format(tool.key("format"), format);
    }
}

/// Writes the format of a custom tool's input, whose grammar has no object of its own here.
fn write_custom_format(out: &mut Vec<u8>, raw: &RawValue) {
    let Some(grammar) = inner_object(raw, "grammar") else {
        return out.extend_from_slice(raw.get().as_bytes());
    };
    let mut format = Object::open(out);
    format.value("type", "grammar");
    write_flat_fields(&mut format, &grammar, &["syntax", "definition"]);
    format.close();
}

/// Writes the choice among tools.
pub(super) fn write_tool_choice(
    out: &mut Vec<u8>,
    input: &TranslationInput<'_, '_>,
    names: &ToolNames,
) {
    let allowed = match &input.request.tool_choice {
        Some(ToolChoice::Function(name)) => return write_reference(out, name, input, names),
        Some(ToolChoice::AllowedTools(raw)) => AllowedTools::read(raw),
        Some(word) => return crate::json::write(out, word.form()),
        None => None,
    };
    let Some(allowed) = allowed else { return out.extend_from_slice(b"\"auto\"") };
    let mut choice = Object::open(out);
    choice.value("type", "allowed_tools").value("mode", allowed.mode.name());
    list(choice.key("tools"), &allowed.names, |out, name| {
        write_reference(out, name, input, names);
    });
    choice.close();
}

/// Writes a reference to a tool.
fn write_reference(
    out: &mut Vec<u8>,
    name: &Text<'_>,
    input: &TranslationInput<'_, '_>,
    names: &ToolNames,
) {
    let mut tool = Object::open(out);
    tool.value("type", kind_of(name, input)).value("name", &names.sent(name));
    tool.close();
}
