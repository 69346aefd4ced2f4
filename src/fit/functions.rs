//! `functions` and `function_call`, the form that tools had before: models receive them as `tools`
//! and `tool_choice`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Fit, is_without_effect, support::support_of};
use crate::{
    chat::{
        parameter::Parameter,
        request::Request,
        tools::{CallForm, ToolChoice},
    },
    config::Target,
    json::{Object, list},
};

impl<'a> Fit<'a> {
    /// Fits `functions` or `function_call`. They are dropped beside `tools`, which replaced them.
    pub(super) fn fit_functions(
        &mut self,
        parameter: Parameter,
        raw: &'a RawValue,
        request: &Request<'a>,
        target: &Target<'_>,
    ) {
        let (new_form, json) = match parameter {
            Parameter::Functions => (Parameter::Tools, tools_json(raw)),
            _ => (Parameter::ToolChoice, request.tool_choice.as_ref().map(choice_json)),
        };
        if request.call_form == CallForm::Tools || request.parameters.has(new_form) {
            return self.dropped.push(Cow::Borrowed(parameter.name()));
        }
        let Some(json) = json.filter(|json| !is_without_effect(new_form, json, request)) else {
            return;
        };
        if !self.supports(new_form, request, target) {
            return self.refuse(parameter, target.name);
        }
        self.kept.push((new_form, Cow::Owned(json)));
        self.emulated.push(parameter.name());
        // An answer in the older form has room for one call.
        let single = Parameter::ParallelToolCalls;
        let is_known = support_of(single, target.endpoint.api_schema).is_forwarded();
        if new_form == Parameter::Tools && is_known && target.model.supports(single) {
            self.kept.retain(|(kept, _)| *kept != single);
            self.kept.push((single, Cow::Borrowed("false")));
        }
    }
}

impl Fit<'_> {
    /// Reports custom tools that the model receives as functions.
    pub(super) fn report_custom_tools(&mut self, request: &Request<'_>, target: &Target<'_>) {
        let is_native = target.provider.forward_unknown
            || (target.model.custom_tools && target.endpoint.api_schema.is_of_openai());
        if !is_native && request.custom_tools().next().is_some() {
            self.emulated.push("tools.custom");
        }
    }
}

/// Returns functions as tools.
fn tools_json(raw: &RawValue) -> Option<String> {
    let functions: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let mut out = Vec::new();
    list(&mut out, functions, |out, function| {
        let mut tool = Object::open(out);
        tool.value("type", "function").raw("function", function.get());
        tool.close();
    });
    String::from_utf8(out).ok()
}

/// Returns the value of `tool_choice` for a choice in the older form.
fn choice_json(choice: &ToolChoice<'_>) -> String {
    match choice {
        ToolChoice::Function(name) => {
            format!(r#"{{"type":"function","function":{{"name":{}}}}}"#, name.json())
        }
        word => format!("\"{}\"", word.form()),
    }
}
