//! The body of a request. Claude API reference, *Create a Message*. Claude refuses fields that it
//! does not know, so that the body is written from scratch.

use super::{
    cache_control::write_cache_control,
    decoder::AnthropicDecoder,
    names::RULES,
    response_format::OutputFormat,
    thinking::{SAMPLING, ThinkingMode},
    tools::AnthropicTools,
    turns::AnthropicConversation,
};
use crate::{
    api_schema::{
        stop_sequences::stop_sequences, tool_names::ToolNames, translation::TranslationInput,
    },
    chat::{effort::Effort, parameter::Parameter},
    config::{Quirk, Target},
    fit::{Fit, StreamMode},
    json::{Object, list},
};

/// The version of the API on Vertex AI, which is sent in the body: Vertex AI, *Claude models*.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// The headers of every request: Claude API, *Versioning*. Later versions take no sampling
/// parameters for any model.
pub(crate) const HEADERS: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

/// A request that the fit has translated and that is not written yet.
#[derive(Debug)]
pub(crate) struct AnthropicRequest<'q> {
    pub(super) conversation: AnthropicConversation<'q>,
    pub(super) tools: AnthropicTools<'q>,
    pub(super) format: OutputFormat,
    pub(super) thinking: ThinkingMode,
}

/// Writes a request. Returns its path below the base URL, its body, and the decoder of its answer.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
    request: &AnthropicRequest<'_>,
) -> ((String, Vec<u8>), AnthropicDecoder) {
    let AnthropicRequest { conversation, tools, format, thinking } = request;
    let (fit, target) = (input.fit, &input.target);
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

/// Writes the model, or on Vertex AI, whose path names the model, the version of the API.
fn write_model(body: &mut Object<'_>, target: &Target<'_>) {
    if target.provider.has(Quirk::RawPredict) {
        body.value("anthropic_version", VERTEX_VERSION);
    } else {
        body.value("model", &target.endpoint.upstream_model);
    }
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

/// Writes the way of thinking and the format of the answer, which share `output_config`. The
/// display is given because the newest models omit the text of their thinking by default (guide
/// *Adaptive thinking*).
fn write_thinking(body: &mut Object<'_>, thinking: ThinkingMode, format: &OutputFormat) {
    match thinking {
        ThinkingMode::Budget(budget) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "enabled").value("budget_tokens", &budget);
            });
        }
        ThinkingMode::Adaptive(_) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "adaptive").value("display", "summarized");
            });
        }
        ThinkingMode::Disabled => {
            body.object("thinking", |thinking| {
                thinking.value("type", "disabled");
            });
        }
        ThinkingMode::None | ThinkingMode::Effort(_) => {}
    }
    let effort = match thinking {
        ThinkingMode::Adaptive(effort) | ThinkingMode::Effort(effort) => Some(effort),
        ThinkingMode::None | ThinkingMode::Disabled | ThinkingMode::Budget(_) => None,
    };
    if effort.is_some() || matches!(format, OutputFormat::Schema(_)) {
        body.object("output_config", |output| {
            effort.map(|effort| output.value("effort", effort_name(effort)));
            format.write(output);
        });
    }
}

/// Returns Claude's name of an effort. Its lowest is `low`.
fn effort_name(effort: Effort) -> &'static str {
    if effort <= Effort::Low { "low" } else { effort.name() }
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
