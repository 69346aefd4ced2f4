//! Tools and the choice among them. ai.google.dev, *Function calling*.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{fit::format_excludes_tools, json_schema, request::RequestBuilder};
use crate::{
    chat::{
        parameter::Parameter,
        text::Text,
        tools::{AllowedTools, AllowedToolsMode, FunctionTool, ToolChoice},
    },
    collections::set_of,
    json::{Object, list},
};

/// Tools of a request, as they are sent.
#[derive(Debug, Default)]
pub(super) struct GeminiTools {
    /// `tools`, if the model may call any.
    pub(super) declarations: Option<Vec<u8>>,
    /// `toolConfig`, unless the model may choose freely.
    pub(super) config: Option<Vec<u8>>,
}

/// Function calling mode that follows from `tool_choice`. Functions go by the names that are sent.
enum CallingMode {
    None,
    Auto,
    /// Requires a call.
    Any,
    /// Requires a call of one of these functions.
    AnyOf(Vec<Text<'static>>),
    /// Permits calls of these functions only.
    Validated(Vec<Text<'static>>),
}

impl<'a> RequestBuilder<'_, 'a> {
    /// Translates the tools.
    pub(super) fn tools(&mut self) -> GeminiTools {
        let functions = self.functions();
        let names: Vec<_> = functions.iter().map(|(_, tool)| tool.name.decode()).collect();
        let mut known = BTreeSet::new();
        for ((param, _), name) in functions.iter().zip(&names) {
            if !known.insert(name) {
                self.add_mistake(param, &format!("`{name}` is there twice"));
            }
        }
        if functions.is_empty() {
            return GeminiTools::default();
        }
        match self.calling_mode() {
            // Without declarations there are no calls, and `response_format` is permitted.
            CallingMode::None
                if format_excludes_tools(self.input.request, self.input.target.model) =>
            {
                GeminiTools::default()
            }
            mode => GeminiTools {
                declarations: Some(self.declarations(&functions)),
                config: tool_config(&mode),
            },
        }
    }

    /// Returns the functions, each with the path of its tool in the request.
    fn functions(&self) -> Vec<(String, FunctionTool<'a>)> {
        if self.input.fit.value(Parameter::Tools).is_none() {
            return Vec::new();
        }
        let tools = self.input.request.tools.iter().enumerate();
        let functions = tools
            .filter_map(|(index, tool)| Some((format!("tools[{index}]"), tool.function.clone()?)));
        functions.collect()
    }

    fn declarations(&mut self, functions: &[(String, FunctionTool<'_>)]) -> Vec<u8> {
        let mut out = b"[{\"functionDeclarations\":".to_vec();
        list(&mut out, functions, |out, (param, function)| {
            self.write_declaration(out, param, function);
        });
        out.extend_from_slice(b"}]");
        out
    }

    fn write_declaration(&mut self, out: &mut Vec<u8>, param: &str, function: &FunctionTool<'_>) {
        let mut declaration = Object::open(out);
        declaration.value("name", &self.names.sent(&function.name));
        let description = function.description.as_ref().filter(|text| !text.is_empty());
        description.map(|text| declaration.raw("description", text.json()));
        // JSON Schema, whereas the field `parameters` takes a subset of OpenAPI's schema.
        let schema = function.parameters.map(|raw| self.schemas.parameters_schema(raw.get()));
        match schema.unwrap_or(Ok(None)) {
            Ok(Some(schema)) => drop(declaration.raw("parametersJsonSchema", schema)),
            Ok(None) => {}
            Err(json_schema::TooLarge) => {
                self.add_mistake(param, "the schema of its parameters is too large");
            }
        }
        declaration.close();
    }

    fn calling_mode(&mut self) -> CallingMode {
        let (request, fit) = (self.input.request, self.input.fit);
        let is_kept = fit.value(Parameter::ToolChoice).is_some();
        match request.tool_choice.as_ref().filter(|_| is_kept) {
            Some(ToolChoice::None) => CallingMode::None,
            Some(ToolChoice::Auto) => CallingMode::Auto,
            Some(ToolChoice::Required) => CallingMode::Any,
            Some(ToolChoice::Function(name)) => {
                CallingMode::AnyOf(self.sent_names([name], "tool_choice.function.name"))
            }
            Some(ToolChoice::AllowedTools(raw)) => self.allowed_functions(raw),
            None => CallingMode::Auto,
        }
    }

    fn allowed_functions(&mut self, raw: &RawValue) -> CallingMode {
        let Some(AllowedTools { mode, names }) = AllowedTools::read(raw) else {
            self.add_mistake("tool_choice.allowed_tools", "must hold mode and tools");
            return CallingMode::Auto;
        };
        let names = self.sent_names(&names, "tool_choice.allowed_tools.tools");
        match mode {
            AllowedToolsMode::Required => CallingMode::AnyOf(names),
            AllowedToolsMode::Auto => CallingMode::Validated(names),
        }
    }

    /// Returns the names that are sent for `names`. A name that is not declared is a mistake.
    fn sent_names<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n Text<'n>>,
        param: &str,
    ) -> Vec<Text<'static>> {
        let functions = self.functions();
        let declared = set_of(functions.iter().map(|(_, tool)| tool.name.decode()));
        let mut sent = Vec::new();
        for name in names {
            if !declared.contains(&name.decode()) {
                self.add_mistake(param, &format!("there is no tool `{}`", name.decode()));
            }
            sent.push(self.names.sent(name).into_owned());
        }
        sent
    }
}

fn tool_config(mode: &CallingMode) -> Option<Vec<u8>> {
    let (word, names) = match mode {
        CallingMode::Auto => return None,
        CallingMode::None => ("NONE", None),
        CallingMode::Any => ("ANY", None),
        CallingMode::AnyOf(names) => ("ANY", Some(names)),
        CallingMode::Validated(names) => ("VALIDATED", Some(names)),
    };
    let mut out = Vec::new();
    let mut config = Object::open(&mut out);
    config.object("functionCallingConfig", |calling| {
        calling.value("mode", word);
        names.map(|names| calling.value("allowedFunctionNames", names));
    });
    config.close();
    Some(out)
}
