//! Tools and the choice among them. ai.google.dev, *Function calling*.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    api_schema::tool_names::ToolNames,
    chat::{
        mistake::{Mistake, add_invalid},
        parameter::Parameter,
        request::Request,
        text::Text,
        tools::{AllowedTools, AllowedToolsMode, FunctionTool, ToolChoice},
    },
    collections::set_of,
    fit::Fit,
    json::{Object, list},
};

/// Tools of a request, and the choice among them.
#[derive(Debug, Default)]
pub(super) struct GeminiTools<'q> {
    /// Functions that the model may call.
    pub(super) functions: Vec<GeminiFunction<'q>>,
    mode: CallingMode<'q>,
}

/// Function that is declared.
#[derive(Debug)]
pub(super) struct GeminiFunction<'q> {
    /// The index of its tool in the request.
    pub(super) index: usize,
    pub(super) function: &'q FunctionTool<'q>,
}

/// Function calling mode that follows from `tool_choice`. Functions go by the client's names.
#[derive(Debug, Default)]
enum CallingMode<'q> {
    None,
    #[default]
    Auto,
    /// Requires a call.
    Any,
    /// Requires a call of one of these functions.
    AnyOf(Vec<Text<'q>>),
    /// Permits calls of these functions only.
    Validated(Vec<Text<'q>>),
}

impl<'q> GeminiTools<'q> {
    /// Returns the tools of a request that is fitted to its model. Invalid ones are added to the
    /// mistakes.
    pub(super) fn check(
        request: &'q Request<'q>,
        fit: &Fit<'_>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        if fit.value(Parameter::Tools).is_none() {
            return Self::default();
        }
        let functions = request.tools.iter().enumerate().filter_map(|(index, tool)| {
            Some(GeminiFunction { index, function: tool.function.as_ref()? })
        });
        let mut tools = Self { functions: functions.collect(), mode: CallingMode::Auto };
        if tools.functions.is_empty() {
            return tools;
        }
        tools.check_names(mistakes);
        let choice = request.tool_choice.as_ref();
        let choice = choice.filter(|_| fit.value(Parameter::ToolChoice).is_some());
        tools.mode = choice.map(|choice| tools.calling_mode(choice, mistakes)).unwrap_or_default();
        tools
    }

    fn check_names(&self, mistakes: &mut Vec<Mistake>) {
        let mut known = BTreeSet::new();
        for GeminiFunction { index, function } in &self.functions {
            let name = function.name.decode();
            if !known.insert(name.clone()) {
                let problem = format!("`{name}` is there twice");
                add_invalid(mistakes, format!("tools[{index}]"), &problem);
            }
        }
    }

    fn calling_mode(
        &self,
        choice: &'q ToolChoice<'q>,
        mistakes: &mut Vec<Mistake>,
    ) -> CallingMode<'q> {
        match choice {
            ToolChoice::None => CallingMode::None,
            ToolChoice::Auto => CallingMode::Auto,
            ToolChoice::Required => CallingMode::Any,
            ToolChoice::Function(name) => {
                let names = vec![name.clone()];
                self.check_declared(&names, "tool_choice.function.name", mistakes);
                CallingMode::AnyOf(names)
            }
            ToolChoice::AllowedTools(raw) => self.allowed_functions(raw, mistakes),
        }
    }

    fn allowed_functions(&self, raw: &'q RawValue, mistakes: &mut Vec<Mistake>) -> CallingMode<'q> {
        let Some(AllowedTools { mode, names }) = AllowedTools::read(raw) else {
            add_invalid(mistakes, "tool_choice.allowed_tools", "must hold mode and tools");
            return CallingMode::Auto;
        };
        self.check_declared(&names, "tool_choice.allowed_tools.tools", mistakes);
        match mode {
            AllowedToolsMode::Required => CallingMode::AnyOf(names),
            AllowedToolsMode::Auto => CallingMode::Validated(names),
        }
    }

    /// Adds the names that are not declared to the mistakes.
    fn check_declared(&self, names: &[Text<'_>], param: &str, mistakes: &mut Vec<Mistake>) {
        let declared = set_of(self.functions.iter().map(|tool| tool.function.name.decode()));
        for name in names.iter().map(Text::decode).filter(|name| !declared.contains(name)) {
            add_invalid(mistakes, param, &format!("there is no tool `{name}`"));
        }
    }

    /// Returns true if the model may call no function.
    pub(super) fn forbid_calls(&self) -> bool {
        matches!(self.mode, CallingMode::None)
    }

    /// Writes `tools`, if the model may call any, and `toolConfig`, unless it may choose freely.
    /// `schemas` are those of the functions' parameters.
    pub(super) fn write(
        &self,
        body: &mut Object<'_>,
        schemas: &[Option<Vec<u8>>],
        names: &ToolNames,
    ) {
        if self.functions.is_empty() {
            return;
        }
        let out = body.key("tools");
        out.extend_from_slice(b"[{\"functionDeclarations\":");
        list(out, self.functions.iter().zip(schemas), |out, (tool, schema)| {
            write_declaration(out, tool.function, schema.as_deref(), names);
        });
        out.extend_from_slice(b"}]");
        self.mode.write(body, names);
    }
}

impl CallingMode<'_> {
    fn write(&self, body: &mut Object<'_>, sent: &ToolNames) {
        let (word, names) = match self {
            Self::Auto => return,
            Self::None => ("NONE", None),
            Self::Any => ("ANY", None),
            Self::AnyOf(names) => ("ANY", Some(names)),
            Self::Validated(names) => ("VALIDATED", Some(names)),
        };
        body.object("toolConfig", |config| {
            config.object("functionCallingConfig", |calling| {
                calling.value("mode", word);
                if let Some(names) = names {
                    let names: Vec<_> = names.iter().map(|name| sent.sent(name)).collect();
                    calling.value("allowedFunctionNames", &names);
                }
            });
        });
    }
}

fn write_declaration(
    out: &mut Vec<u8>,
    function: &FunctionTool<'_>,
    schema: Option<&[u8]>,
    names: &ToolNames,
) {
    let mut declaration = Object::open(out);
    declaration.value("name", &names.sent(&function.name));
    let description = function.description.as_ref().filter(|text| !text.is_empty());
    description.map(|text| declaration.raw("description", text.json()));
    // JSON Schema, whereas the field `parameters` takes a subset of OpenAPI's schema.
    schema.map(|schema| declaration.raw("parametersJsonSchema", schema));
    declaration.close();
}
