//! Tools as an OpenAI-compatible server takes them.

use crate::{
    api_schema::translation::TranslationInput,
    chat::{parameter::Parameter, tools::Tool},
    config::{Provider, Quirk},
    json::{Object, list},
};

pub(super) fn forwards_tools(provider: &Provider) -> bool {
    provider.forward_unknown && !provider.has(Quirk::NoStrictTools)
}

/// Tools, each with the fields of the API and no others: some servers refuse what they do not know.
pub(super) fn write_tools(out: &mut Vec<u8>, tools: &[Tool<'_>], asked: &TranslationInput<'_, '_>) {
    let provider = asked.target.provider;
    let caches = asked.target.model.supports(Parameter::CacheControl);
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
