//! The body of a request. Claude API reference, *Create a Message*. Claude refuses fields that it
//! does not know, so that the body is written from scratch.

use super::{
    cache_control::write_cache_control,
    decoder::AnthropicDecoder,
    fields::{write_model, write_thinking},
    names::RULES,
    original::write_body,
    response_format::OutputFormat,
    thinking::{SAMPLING, ThinkingMode},
    tools::AnthropicTools,
    turns::AnthropicConversation,
};
use crate::{
    api_schema::{
        stop_sequences::stop_sequences, tool_names::ToolNames, translation::TranslationInput,
    },
    chat::parameter::{ClientApi, Parameter},
    config::{PromptCache, Quirk, Target},
    fit::{Fit, StreamMode},
    json::{Object, list},
};

/// The version of the API: Claude API, *Versioning*. Later versions take no sampling parameters for
/// any model.
const VERSION: &str = "2023-06-01";

/// The path of the count of tokens: Claude API reference, *Count tokens in a Message*.
const COUNT_PATH: &str = "/messages/count_tokens";

/// A request that the fit has translated and that is not written yet.
#[derive(Debug)]
pub(crate) struct AnthropicRequest<'q> {
    pub(super) conversation: AnthropicConversation<'q>,
    pub(super) tools: AnthropicTools<'q>,
    pub(super) format: OutputFormat,
    pub(super) thinking: ThinkingMode,
    /// `true` for a request in Claude's own API whose way of thinking the target takes as it is.
    pub(super) keeps_thinking: bool,
    /// The marks of the prompt cache that the gateway places.
    pub(super) cache: PromptCache,
}

/// Returns the headers of a request. Features that the client asks for go along with its own fields.
pub(crate) fn headers(input: &TranslationInput<'_, '_>) -> Vec<(&'static str, String)> {
    let mut headers = vec![("anthropic-version", VERSION.to_owned())];
    let betas = input.inlet.betas();
    if !betas.is_empty() && input.request.parameters.original_in(ClientApi::Messages).is_some() {
        headers.push(("anthropic-beta", betas.to_string()));
    }
    headers
}

/// Writes a request. Returns its path below the base URL, its body, and the decoder of its answer.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
    request: &AnthropicRequest<'_>,
) -> ((String, Vec<u8>), AnthropicDecoder) {
    let (fit, target) = (input.fit, &input.target);
    if let Some(original) = input.request.parameters.original_in(ClientApi::Messages) {
        let thinking = (!request.keeps_thinking).then_some((request.thinking, &request.format));
        let body = write_body(input, original, thinking, request.cache);
        let path = match input.inlet.counts_tokens() {
            true => COUNT_PATH.to_owned(),
            false => path(target, fit.stream),
        };
        return ((path, body), AnthropicDecoder::of_original());
    }
    let AnthropicRequest { conversation, tools, format, thinking, .. } = request;
    let names = ToolNames::of_request(RULES, input.request);
    let mut out = Vec::with_capacity(input.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    write_model(&mut body, target);
    body.raw("max_tokens", fit.value(Parameter::MaxTokens).unwrap_or("1"));
    conversation.write_system(&mut body);
    conversation.write_turns(body.key("messages"), &names, *thinking);
    tools.write(&mut body, conversation, &names);
    write_sampling(&mut body, fit);
    write_thinking(&mut body, *thinking, format);
    write_rest(&mut body, input);
    body.close();
    ((path(target, fit.stream), out), AnthropicDecoder::new(names))
}

fn path(target: &Target<'_>, stream: StreamMode) -> String {
    if !target.provider.has(Quirk::RawPredict) {
        return "/messages".to_owned();
    }
    let method = if stream == StreamMode::On { "streamRawPredict" } else { "rawPredict" };
    format!("/models/{}:{method}", target.endpoint.upstream_model)
}

fn write_sampling(body: &mut Object<'_>, fit: &Fit<'_>) {
    for parameter in SAMPLING {
        fit.value(parameter).map(|json| body.raw(parameter.name(), json));
    }
    if let Some(json) = fit.value(Parameter::Stop) {
        list(body.key("stop_sequences"), stop_sequences(json), |out, sequence| {
            out.extend_from_slice(sequence.json().as_bytes());
        });
    }
}

fn write_rest(body: &mut Object<'_>, input: &TranslationInput<'_, '_>) {
    let fit = input.fit;
    let user = fit.value(Parameter::SafetyIdentifier).or_else(|| fit.value(Parameter::User));
    if let Some(user) = user {
        body.object("metadata", |metadata| {
            metadata.raw("user_id", user);
        });
    }
    if fit.value(Parameter::CacheControl).is_some() {
        write_cache_control(body, input.request.parameters.get(Parameter::CacheControl));
    }
    if fit.stream == StreamMode::On {
        body.value("stream", &true);
    }
}
