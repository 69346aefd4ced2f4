//! The request. OpenAI's API reference, *Create chat completion*.

use super::{
    messages,
    tools::{forwards_tools, write_tools},
};
use crate::{
    api_schema::translation::TranslationInput,
    chat::{parameter::Parameter, text::Text},
    config::{Provider, Quirk},
    fit::Stream,
    json::Object,
};

/// Path below the base URL, and body.
pub(crate) fn request(asked: &TranslationInput<'_, '_>) -> (String, Vec<u8>) {
    let provider = asked.target.provider;
    let mut out = Vec::with_capacity(asked.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    body.value("model", &asked.target.endpoint.upstream_model);
    messages::write(body.key("messages"), asked);
    for (parameter, json) in &asked.fit.kept {
        match parameter {
            Parameter::MaxTokens => body.raw(max_tokens_key(provider), json.as_bytes()),
            // A server that takes what we do not know gets tools as they came.
            Parameter::Tools if !forwards_tools(provider) => {
                write_tools(body.key("tools"), &asked.request.tools, asked);
                continue;
            }
            other => body.raw(other.name(), json.as_bytes()),
        };
    }
    write_stream_options(&mut body, asked.fit.stream, provider);
    if provider.forward_unknown {
        for (key, raw) in &asked.request.parameters.unknown {
            body.raw(Text::new(key).escaped(), raw.get());
        }
    }
    body.close();
    ("/chat/completions".to_owned(), out)
}

fn max_tokens_key(provider: &Provider) -> &'static str {
    if provider.has(Quirk::MaxTokens) { "max_tokens" } else { "max_completion_tokens" }
}

/// Usage is asked for whether or not the client wants to see it: the operator does.
fn write_stream_options(body: &mut Object<'_>, stream: Stream, provider: &Provider) {
    if stream == Stream::On {
        body.value("stream", &true);
        if !provider.has(Quirk::NoStreamOptions) {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    } else if provider.has(Quirk::ThinkingOnlyStreamed) {
        body.value("enable_thinking", &false);
    }
}
