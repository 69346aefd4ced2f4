//! The request. OpenAI's API reference, *Create chat completion*.

use super::{
    decoder::OpenAiDecoder,
    messages,
    tools::{RULES, forwards_tools, rewrites_choice, write_tool_choice, write_tools},
};
use crate::{
    api_schema::{tool_names::ToolNames, translation::TranslationInput},
    chat::{parameter::Parameter, text::Text},
    config::{Provider, Quirk},
    fit::{StreamMode, response_format::FormatMode},
    json::Object,
};

/// Returns the path below the base URL and the body, and the decoder of the response.
pub(crate) fn request(input: &TranslationInput<'_, '_>) -> ((String, Vec<u8>), OpenAiDecoder) {
    let provider = input.target.provider;
    let mut out = Vec::with_capacity(input.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    body.value("model", &input.target.endpoint.upstream_model);
    // A server that accepts unknown fields gets names and tools unchanged.
    let names = match provider.forward_unknown {
        true => ToolNames::default(),
        false => ToolNames::of_request(RULES, input.request),
    };
    messages::write(body.key("messages"), input, &names);
    for (parameter, json) in &input.fit.kept {
        match parameter {
            Parameter::MaxTokens => body.raw(max_tokens_key(provider), json.as_bytes()),
            Parameter::ResponseFormat if input.fit.format != FormatMode::Native => {
                if input.fit.format == FormatMode::JsonMode {
                    body.raw("response_format", r#"{"type":"json_object"}"#);
                }
                continue;
            }
            Parameter::Tools if !forwards_tools(provider) => {
                write_tools(body.key("tools"), input, &names);
                continue;
            }
            Parameter::ToolChoice if rewrites_choice(input, &names) => {
                write_tool_choice(&mut body, json, input, &names);
                continue;
            }
            other => body.raw(other.name(), json.as_bytes()),
        };
    }
    write_stream_options(&mut body, input.fit.stream, provider);
    if provider.forward_unknown {
        for (key, raw) in &input.request.parameters.unknown {
            body.raw(Text::new(key).escaped(), raw.get());
        }
    }
    body.close();
    (("/chat/completions".to_owned(), out), OpenAiDecoder::new(input, names))
}

fn max_tokens_key(provider: &Provider) -> &'static str {
    if provider.has(Quirk::MaxTokens) { "max_tokens" } else { "max_completion_tokens" }
}

/// Writes the options that depend on streaming. Usage is always requested, because the operator
/// needs it even where the client does not.
fn write_stream_options(body: &mut Object<'_>, stream: StreamMode, provider: &Provider) {
    if stream == StreamMode::On {
        body.value("stream", &true);
        if !provider.has(Quirk::NoStreamOptions) {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    } else if provider.has(Quirk::ThinkingOnlyStreamed) {
        body.value("enable_thinking", &false);
    }
}
