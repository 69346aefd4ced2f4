//! Reading of messages and tools.

use serde_json::value::RawValue;

use super::reader::ParameterReader;
use crate::{
    chat::{
        message::{Content, Message, Part, Role},
        mistake::{MistakeKind, without_position},
        object::JsonObject,
        parameter::Parameter,
        text::Text,
        tools::{Tool, ToolChoice},
    },
    json::is_empty_array,
};

impl<'a> ParameterReader<'_, 'a> {
    pub(super) fn messages(&mut self) -> Vec<Message<'a>> {
        let prompt: Option<Text<'a>> = self.get(Parameter::Prompt, "a string");
        let Some(raw) = self.parameters.get(Parameter::Messages) else {
            if !self.parameters.has(Parameter::Prompt) {
                self.add(MistakeKind::Missing, "messages", "one of messages or prompt required");
            }
            return prompt.map(user_message).into_iter().collect();
        };
        if self.parameters.has(Parameter::Prompt) {
            self.add_invalid("prompt", "only one of messages or prompt allowed");
        }
        let messages = match serde_json::from_str::<Vec<JsonObject<Message<'a>>>>(raw.get()) {
            Ok(messages) => messages.into_iter().map(|JsonObject(message)| message).collect(),
            Err(_) => self.readable_messages(raw),
        };
        if is_empty_array(raw.get()) {
            self.must_be(Parameter::Messages, "an array with at least one message");
        }
        for (index, message) in messages.iter().enumerate() {
            self.check_message(index, message);
        }
        messages
    }

    /// Returns the valid messages, and adds a mistake for each invalid one.
    pub(super) fn readable_messages(&mut self, raw: &'a RawValue) -> Vec<Message<'a>> {
        let Ok(items) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
            self.must_be(Parameter::Messages, "an array of messages");
            return Vec::new();
        };
        let mut messages = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            match serde_json::from_str(item.get()) {
                Ok(JsonObject(message)) => messages.push(message),
                Err(error) => {
                    let path = format!("messages[{index}]");
                    self.add_inside(MistakeKind::Invalid, &path, &without_position(&error));
                }
            }
        }
        messages
    }

    fn check_message(&mut self, index: usize, message: &Message<'a>) {
        let missing = match message.role {
            Role::Tool if message.tool_call_id.is_none() => {
                "tool_call_id is required for role tool"
            }
            Role::Function if message.name.is_none() => "name is required for role function",
            _ => "",
        };
        if !missing.is_empty() {
            self.add_inside(MistakeKind::Missing, &format!("messages[{index}]"), missing);
        }
        let Content::Parts(parts) = &message.content else { return };
        for (number, part) in parts.iter().enumerate() {
            self.check_part(index, number, part);
        }
    }

    fn check_part(&mut self, index: usize, number: usize, part: &Part<'a>) {
        let (kind, problem) = match part.input() {
            Some((_, true)) => return,
            Some((_, false)) => (MistakeKind::Missing, format!("{} is missing", part.kind)),
            None => (MistakeKind::Invalid, format!("unknown type `{}`", part.kind)),
        };
        self.add_inside(kind, &format!("messages[{index}].content[{number}]"), &problem);
    }

    pub(super) fn tools(&mut self) -> Vec<Tool<'a>> {
        let expected = "an array of tools, each {type: \"function\", function: {name, …}}";
        let tools: Vec<JsonObject<Tool<'a>>> =
            self.get(Parameter::Tools, expected).unwrap_or_default();
        let tools: Vec<Tool<'a>> = tools.into_iter().map(|JsonObject(tool)| tool).collect();
        for (index, tool) in tools.iter().enumerate() {
            if let Err((kind, problem)) = check_tool(tool) {
                self.add_inside(kind, &format!("tools[{index}]"), &problem);
            }
        }
        tools
    }

    pub(super) fn tool_choice(&mut self) -> Option<ToolChoice<'a>> {
        let choice = self.get(
            Parameter::ToolChoice,
            "none, auto, required, allowed_tools or {type: \"function\", function: {name}}",
        )?;
        let harmless = matches!(choice, ToolChoice::None | ToolChoice::Auto);
        if !harmless
            && self.parameters.get(Parameter::Tools).is_none_or(|tools| is_empty_array(tools.get()))
        {
            self.add_invalid("tool_choice", &format!("tool_choice {} needs tools", choice.form()));
        }
        Some(choice)
    }
}

fn check_tool(tool: &Tool<'_>) -> Result<(), (MistakeKind, String)> {
    if tool.kind != "function" {
        let problem = format!("unknown type `{}`, there is `function`", tool.kind);
        return Err((MistakeKind::Invalid, problem));
    }
    let Some(function) = &tool.function else {
        return Err((MistakeKind::Missing, "function is missing".to_owned()));
    };
    if function.name.is_empty() {
        return Err((MistakeKind::Invalid, "name is empty".to_owned()));
    }
    if function.parameters.is_some_and(|schema| !schema.get().starts_with('{')) {
        return Err((MistakeKind::Invalid, "parameters must be a JSON schema object".to_owned()));
    }
    Ok(())
}

fn user_message(content: Text<'_>) -> Message<'_> {
    Message {
        role: Role::User,
        content: Content::Text(content),
        name: None,
        tool_calls: None,
        tool_call_id: None,
        function_call: None,
        refusal: None,
        reasoning_content: None,
        thinking: None,
        reasoning_details: None,
        thinking_blocks: None,
        cache_control: None,
    }
}
