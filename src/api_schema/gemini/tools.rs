//! Tools and which of them the model may call. ai.google.dev, *Function calling*.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{fit::format_excludes_tools, json_schema, request::RequestBuilder};
use crate::{
    chat::{
        parameter::Parameter,
        text::Text,
        tools::{FunctionTool, ToolChoice},
    },
    json::Object,
};

/// What leaves of a request's tools.
#[derive(Debug, Default)]
pub(super) struct GeminiTools {
    /// `tools`, if the model may call any.
    pub(super) declarations: Option<Vec<u8>>,
    /// `toolConfig`, where the model is not free to choose.
    pub(super) config: Option<Vec<u8>>,
}

/// What `tool_choice` asks for.
enum CallingMode {
    None,
    Auto,
    /// Some call must be made.
    Any,
    /// One of these calls must be made.
    AnyOf(Vec<String>),
    /// These calls, or none.
    Validated(Vec<String>),
}

/// `allowed_tools`. OpenAI's API reference, *Create chat completion*, `tool_choice`.
#[derive(Deserialize)]
struct AllowedFunctions<'a> {
    mode: AllowedFunctionsMode,
    #[serde(borrow)]
    tools: Vec<AllowedFunction<'a>>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AllowedFunctionsMode {
    Auto,
    Required,
}

#[derive(Deserialize)]
struct AllowedFunction<'a> {
    #[serde(borrow)]
    function: AllowedFunctionName<'a>,
}

#[derive(Deserialize)]
struct AllowedFunctionName<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

impl<'a> RequestBuilder<'_, 'a> {
    /// The tools, and meets their names.
    pub(super) fn tools(&mut self) -> GeminiTools {
        let functions = self.functions();
        let names: Vec<_> = functions.iter().map(|(_, tool)| tool.name.decode()).collect();
        self.names.declare(names.iter().map(AsRef::as_ref));
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
            // Without declarations nothing can be called, and the answer may have a form.
            CallingMode::None
                if format_excludes_tools(self.input.request, self.input.target.model) =>
            {
                GeminiTools::default()
            }
            choice => GeminiTools {
                declarations: Some(self.declarations(&functions)),
                config: tool_config(&choice),
            },
        }
    }

    /// The functions, each with its place in the request.
    fn functions(&self) -> Vec<(String, FunctionTool<'a>)> {
        let tools = self.input.request.tools.iter().filter(|_| self.keeps(Parameter::Tools));
        let tools = tools
            .enumerate()
            .filter_map(|(index, tool)| Some((format!("tools[{index}]"), tool.function.clone()?)));
        tools.collect()
    }

    fn declarations(&mut self, functions: &[(String, FunctionTool<'_>)]) -> Vec<u8> {
        let mut out = b"[{\"functionDeclarations\":[".to_vec();
        for (index, (param, function)) in functions.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let mut declaration = Object::open(&mut out);
            declaration.value("name", &self.names.sent(&function.name.decode()));
            let description = function.description.as_ref().filter(|text| !text.is_empty());
            description.map(|text| declaration.raw("description", text.json()));
            // Real JSON Schema, where `parameters` is a dialect of OpenAPI's.
            let schema = function.parameters.map(|raw| self.schemas.parameters_schema(raw.get()));
            match schema.unwrap_or(Ok(None)) {
                Ok(Some(schema)) => drop(declaration.raw("parametersJsonSchema", schema)),
                Ok(None) => {}
                Err(json_schema::TooLarge) => {
                    self.add_mistake(param, "the schema of its parameters is too large")
                }
            }
            declaration.close();
        }
        out.extend_from_slice(b"]}]");
        out
    }

    fn calling_mode(&mut self) -> CallingMode {
        let request = self.input.request;
        let choice = request.tool_choice.as_ref().filter(|_| self.keeps(Parameter::ToolChoice));
        match choice {
            Some(ToolChoice::None) => CallingMode::None,
            Some(ToolChoice::Auto) => CallingMode::Auto,
            Some(ToolChoice::Required) => CallingMode::Any,
            Some(ToolChoice::Function(name)) => {
                CallingMode::AnyOf(self.sent_names([name], "tool_choice.function.name"))
            }
            Some(ToolChoice::AllowedTools(raw)) => self.allowed_functions(raw.get()),
            None => CallingMode::Auto,
        }
    }

    fn allowed_functions(&mut self, json: &str) -> CallingMode {
        let Ok(AllowedFunctions { mode, tools }) = serde_json::from_str(json) else {
            self.add_mistake("tool_choice.allowed_tools", "must hold mode and tools");
            return CallingMode::Auto;
        };
        let names = tools.iter().map(|tool| &tool.function.name);
        let names = self.sent_names(names, "tool_choice.allowed_tools.tools");
        if mode == AllowedFunctionsMode::Required {
            CallingMode::AnyOf(names)
        } else {
            CallingMode::Validated(names)
        }
    }

    /// The names that are sent for these, all of which must be declared.
    fn sent_names<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n Text<'n>>,
        param: &str,
    ) -> Vec<String> {
        let mut sent = Vec::new();
        for name in names {
            let name = name.decode();
            if !self.names.knows(&name) {
                self.add_mistake(param, &format!("there is no tool `{name}`"));
            }
            sent.push(self.names.sent(&name));
        }
        sent
    }

    /// Whether the model takes a parameter that is there.
    pub(super) fn keeps(&self, parameter: Parameter) -> bool {
        self.input.fit.kept.iter().any(|(kept, _)| *kept == parameter)
    }
}

fn tool_config(choice: &CallingMode) -> Option<Vec<u8>> {
    let (mode, names) = match choice {
        CallingMode::Auto => return None,
        CallingMode::None => ("NONE", None),
        CallingMode::Any => ("ANY", None),
        CallingMode::AnyOf(names) => ("ANY", Some(names)),
        CallingMode::Validated(names) => ("VALIDATED", Some(names)),
    };
    let mut out = Vec::new();
    let mut config = Object::open(&mut out);
    config.object("functionCallingConfig", |calling| {
        calling.value("mode", mode);
        names.map(|names| calling.value("allowedFunctionNames", names));
    });
    config.close();
    Some(out)
}
