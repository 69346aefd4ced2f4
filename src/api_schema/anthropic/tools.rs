//! Tools and the choice among them. Claude API reference, *Create a Message*, `tools` and
//! `tool_choice`; guide *Structured outputs*, "Strict tool use".

use std::{borrow::Cow, collections::BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    cache_control::write_cache_control, json_schema, names::ToolNames, turns::AnthropicConversation,
};
use crate::{
    chat::{
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{FunctionTool, ToolChoice},
    },
    fit::Fit,
    json::{Object, list},
};

/// The most tools whose arguments the model is held to: guide *Structured outputs*, "Schema
/// complexity limits".
const MAX_STRICT: usize = 20;

/// The schema of a tool without arguments.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;

/// The same, of a tool that the model is held to.
const NOTHING_MORE: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// The tools of a request that the model may call.
#[derive(Debug)]
pub(super) struct AnthropicTools<'q> {
    declared: Vec<DeclaredTool<'q>>,
    choice: AnthropicToolChoice<'q>,
    /// Whether it may call only one at a time.
    is_sequential: bool,
}

#[derive(Debug)]
struct DeclaredTool<'q> {
    function: &'q FunctionTool<'q>,
    cache_control: Option<&'q RawValue>,
}

#[derive(Debug)]
enum AnthropicToolChoice<'q> {
    /// The client leaves it to the provider.
    Unspecified,
    None,
    Auto,
    Any,
    Tool(Text<'q>),
}

