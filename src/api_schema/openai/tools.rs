//! Tools. OpenAI's API reference, *Create chat completion*, `tools`.

use serde_json::Value;

use super::moonshot_schema::to_moonshot;
use crate::{
    api_schema::{
        tool_names::{FirstCharacter, NameRules, ToolNames},
        translation::TranslationInput,
    },
    chat::{
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{AllowedTools, CustomTool, FunctionTool, ToolChoice},
    },
    config::{Provider, Quirk, Target},
    json::{Object, list},
};

/// The rules for names. OpenAI's API reference, *Create chat completion*, `tools[].function.name`.
pub(in crate::api_schema) const RULES: NameRules =
    NameRules { max_length: 64, marks: "_-", first: FirstCharacter::Any };

/// Returns true if the provider gets tools unchanged.
pub(super) fn forwards_tools(provider: &Provider) -> bool {
    let is_rewritten =
        [Quirk::NoStrictTools, Quirk::MoonshotSchemas].iter().any(|quirk| provider.has(*quirk));
    provider.forward_unknown && !is_rewritten
}

/// Returns the schema of a function's parameters as the provider takes it, if that is another.
fn adapted_schema(function: &FunctionTool<'_>, provider: &Provider) -> Option<Value> {
    function.parameters.filter(|_| provider.has(Quirk::MoonshotSchemas)).and_then(to_moonshot)
}

/// Returns true if the schema of any tool is sent in another form.
pub(super) fn adapts_schemas(request: &Request<'_>, provider: &Provider) -> bool {
    let mut functions = request.tools.iter().filter_map(|tool| tool.function.as_ref());
    functions.any(|function| adapted_schema(function, provider).is_some())
}

/// Writes tools, each with the fields of the API and no others, because some servers refuse fields
/// that they do not know.
pub(super) fn write_tools(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>, names: &ToolNames) {
    let provider = input.target.provider;
    let caches = input.target.model.supports(Parameter::CacheControl);
    list(out, &input.request.tools, |out, item| {
        let Some(function) = &item.function else { return out.extend_from_slice(b"{}") };
        let mut tool = Object::open(out);
        if let Some(custom) = item.custom.as_ref().filter(|_| takes_custom_tools(&input.target)) {
            write_custom_tool(&mut tool, custom, names);
            return tool.close();
        }
        tool.value("type", "function").object("function", |object| {
            object.value("name", &names.sent(&function.name));
            function.description.as_ref().map(|text| object.value("description", text));
            let parameters = function.parameters.filter(|schema| schema.get() != "null");
            match adapted_schema(function, provider) {
                Some(schema) => drop(object.value("parameters", &schema)),
                None => drop(parameters.map(|schema| object.raw("parameters", schema.get()))),
            }
            let strict = function.strict.filter(|_| !provider.has(Quirk::NoStrictTools));
            strict.map(|strict| object.value("strict", &strict));
        });
        item.cache_control.filter(|_| caches).map(|mark| tool.raw("cache_control", mark.get()));
        tool.close();
    });
}

/// Returns true if the model receives custom tools as such.
pub(in crate::api_schema) fn takes_custom_tools(target: &Target<'_>) -> bool {
    target.model.custom_tools || forwards_tools(target.provider)
}

fn write_custom_tool(tool: &mut Object<'_>, custom: &CustomTool<'_>, names: &ToolNames) {
    tool.value("type", "custom").object("custom", |object| {
        object.value("name", &names.sent(&custom.name));
        custom.description.as_ref().map(|text| object.value("description", text));
        custom.format.map(|format| object.raw("format", format.get()));
    });
}

/// Returns true if the choice among tools is not sent as it came: some tools go under another name or
/// in another form.
pub(super) fn rewrites_choice(input: &TranslationInput<'_, '_>, names: &ToolNames) -> bool {
    let has_custom = input.request.custom_tools().next().is_some();
    !names.is_empty() || (has_custom && !takes_custom_tools(&input.target))
}

/// Writes the choice among tools of which some are sent under another name.
pub(super) fn write_tool_choice(
    body: &mut Object<'_>,
    json: &str,
    input: &TranslationInput<'_, '_>,
    names: &ToolNames,
) {
    match &input.request.tool_choice {
        Some(ToolChoice::Function(name)) => {
            let kind = kind_of(name, input);
            body.object("tool_choice", |choice| {
                write_tool_name(choice, kind, &names.sent(name));
            });
        }
        Some(ToolChoice::AllowedTools(raw)) => match AllowedTools::read(raw) {
            Some(allowed) => {
                body.object("tool_choice", |choice| {
                    write_allowed(choice, &allowed, input, names);
                });
            }
            None => drop(body.raw("tool_choice", json)),
        },
        _ => drop(body.raw("tool_choice", json)),
    }
}

fn write_allowed(
    choice: &mut Object<'_>,
    allowed: &AllowedTools<'_>,
    input: &TranslationInput<'_, '_>,
    names: &ToolNames,
) {
    choice.value("type", "allowed_tools").object("allowed_tools", |fields| {
        fields.value("mode", allowed.mode.name());
        list(fields.key("tools"), &allowed.names, |out, name| {
            let mut tool = Object::open(out);
            write_tool_name(&mut tool, kind_of(name, input), &names.sent(name));
            tool.close();
        });
    });
}

/// Returns the type under which a tool is sent.
pub(in crate::api_schema) fn kind_of(
    name: &Text<'_>,
    input: &TranslationInput<'_, '_>,
) -> &'static str {
    let mut custom = input.request.custom_tools();
    let is_custom = custom.any(|own| own.decode() == name.decode());
    if is_custom && takes_custom_tools(&input.target) { "custom" } else { "function" }
}

/// Writes the fields of a reference to a tool.
fn write_tool_name(object: &mut Object<'_>, kind: &str, name: &Text<'_>) {
    object.value("type", kind).object(kind, |tool| {
        tool.value("name", name);
    });
}
