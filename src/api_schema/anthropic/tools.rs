//! Tools and the choice among them. Claude API reference, *Create a Message*, `tools` and
//! `tool_choice`; guide *Structured outputs*, "Strict tool use".

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{
    cache_control::{is_known_mark, write_cache_control},
    json_schema::{self, StrictSchema},
    turns::AnthropicConversation,
};
use crate::{
    api_schema::tool_names::ToolNames,
    chat::{
        mistake::{Mistake, MistakeKind, add_invalid},
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{AllowedTools, AllowedToolsMode, FunctionTool, Tool, ToolChoice},
    },
    collections::set_of,
    fit::Fit,
    json::{Object, list},
};

/// The maximum of strict tools, whose arguments always follow their schema: guide *Structured
/// outputs*, "Schema complexity limits".
const MAX_STRICT: usize = 20;

/// The schema of a tool without arguments.
pub(in crate::api_schema) const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

/// The schema of a strict tool without arguments.
const STRICT_NO_ARGUMENTS: &str =
    r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// The tools that a request declares, and the choice among them.
#[derive(Debug)]
pub(in crate::api_schema) struct AnthropicTools<'q> {
    pub(in crate::api_schema) declared: Vec<DeclaredTool<'q>>,
    pub(in crate::api_schema) choice: AnthropicToolChoice<'q>,
    /// True if the model may call only one tool at a time.
    disables_parallel: bool,
}

/// A tool that the model may call.
#[derive(Debug)]
pub(in crate::api_schema) struct DeclaredTool<'q> {
    pub(in crate::api_schema) function: &'q FunctionTool<'q>,
    pub(in crate::api_schema) cache_control: Option<&'q RawValue>,
    /// The schema to enforce. `None` where strictness is not requested, or not possible.
    strict_schema: Option<StrictSchema>,
}

/// The tools that the model may or must call.
#[derive(Debug)]
pub(in crate::api_schema) enum AnthropicToolChoice<'q> {
    /// Claude's default: `auto` with tools, `none` without.
    Unspecified,
    None,
    Auto,
    Any,
    Tool(Text<'q>),
}

impl<'q> DeclaredTool<'q> {
    fn new(tool: &'q Tool<'_>) -> Option<Self> {
        let function = tool.function.as_ref()?;
        let parameters = function.parameters.filter(|_| is_strict(function));
        let strict_schema = parameters.and_then(json_schema::to_strict);
        Some(Self { function, cache_control: tool.cache_control, strict_schema })
    }

    /// Returns whether Claude cannot enforce all of the schema of a strict tool.
    fn loosens(&self) -> bool {
        let has_schema = self.function.parameters.is_some();
        has_schema && self.strict_schema.as_ref().is_none_or(|strict| strict.differs)
    }
}

fn is_strict(function: &FunctionTool<'_>) -> bool {
    function.strict == Some(true)
}