impl<'q> AnthropicTools<'q> {
    /// The tools that go on. Those that cannot are among the mistakes.
    pub(super) fn read(
        request: &'q Request<'_>,
        fit: &Fit<'_>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut tools = Self {
            declared: Vec::new(),
            choice: AnthropicToolChoice::Unspecified,
            is_sequential: false,
        };
        if fit.value(Parameter::Tools).is_none() {
            return tools;
        }
        let functions = request.tools.iter().filter_map(|tool| {
            let (function, cache) = (tool.function.as_ref()?, tool.cache_control);
            Some(DeclaredTool { function, cache_control: cache })
        });
        tools.declared = functions.collect();
        tools.check_names(mistakes);
        tools.is_sequential = fit.value(Parameter::ParallelToolCalls) == Some("false");
        if fit.value(Parameter::ToolChoice).is_some() {
            let choice = request.tool_choice.as_ref();
            let problem = choice.and_then(|choice| tools.choose(choice).err());
            let mistake =
                |problem: String| Mistake::new(MistakeKind::Invalid, "tool_choice", &problem);
            mistakes.extend(problem.map(mistake));
        }
        tools
    }

    /// Whether the model has to call one.
    pub(super) fn require_call(&self) -> bool {
        matches!(self.choice, AnthropicToolChoice::Any | AnthropicToolChoice::Tool(_))
    }

    /// The names of all tools, those of earlier calls included.
    pub(super) fn names(&self, conversation: &AnthropicConversation<'_>) -> ToolNames {
        let declared = self.declared.iter().map(|tool| &tool.function.name);
        ToolNames::new(declared.chain(conversation.called_names()))
    }

    /// Whether some tool is strict and the model cannot be held to all of its schema.
    pub(super) fn loosen_strict(&self) -> bool {
        let strict = self.declared.iter().filter(|tool| tool.function.strict == Some(true));
        strict.enumerate().any(|(number, tool)| {
            let converted = tool.function.parameters.map(json_schema::to_strict);
            number >= MAX_STRICT
                || converted.is_some_and(|converted| converted.is_none_or(|own| own.differs))
        })
    }

    /// Writes `tools` and `tool_choice`. Without tools there is no choice, and earlier calls need
    /// tools that the model then may not call.
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
            if !seen.insert(name.clone()) && mistakes.len() < MAX_MISTAKES {
                let place = format!("tools[{index}]");
                let problem = format!("{place}: there is another tool called `{name}`");
                mistakes.push(Mistake::new(MistakeKind::Invalid, place, &problem));
            }
        }
    }

    fn choose(&mut self, choice: &'q ToolChoice<'_>) -> Result<(), String> {
        self.choice = match choice {
            ToolChoice::None => AnthropicToolChoice::None,
            ToolChoice::Auto => AnthropicToolChoice::Auto,
            ToolChoice::Required => AnthropicToolChoice::Any,
            ToolChoice::Function(name) => {
                let is_it = |tool: &DeclaredTool<'_>| tool.function.name.decode() == name.decode();
                if !self.declared.iter().any(is_it) {
                    return Err(format!("tool_choice: there is no tool `{}`", name.decode()));
                }
                AnthropicToolChoice::Tool(name.clone())
            }
            ToolChoice::AllowedTools(raw) => self.allow(raw)?,
        };
        Ok(())
    }

    /// Takes away the tools that are not allowed.
    fn allow(&mut self, raw: &RawValue) -> Result<AnthropicToolChoice<'q>, String> {
        #[derive(Deserialize)]
        struct AllowedTools<'a> {
            #[serde(borrow)]
            mode: Cow<'a, str>,
            #[serde(borrow)]
            tools: Vec<AllowedTool<'a>>,
        }
        #[derive(Deserialize)]
        struct AllowedTool<'a> {
            #[serde(borrow, default)]
            function: Option<FunctionName<'a>>,
            #[serde(borrow, default)]
            name: Option<Text<'a>>,
        }
        #[derive(Deserialize)]
        struct FunctionName<'a> {
            #[serde(borrow)]
            name: Text<'a>,
        }
        let wrong = "tool_choice: allowed_tools needs mode, `auto` or `required`, and tools";
        let allowed: AllowedTools<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong)?;
        let name = |item: AllowedTool<'_>| {
            let name = item.function.map(|function| function.name).or(item.name)?;
            Some(name.decode().into_owned())
        };
        let names: BTreeSet<String> = allowed.tools.into_iter().filter_map(name).collect();
        self.declared.retain(|tool| names.contains(tool.function.name.decode().as_ref()));
        match allowed.mode.as_ref() {
            _ if self.declared.is_empty() => Err("tool_choice: it allows none of the tools".into()),
            "auto" => Ok(AnthropicToolChoice::Auto),
            "required" => Ok(AnthropicToolChoice::Any),
            _ => Err(wrong.to_owned()),
        }
    }

    fn write_tools(&self, out: &mut Vec<u8>, names: &ToolNames) {
        let mut strict = 0;
        list(out, &self.declared, |out, tool| {
            let function = tool.function;
            let mut object = Object::open(out);
            object.value("name", &names.sent(&function.name));
            if let Some(text) = function.description.as_ref().filter(|text| !text.is_empty()) {
                object.value("description", text);
            }
            let wanted = function.strict == Some(true) && strict < MAX_STRICT;
            if write_schema(object.key("input_schema"), function.parameters, wanted) {
                strict += 1;
                object.value("strict", &true);
            }
            write_cache_control(&mut object, tool.cache_control);
            object.close();
        });
    }

    fn write_choice(&self, body: &mut Object<'_>, names: &ToolNames) {
        let kind = match &self.choice {
            AnthropicToolChoice::Unspecified if !self.is_sequential => return,
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
            if self.is_sequential && kind != "none" {
                choice.value("disable_parallel_tool_use", &true);
            }
        });
    }
}

/// Writes the schema of a tool's arguments. True if the model is held to it, as `wanted`.
fn write_schema(out: &mut Vec<u8>, parameters: Option<&RawValue>, wanted: bool) -> bool {
    let Some(raw) = parameters.filter(|raw| raw.get() != "null") else {
        out.extend_from_slice(if wanted { NOTHING_MORE } else { NOTHING }.as_bytes());
        return wanted;
    };
    let is_object =
        |own: &json_schema::StrictSchema| own.schema.get("type").is_some_and(|t| t == "object");
    let converted = if wanted { json_schema::to_strict(raw).filter(is_object) } else { None };
    match (&converted, json_schema::to_tool_input(raw)) {
        (Some(converted), _) => crate::json::write(out, &converted.schema),
        (None, Some(schema)) => crate::json::write(out, &schema),
        (None, None) => out.extend_from_slice(raw.get().as_bytes()),
    }
    converted.is_some()
}

/// Writes a tool for each that was called.
fn write_called(out: &mut Vec<u8>, conversation: &AnthropicConversation<'_>, names: &ToolNames) {
    let mut seen = BTreeSet::new();
    let called = conversation.called_names().map(|name| names.sent(name));
    let called = called.filter(|name| seen.insert(name.decode().into_owned()));
    list(out, called, |out, name| {
        let mut object = Object::open(out);
        object.value("name", &name).raw("input_schema", NOTHING);
        object.close();
    });
}
