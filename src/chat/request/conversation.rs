//! Reading of messages and tools.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::reader::ParameterReader;
use crate::{
    chat::{
        message::{Content, Message, Part, Role},
        mistake::{MistakeKind, without_position},
        object::JsonObject,
        parameter::Parameter,
        text::Text,
        tools::{CallForm, CustomTool, FunctionTool, Tool, ToolChoice},
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
            Ok(messages) => messages.into_iter().enumerate().map(at_index).collect(),
            Err(_) => self.readable_messages(raw),
        };
        if is_empty_array(raw.get()) {
            self.must_be(Parameter::Messages, "an array with at least one message");
        }
        for message in &messages {
            self.check_message(message);
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
                Ok(message) => messages.push(at_index((index, message))),
                Err(error) => {
                    let path = format!("messages[{index}]");
                    self.add_inside(MistakeKind::Invalid, &path, &without_position(&error));
                }
            }
        }
        messages
    }

    fn check_message(&mut self, message: &Message<'a>) {
        let index = message.index;
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

    /// Returns the form of tools and calls: that of `tools`, unless the request has `functions` only.
    pub(super) fn call_form(&self) -> CallForm {
        let has = |parameter| self.parameters.has(parameter);
        match has(Parameter::Functions) && !has(Parameter::Tools) {
            true => CallForm::Functions,
            false => CallForm::Tools,
        }
    }

    pub(super) fn tools(&mut self) -> Vec<Tool<'a>> {
        if self.call_form() == CallForm::Functions {
            return self.functions();
        }
        let expected = "an array of tools, each {type: \"function\", function: {name, …}}";
        let tools: Vec<JsonObject<Tool<'a>>> =
            self.get(Parameter::Tools, expected).unwrap_or_default();
        let mut tools: Vec<Tool<'a>> = tools.into_iter().map(|JsonObject(tool)| tool).collect();
        for tool in tools.iter_mut().filter(|tool| tool.kind == "custom") {
            tool.function = tool.custom.as_ref().map(CustomTool::as_function);
        }
        for (index, tool) in tools.iter().enumerate() {
            if let Err((kind, problem)) = check_tool(tool) {
                self.add_inside(kind, &format!("tools[{index}]"), &problem);
            }
        }
        tools
    }

    /// Returns the functions as tools.
    fn functions(&mut self) -> Vec<Tool<'a>> {
        let expected = "an array of functions, each {name, …}";
        let raw = self.parameters.get(Parameter::Functions);
        // The check of types reports anything but an array.
        if raw.is_none_or(|raw| !raw.get().starts_with('[')) {
            return Vec::new();
        }
        let functions: Vec<JsonObject<FunctionTool<'a>>> =
            self.get(Parameter::Functions, expected).unwrap_or_default();
        let mut tools = Vec::new();
        for (index, JsonObject(function)) in functions.into_iter().enumerate() {
            if let Err((kind, problem)) = check_function(&function) {
                self.add_inside(kind, &format!("functions[{index}]"), &problem);
            }
            let (kind, function) = (Cow::Borrowed("function"), Some(function));
            tools.push(Tool { kind, function, custom: None, cache_control: None });
        }
        tools
    }

    /// Returns the choice in the older form, `function_call`.
    fn function_choice(&mut self) -> Option<ToolChoice<'a>> {
        let raw = self.parameters.get(Parameter::FunctionCall)?;
        let choice = ToolChoice::read_function_call(raw);
        let has_functions = self.parameters.has(Parameter::Functions);
        match &choice {
            None => self.must_be(Parameter::FunctionCall, "none, auto or {name}"),
            Some(ToolChoice::Function(_)) if !has_functions => {
                self.add_invalid("function_call", "function_call needs functions");
            }
            Some(_) => {}
        }
        choice
    }

    pub(super) fn tool_choice(&mut self) -> Option<ToolChoice<'a>> {
        if !self.parameters.has(Parameter::ToolChoice) {
            return self.function_choice();
        }
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
    if !matches!(tool.kind.as_ref(), "function" | "custom") {
        let problem = format!("unknown type `{}`, there are `function` and `custom`", tool.kind);
        return Err((MistakeKind::Invalid, problem));
    }
    let Some(function) = &tool.function else {
        return Err((MistakeKind::Missing, format!("{} is missing", tool.kind)));
    };
    check_function(function)
}

fn check_function(function: &FunctionTool<'_>) -> Result<(), (MistakeKind, String)> {
    if function.name.is_empty() {
        return Err((MistakeKind::Invalid, "name is empty".to_owned()));
    }
    if function.parameters.is_some_and(|schema| !schema.get().starts_with('{')) {
        return Err((MistakeKind::Invalid, "parameters must be a JSON schema object".to_owned()));
    }
    Ok(())
}

/// Returns a message with its index.
fn at_index((index, JsonObject(message)): (usize, JsonObject<Message<'_>>)) -> Message<'_> {
    Message { index, ..message }
}

fn user_message(content: Text<'_>) -> Message<'_> {
    Message {
        index: 0,
        answers: None,
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
