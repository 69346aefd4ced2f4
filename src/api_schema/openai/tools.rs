//! Tools. OpenAI's API reference, *Create chat completion*, `tools`.

use crate::{
    api_schema::translation::TranslationInput,
    chat::{parameter::Parameter, tools::Tool},
    config::{Provider, Quirk},
    json::{Object, list},
};

/// Returns true if the provider gets tools unchanged.
pub(super) fn forwards_tools(provider: &Provider) -> bool {
    provider.forward_unknown && !provider.has(Quirk::NoStrictTools)
}

/// Writes tools, each with the fields of the API and no others, because some servers refuse fields
/// that they do not know.
pub(super) fn write_tools(out: &mut Vec<u8>, tools: &[Tool<'_>], input: &TranslationInput<'_, '_>) {
    let provider = input.target.provider;
    let caches = input.target.model.supports(Parameter::CacheControl);
    list(out, tools, |out, item| {
        let Some(function) = &item.function else { return out.extend_from_slice(b"{}") };
        let mut tool = Object::open(out);
        tool.value("type", "function").object("function", |object| {
            object.value("name", &function.name);
            function.description.as_ref().map(|text| object.value("description", text));
            let parameters = function.parameters.filter(|schema| schema.get() != "null");
            parameters.map(|schema| object.raw("parameters", schema.get()));
            let strict = function.strict.filter(|_| !provider.has(Quirk::NoStrictTools));
            strict.map(|strict| object.value("strict", &strict));
        });
        item.cache_control.filter(|_| caches).map(|mark| tool.raw("cache_control", mark.get()));
        tool.close();
    });
}
