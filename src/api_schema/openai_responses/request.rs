//! The request. OpenAI's API reference, *Create a model response*.

use super::{
    decoder::OpenAiResponsesDecoder,
    flat_fields::{inner_object, write_flat_fields},
    messages,
    tools::{write_tool_choice, write_tools},
};
use crate::{
    api_schema::{openai::RULES, tool_names::ToolNames, translation::TranslationInput},
    chat::{effort::Effort, object::ObjectFields, parameter::Parameter, text::Text},
    fit::{StreamMode, response_format::FormatMode},
    json::Object,
};

/// Returns the path below the base URL and the body, and the decoder of the response.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
) -> ((String, Vec<u8>), OpenAiResponsesDecoder) {
    let names = ToolNames::of_request(RULES, input.request);
    let mut out = Vec::with_capacity(input.request.parameters.length() + 512);
    let mut body = Object::open(&mut out);
    body.value("model", &input.target.endpoint.upstream_model);
    messages::write(body.key("input"), input, &names);
    // What a client says is not kept at the provider, as with Chat Completions.
    body.value("store", &false);
    write_include(&mut body, input);
    for (parameter, json) in &input.fit.kept {
        match parameter {
            Parameter::MaxTokens => drop(body.raw("max_output_tokens", json.as_bytes())),
            Parameter::Tools => write_tools(body.key("tools"), input, &names),
            Parameter::ToolChoice => write_tool_choice(body.key("tool_choice"), input, &names),
            // They are parts of `include`, `reasoning` and `text`.
            Parameter::Logprobs | Parameter::ReasoningEffort => {}
            Parameter::ResponseFormat | Parameter::Verbosity => {}
            other => drop(body.raw(other.name(), json.as_bytes())),
        }
    }
    write_reasoning(&mut body, input);
    write_text(&mut body, input);
    if input.fit.stream == StreamMode::On {
        body.value("stream", &true);
    }
    body.close();
    (("/responses".to_owned(), out), OpenAiResponsesDecoder::new(names))
}

/// Writes the fields that a response has only on request. A model that does not reason refuses to
/// encrypt its reasoning.
fn write_include(body: &mut Object<'_>, input: &TranslationInput<'_, '_>) {
    let reasons = !input.target.model.reasoning_efforts.is_empty();
    let has_logprobs = input.fit.value(Parameter::Logprobs).is_some();
    let encrypted = reasons.then_some("reasoning.encrypted_content");
    let logprobs = has_logprobs.then_some("message.output_text.logprobs");
    let fields: Vec<&str> = encrypted.into_iter().chain(logprobs).collect();
    if !fields.is_empty() {
        body.value("include", &fields);
    }
}

/// Writes the effort, and the kind of summary that the client asks for.
fn write_reasoning(body: &mut Object<'_>, input: &TranslationInput<'_, '_>) {
    let summary = summary(input);
    if input.fit.effort.is_none() && summary.is_none() {
        return;
    }
    body.object("reasoning", |reasoning| {
        input.fit.effort.map(|effort| reasoning.value("effort", effort.name()));
        summary.map(|summary| reasoning.value("summary", &summary));
    });
}

/// Returns the kind of summary of the reasoning, if the client asks for its text: with the parameter
/// `reasoning`, in which OpenRouter has `exclude` for the opposite (*Reasoning tokens*).
/// `reasoning_effort` alone asks for none: OpenAI refuses summaries for organizations that it has not
/// verified.
fn summary<'q>(input: &TranslationInput<'q, '_>) -> Option<Text<'q>> {
    let own = ObjectFields::read(input.request.parameters.get(Parameter::Reasoning)?)?;
    let reasons =
        !input.target.model.reasoning_efforts.is_empty() && input.fit.effort != Some(Effort::None);
    let is_excluded = own.get("exclude").is_some_and(|raw| raw.get() == "true");
    let summary = own.text("summary").unwrap_or_else(|| Text::new("auto"));
    (reasons && !is_excluded).then_some(summary)
}

/// Writes the format and the verbosity of the text.
fn write_text(body: &mut Object<'_>, input: &TranslationInput<'_, '_>) {
    let has_format = input.fit.value(Parameter::ResponseFormat).is_some()
        && input.fit.format != FormatMode::Instruction;
    let verbosity = input.fit.value(Parameter::Verbosity);
    if !has_format && verbosity.is_none() {
        return;
    }
    body.object("text", |text| {
        verbosity.map(|json| text.raw("verbosity", json));
        if has_format {
            write_format(text.key("format"), input);
        }
    });
}

/// The schema of a format that has none, which Responses requires.
const ANY_OBJECT: &str = r#"{"type":"object"}"#;

/// Writes a format, whose schema has no object of its own here.
fn write_format(out: &mut Vec<u8>, input: &TranslationInput<'_, '_>) {
    let raw = input.request.parameters.get(Parameter::ResponseFormat);
    let schema = raw.and_then(|raw| inner_object(raw, "json_schema"));
    let mut format = Object::open(out);
    match schema.filter(|_| input.fit.format == FormatMode::Native) {
        None => drop(format.value("type", "json_object")),
        Some(schema) => {
            format.value("type", "json_schema");
            write_flat_fields(&mut format, &schema, &["name", "description", "schema", "strict"]);
            if schema.get("schema").is_none() {
                format.raw("schema", ANY_OBJECT);
            }
        }
    }
    format.close();
}
