//! The body of a request. Amazon Bedrock API reference, *Converse*, "Request Body".

use super::{blocks::BlockWriter, decoder::BedrockConverseDecoder, tools::write_tools};
use crate::{
    api_schema::{
        anthropic::{AnthropicConversation, AnthropicTools, OutputFormat},
        stop_sequences::stop_sequences,
        tool_names::{FirstCharacter, NameRules, ToolNames},
        translation::TranslationInput,
    },
    chat::{effort::Effort, parameter::Parameter, text::Text},
    fit::{Fit, StreamMode},
    json::Object,
};

/// The rules for names of tools: Amazon Bedrock API reference, *ToolSpecification*, `name`.
const RULES: NameRules = NameRules { max_length: 64, marks: "_-", first: FirstCharacter::Any };

/// A request that the fit has translated and that is not written yet.
#[derive(Debug)]
pub(crate) struct ConverseRequest<'q> {
    pub(super) conversation: AnthropicConversation<'q>,
    pub(super) tools: AnthropicTools<'q>,
    pub(super) format: OutputFormat,
}

/// Writes a request. Returns its path below the base URL, its body, and the decoder of its answer.
pub(crate) fn request(
    input: &TranslationInput<'_, '_>,
    request: &ConverseRequest<'_>,
) -> ((String, Vec<u8>), BedrockConverseDecoder) {
    let ConverseRequest { conversation, tools, format } = request;
    let names = ToolNames::of_request(RULES, input.request);
    let mut out = Vec::with_capacity(input.request.parameters.length() + 256);
    let mut body = Object::open(&mut out);
    let mut writer = BlockWriter::new(&names);
    if !conversation.system.is_empty() {
        writer.write_blocks(body.key("system"), &conversation.system);
    }
    writer.write_turns(body.key("messages"), &conversation.turns);
    write_inference(&mut body, input.fit);
    write_tools(&mut body, tools, conversation, &names);
    write_format(&mut body, format);
    write_reasoning(&mut body, input.fit);
    body.close();
    ((path(input), out), BedrockConverseDecoder::new(names))
}

/// Returns the path, with the model as AWS's libraries write it: an ARN has colons and slashes.
fn path(input: &TranslationInput<'_, '_>) -> String {
    let model = &input.target.endpoint.upstream_model;
    let model = model.replace(':', "%3A").replace('/', "%2F");
    let method = if input.fit.stream == StreamMode::On { "converse-stream" } else { "converse" };
    format!("/model/{model}/{method}")
}

/// Writes `inferenceConfig`. Amazon Bedrock API reference, *InferenceConfiguration*.
fn write_inference(body: &mut Object<'_>, fit: &Fit<'_>) {
    body.object("inferenceConfig", |config| {
        for (parameter, key) in [
            (Parameter::MaxTokens, "maxTokens"),
            (Parameter::Temperature, "temperature"),
            (Parameter::TopP, "topP"),
        ] {
            fit.value(parameter).map(|json| config.raw(key, json));
        }
        let stops = fit.value(Parameter::Stop).map(stop_sequences).unwrap_or_default();
        let stops: Vec<&str> =
            stops.iter().filter(|stop| !stop.is_empty()).map(Text::json).collect();
        if !stops.is_empty() {
            config.raw("stopSequences", format!("[{}]", stops.join(",")));
        }
    });
}

/// Writes the schema that the answer must follow, as text in JSON. Amazon Bedrock API reference,
/// *OutputConfig*.
fn write_format(body: &mut Object<'_>, format: &OutputFormat) {
    let OutputFormat::Schema(strict) = format else { return };
    body.object("outputConfig", |config| {
        config.object("textFormat", |format| {
            format.value("type", "json_schema").object("structure", |structure| {
                structure.object("jsonSchema", |schema| {
                    schema.value("name", "answer").value("schema", &strict.schema.to_string());
                });
            });
        });
    });
}

/// Writes the effort as Amazon's models take it: Amazon Nova 2, *Extended thinking*. The field is
/// the model's, and not the API's.
fn write_reasoning(body: &mut Object<'_>, fit: &Fit<'_>) {
    let effort = match fit.effort {
        None | Some(Effort::None) => return,
        Some(Effort::Minimal | Effort::Low) => "low",
        Some(Effort::Medium) => "medium",
        Some(Effort::High | Effort::Xhigh | Effort::Max) => "high",
    };
    body.object("additionalModelRequestFields", |fields| {
        fields.object("reasoningConfig", |config| {
            config.value("type", "enabled").value("maxReasoningEffort", effort);
        });
    });
}
