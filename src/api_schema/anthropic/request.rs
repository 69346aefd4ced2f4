//! The request. Claude API reference, *Create a Message*. It takes no field that it does not know,
//! so that the body is written from scratch.

use super::{
    AnthropicDecoder,
    fit::{Thoughts, may_stay_open, sequences},
    media::write_cache,
    messages::to_turns,
    response_format::{self, Format},
    tools::Tools,
};
use crate::{
    api_schema::translation::TranslationInput,
    chat::{effort::Effort, error::Error, parameter::Parameter},
    config::{Quirk, Target},
    fit::{Fit, Stream},
    json::{Object, list},
};

/// The version of the API on Vertex AI, which has it in the body: Vertex AI, *Claude models*.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Path below the base URL and body, and what reads the answer.
pub(crate) fn request(
    asked: &TranslationInput<'_, '_>,
) -> Result<((String, Vec<u8>), AnthropicDecoder), Error> {
    let (request, fit, target) = (asked.request, asked.fit, &asked.target);
    let mut mistakes = Vec::new();
    let mut conversation = to_turns(&request.messages, &mut mistakes);
    let tools = Tools::read(request, fit, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Error::Invalid(mistakes));
    }
    let format = response_format::of(request, fit);
    if let Format::Told(instruction) = &format {
        conversation.instruct(instruction);
    }
    if !may_stay_open(fit, target) {
        conversation.close();
    }
    let (names, thoughts) = (tools.names(&conversation), Thoughts::of(fit, target));
    let mut out = Vec::with_capacity(request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    begin(&mut body, target);
    body.raw("max_tokens", fit.value(Parameter::MaxTokens).unwrap_or("1"));
    conversation.write_system(&mut body);
    conversation.write_turns(body.key("messages"), &names, thoughts.is_enabled());
    tools.write(&mut body, &conversation, &names);
    write_sampling(&mut body, fit);
    write_thoughts(&mut body, thoughts, &format);
    write_rest(&mut body, asked);
    body.close();
    let streams = fit.stream == Stream::On;
    Ok(((path(target, streams), out), AnthropicDecoder::new(names)))
}

fn path(target: &Target<'_>, streams: bool) -> String {
    if !target.provider.has(Quirk::RawPredict) {
        return "/messages".to_owned();
    }
    let method = if streams { "streamRawPredict" } else { "rawPredict" };
    format!("/models/{}:{method}", target.endpoint.upstream_model)
}

fn begin(body: &mut Object<'_>, target: &Target<'_>) {
    if target.provider.has(Quirk::RawPredict) {
        body.value("anthropic_version", VERTEX_VERSION);
    } else {
        body.value("model", &target.endpoint.upstream_model);
    }
}

fn write_sampling(body: &mut Object<'_>, fit: &Fit<'_>) {
    for parameter in [Parameter::Temperature, Parameter::TopP, Parameter::TopK] {
        fit.value(parameter).map(|json| body.raw(parameter.name(), json));
    }
    if let Some(json) = fit.value(Parameter::Stop) {
        list(body.key("stop_sequences"), sequences(json), |out, sequence| {
            out.extend_from_slice(sequence.json().as_bytes());
        });
    }
}

/// Thoughts come summarised: the newest models leave them out without a word (guide *Adaptive
/// thinking*).
fn write_thoughts(body: &mut Object<'_>, thoughts: Thoughts, format: &Format) {
    let effort = match thoughts {
        Thoughts::None => None,
        Thoughts::Disabled => {
            body.object("thinking", |thinking| {
                thinking.value("type", "disabled");
            });
            None
        }
        Thoughts::Budget(budget) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "enabled").value("budget_tokens", &budget);
            });
            None
        }
        Thoughts::Adaptive(effort) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "adaptive").value("display", "summarized");
            });
            Some(effort)
        }
        Thoughts::Effort(effort) => Some(effort),
    };
    if effort.is_some() || matches!(format, Format::Held(_)) {
        body.object("output_config", |output| {
            effort.map(|effort| output.value("effort", effort_word(effort)));
            format.write(output);
        });
    }
}

/// Claude's least effort is `low`.
fn effort_word(effort: Effort) -> &'static str {
    if effort <= Effort::Low { "low" } else { effort.name() }
}

fn write_rest(body: &mut Object<'_>, asked: &TranslationInput<'_, '_>) {
    let fit = asked.fit;
    let user = fit.value(Parameter::SafetyIdentifier).or_else(|| fit.value(Parameter::User));
    if let Some(user) = user {
        body.object("metadata", |metadata| {
            metadata.raw("user_id", user);
        });
    }
    if fit.value(Parameter::CacheControl).is_some() {
        write_cache(body, asked.request.parameters.get(Parameter::CacheControl));
    }
    if fit.stream == Stream::On {
        body.value("stream", &true);
    }
}
