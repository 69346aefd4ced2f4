//! Tools and the choice among them. Amazon Bedrock API reference, *ToolConfiguration*.

use super::blocks::write_cache_point;
use crate::{
    api_schema::{
        anthropic::{
            AnthropicConversation, AnthropicToolChoice, AnthropicTools, CacheControl, DeclaredTool,
            NO_ARGUMENTS, write_schema,
        },
        tool_names::ToolNames,
    },
    collections::set_of,
    json::{Object, list},
};

/// Item of `tools`.
enum ToolItem<'t, 'q> {
    Tool(&'t DeclaredTool<'q>),
    CachePoint(CacheControl<'t>),
}

/// Writes `toolConfig`. A conversation with calls must have one: if the request has no tools, those
/// called are declared. No choice forbids calls, so that tools without a call are left out then.
pub(super) fn write_tools(
    body: &mut Object<'_>,
    tools: &AnthropicTools<'_>,
    conversation: &AnthropicConversation<'_>,
    names: &ToolNames,
) {
    let is_needed = conversation.has_calls();
    if tools.declared.is_empty() && is_needed {
        body.object("toolConfig", |config| write_called(config, conversation, names));
    } else if !tools.declared.is_empty() && (is_needed || !tools.forbid_calls()) {
        body.object("toolConfig", |config| {
            write_declared(config.key("tools"), tools, names);
            write_choice(config, &tools.choice, names);
        });
    }
}

fn write_declared(out: &mut Vec<u8>, tools: &AnthropicTools<'_>, names: &ToolNames) {
    let items = tools.declared.iter().flat_map(|tool| {
        let mark = tool.cache_control.and_then(CacheControl::read);
        [Some(ToolItem::Tool(tool)), mark.map(ToolItem::CachePoint)]
    });
    list(out, items.flatten(), |out, item| {
        let mut object = Object::open(out);
        match item {
            ToolItem::CachePoint(mark) => write_cache_point(&mut object, &mark),
            ToolItem::Tool(DeclaredTool { function, .. }) => {
                object.object("toolSpec", |spec| {
                    spec.value("name", &names.sent(&function.name));
                    let description = function.description.as_ref();
                    let description = description.filter(|text| !text.is_empty());
                    description.map(|text| spec.value("description", text));
                    spec.object("inputSchema", |schema| write_schema(schema.key("json"), function));
                });
            }
        }
        object.close();
    });
}

fn write_choice(config: &mut Object<'_>, choice: &AnthropicToolChoice<'_>, names: &ToolNames) {
    let kind = match choice {
        // `auto` is the default.
        AnthropicToolChoice::Unspecified
        | AnthropicToolChoice::None
        | AnthropicToolChoice::Auto => return,
        AnthropicToolChoice::Any => "any",
        AnthropicToolChoice::Tool(_) => "tool",
    };
    config.object("toolChoice", |own| {
        own.object(kind, |tool| {
            if let AnthropicToolChoice::Tool(name) = choice {
                tool.value("name", &names.sent(name));
            }
        });
    });
}

/// Writes a tool without arguments for every name that the conversation calls.
fn write_called(
    config: &mut Object<'_>,
    conversation: &AnthropicConversation<'_>,
    names: &ToolNames,
) {
    let called = conversation.called_names().map(|name| names.sent(name).decode().into_owned());
    list(config.key("tools"), set_of(called), |out, name| {
        let mut object = Object::open(out);
        object.object("toolSpec", |spec| {
            spec.value("name", &name).object("inputSchema", |schema| {
                schema.raw("json", NO_ARGUMENTS);
            });
        });
        object.close();
    });
}