impl<'q> AnthropicTools<'q> {
    /// Returns the tools that are forwarded. Invalid ones are added to the mistakes.
    pub(in crate::api_schema) fn new(
        request: &'q Request<'_>,
        fit: &Fit<'_>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut tools = Self {
            declared: Vec::new(),
            choice: AnthropicToolChoice::Unspecified,
            disables_parallel: false,
        };
        if fit.value(Parameter::Tools).is_none() {
            return tools;
        }
        tools.declared = request.tools.iter().filter_map(DeclaredTool::new).collect();
        tools.check_names(mistakes);
        tools.disables_parallel = fit.value(Parameter::ParallelToolCalls) == Some("false");
        let choice = request.tool_choice.as_ref();
        let choice = choice.filter(|_| fit.value(Parameter::ToolChoice).is_some());
        if let Some(problem) = choice.and_then(|choice| tools.choose(choice).err()) {
            mistakes.push(Mistake::new(MistakeKind::Invalid, "tool_choice", &problem));
        }
        tools
    }

    /// Returns the cache marks of the tools.
    pub(super) fn cache_marks(&mut self) -> Vec<&mut Option<&'q RawValue>> {
        let marks = self.declared.iter_mut().map(|tool| &mut tool.cache_control);
        marks.filter(|mark| is_known_mark(**mark)).collect()
    }

    /// Marks the last tool.
    pub(super) fn mark_last(&mut self, mark: &'q RawValue) {
        if let Some(tool) = self.declared.last_mut() {
            tool.cache_control = Some(mark);
        }
    }

    /// Returns whether the model may call no tool.
    pub(in crate::api_schema) fn forbid_calls(&self) -> bool {
        matches!(self.choice, AnthropicToolChoice::None)
    }

    /// Returns whether the model must call a tool.
    pub(super) fn require_call(&self) -> bool {
        matches!(self.choice, AnthropicToolChoice::Any | AnthropicToolChoice::Tool(_))
    }

    /// Returns whether Claude cannot enforce all schemas of the strict tools.
    pub(super) fn loosen_strict(&self) -> bool {
        let strict = self.declared.iter().filter(|tool| is_strict(tool.function));
        strict.enumerate().any(|(index, tool)| index >= MAX_STRICT || tool.loosens())
    }

    /// Writes `tools` and `tool_choice`. A conversation with calls must declare tools (guide *Tool
    /// use*): if the request has none, those called are declared and may not be called again.
    pub(super) fn write(
        &self,
        body: &mut Object<'_>,
        conversation: &AnthropicConversation<'_>,
        names: &ToolNames,
    ) {
        if !self.declared.is_empty() {
            self.write_tools(body.key("tools"), names);
            self.write_choice(body, names);
        } else if conversation.has_calls() {
            write_called(body.key("tools"), conversation, names);
            body.raw("tool_choice", r#"{"type":"none"}"#);
        }
    }

    fn check_names(&self, mistakes: &mut Vec<Mistake>) {
        let mut seen = BTreeSet::new();
        for (index, tool) in self.declared.iter().enumerate() {
            let name = tool.function.name.decode();
            if !seen.insert(name.clone()) {
                let problem = format!("there is another tool called `{name}`");
                add_invalid(mistakes, format!("tools[{index}]"), &problem);
            }
        }
    }

    fn choose(&mut self, choice: &'q ToolChoice<'_>) -> Result<(), String> {
        self.choice = match choice {
            ToolChoice::None => AnthropicToolChoice::None,
            ToolChoice::Auto => AnthropicToolChoice::Auto,
            ToolChoice::Required => AnthropicToolChoice::Any,
            ToolChoice::Function(name) => {
                let has_name =
                    |tool: &DeclaredTool<'_>| tool.function.name.decode() == name.decode();
                if !self.declared.iter().any(has_name) {
                    return Err(format!("tool_choice: there is no tool `{}`", name.decode()));
                }
                AnthropicToolChoice::Tool(name.clone())
            }
            ToolChoice::AllowedTools(raw) => self.allow(raw)?,
        };
        Ok(())
    }

    /// Removes the tools that are not allowed. Returns the choice among the others.
    fn allow(&mut self, raw: &RawValue) -> Result<AnthropicToolChoice<'q>, String> {
        let problem = "tool_choice: allowed_tools needs mode, `auto` or `required`, and tools";
        let AllowedTools { mode, names } = AllowedTools::read(raw).ok_or(problem)?;
        let names = set_of(names.iter().map(Text::decode));
        self.declared.retain(|tool| names.contains(&tool.function.name.decode()));
        match mode {
            _ if self.declared.is_empty() => Err("tool_choice: it allows none of the tools".into()),
            AllowedToolsMode::Auto => Ok(AnthropicToolChoice::Auto),
            AllowedToolsMode::Required => Ok(AnthropicToolChoice::Any),
        }
    }

    fn write_tools(&self, out: &mut Vec<u8>, names: &ToolNames) {
        let mut strict_count = 0;
        list(out, &self.declared, |out, tool| {
            let function = tool.function;
            let mut object = Object::open(out);
            object.value("name", &names.sent(&function.name));
            if let Some(text) = function.description.as_ref().filter(|text| !text.is_empty()) {
                object.value("description", text);
            }
            let schema = object.key("input_schema");
            if strict_count < MAX_STRICT && write_strict_schema(schema, tool) {
                strict_count += 1;
                object.value("strict", &true);
            } else {
                write_schema(schema, function);
            }
            write_cache_control(&mut object, tool.cache_control);
            object.close();
        });
    }

    fn write_choice(&self, body: &mut Object<'_>, names: &ToolNames) {
        let kind = match &self.choice {
            AnthropicToolChoice::Unspecified if !self.disables_parallel => return,
            AnthropicToolChoice::Unspecified | AnthropicToolChoice::Auto => "auto",
            AnthropicToolChoice::None => "none",
            AnthropicToolChoice::Any => "any",
            AnthropicToolChoice::Tool(_) => "tool",
        };
        body.object("tool_choice", |choice| {
            choice.value("type", kind);
            if let AnthropicToolChoice::Tool(name) = &self.choice {
                choice.value("name", &names.sent(name));
            }
            if self.disables_parallel && kind != "none" {
                choice.value("disable_parallel_tool_use", &true);
            }
        });
    }
}

/// Returns the schema of a function's arguments, if it has any.
fn parameters<'q>(function: &FunctionTool<'q>) -> Option<&'q RawValue> {
    function.parameters.filter(|schema| schema.get() != "null")
}

/// Writes the schema of a strict tool. Returns `false`, with nothing written, if there is none.
fn write_strict_schema(out: &mut Vec<u8>, tool: &DeclaredTool<'_>) -> bool {
    if is_strict(tool.function) && parameters(tool.function).is_none() {
        out.extend_from_slice(STRICT_NO_ARGUMENTS.as_bytes());
        return true;
    }
    let is_object =
        |strict: &&StrictSchema| strict.schema.get("type").is_some_and(|t| t == "object");
    let Some(strict) = tool.strict_schema.as_ref().filter(is_object) else { return false };
    crate::json::write(out, &strict.schema);
    true
}

/// Writes the schema of a tool that is not strict.
pub(in crate::api_schema) fn write_schema(out: &mut Vec<u8>, function: &FunctionTool<'_>) {
    let Some(raw) = parameters(function) else {
        return out.extend_from_slice(NO_ARGUMENTS.as_bytes());
    };
    match json_schema::to_tool_input(raw) {
        Some(schema) => crate::json::write(out, &schema),
        None => out.extend_from_slice(raw.get().as_bytes()),
    }
}

/// Writes a tool without arguments for every name that the conversation calls.
fn write_called(out: &mut Vec<u8>, conversation: &AnthropicConversation<'_>, names: &ToolNames) {
    let mut seen = BTreeSet::new();
    let called = conversation.called_names().map(|name| names.sent(name));
    let called = called.filter(|name| seen.insert(name.decode().into_owned()));
    list(out, called, |out, name| {
        let mut object = Object::open(out);
        object.value("name", &name).raw("input_schema", NO_ARGUMENTS);
        object.close();
    });
}
