//! Amazon Bedrock's Converse: Amazon Bedrock API reference, *Converse* and *ConverseStream*.

use super::answer::Answer;
use super::events::Events;
use super::request::{Asked, Conversation, Delivery, Output};
use super::schema::Fault;
use serde::Deserialize;
use serde_json::{Value, json};

/// Reads a request.
pub fn read<'a>(path: &'a str, body: &'a [u8]) -> serde_json::Result<Asked<'a>> {
    let request: Request = serde_json::from_slice(body)?;
    let model = path.rsplit('/').nth(1).unwrap_or_default().replace("%3A", ":");
    let streams = path.ends_with("-stream");
    Ok(Asked {
        model: model.into(),
        conversation: hear(&request),
        delivery: if streams { Delivery::Stream } else { Delivery::Whole },
        tools: request.tool_config.map_or_else(Vec::new, ToolConfig::into_names),
        output: request.output_config.map_or(Output::Prose, |config| schema_in(&config)),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default)]
    system: Vec<Value>,
    messages: Vec<Turn>,
    tool_config: Option<ToolConfig>,
    output_config: Option<Value>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Vec<Value>,
}

#[derive(Deserialize)]
struct ToolConfig {
    tools: Vec<Value>,
}

impl ToolConfig {
    fn into_names(self) -> Vec<std::borrow::Cow<'static, str>> {
        let names = self.tools.iter().filter_map(|tool| tool["toolSpec"]["name"].as_str());
        names.map(|name| name.to_owned().into()).collect()
    }
}

/// The schema, which is a text there.
fn schema_in(config: &Value) -> Output {
    let text = config["textFormat"]["structure"]["jsonSchema"]["schema"].as_str();
    text.and_then(|text| serde_json::from_str(text).ok()).map_or(Output::Prose, Output::Schema)
}

fn hear(request: &Request) -> Conversation<'static> {
    let text = |blocks: &[Value]| {
        let texts: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
        texts.join("\n")
    };
    let mut conversation = Conversation::default();
    conversation.hear_other(&text(&request.system));
    for Turn { role, content } in &request.messages {
        if content.iter().any(|block| block.get("toolResult").is_some()) {
            conversation.hear_tool();
        }
        match role.as_str() {
            "user" => conversation.hear_user(text(content).into()),
            _ => conversation.hear_other(&text(content)),
        }
    }
    conversation
}

/// The answer.
pub fn whole(answer: &Answer) -> Vec<u8> {
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        let thought = json!({"text": answer.reasoning.whole()});
        content.push(json!({"reasoningContent": {"reasoningText": thought}}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"text": answer.text.whole()}));
    }
    for (index, call) in answer.calls.iter().enumerate() {
        let mut block = tool_use(answer, index);
        block["input"] = serde_json::to_value(call.arguments).expect("our own types are JSON");
        content.push(json!({"toolUse": block}));
    }
    let response = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(answer),
        "usage": usage(answer),
        "metrics": {"latencyMs": 1},
    });
    response.to_string().into_bytes()
}

fn tool_use(answer: &Answer, index: usize) -> Value {
    json!({
        "toolUseId": answer.call_id(index, "tooluse_", 22),
        "name": answer.calls[index].name,
    })
}

fn stop_reason<'a>(answer: &Answer<'a>) -> &'a str {
    let usual = if answer.calls.is_empty() { "end_turn" } else { "tool_use" };
    answer.finish.unwrap_or(usual)
}

fn usage(answer: &Answer) -> Value {
    let (input, output) = (answer.usage.input, answer.usage.output + answer.usage.reasoning);
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output})
}

/// The answer as events.
pub fn stream(answer: &Answer, events: &mut Events) {
    let mut writer = Writer { events, index: 0 };
    writer.events.message("messageStart", &json!({"role": "assistant"}));
    if !answer.reasoning.is_empty() {
        let pieces = answer.reasoning.pieces();
        writer.block(pieces.map(|text| json!({"reasoningContent": {"text": text}})));
    }
    if !answer.text.is_empty() {
        writer.block(answer.text.pieces().map(|text| json!({"text": text})));
    }
    for (number, call) in answer.calls.iter().enumerate() {
        let start = json!({"toolUse": tool_use(answer, number)});
        let start = json!({"contentBlockIndex": writer.index, "start": start});
        writer.events.message("contentBlockStart", &start);
        let arguments = call.arguments.to_text();
        writer.block(arguments.pieces().map(|input| json!({"toolUse": {"input": input}})));
    }
    events.message("messageStop", &json!({"stopReason": stop_reason(answer)}));
    events.message("metadata", &json!({"usage": usage(answer), "metrics": {"latencyMs": 1}}));
}

/// Writes one content block after the other.
struct Writer<'a> {
    events: &'a mut Events,
    /// Of the block under way.
    index: usize,
}

impl Writer<'_> {
    /// The pieces of a block, and its end.
    fn block(&mut self, deltas: impl Iterator<Item = Value>) {
        for delta in deltas {
            let data = json!({"contentBlockIndex": self.index, "delta": delta});
            self.events.message("contentBlockDelta", &data);
        }
        self.events.message("contentBlockStop", &json!({"contentBlockIndex": self.index}));
        self.index += 1;
    }
}

/// The body of an error.
pub fn error(fault: &Fault) -> Vec<u8> {
    json!({"message": fault.message}).to_string().into_bytes()
}

/// An exception in a stream.
pub fn error_event(fault: &Fault, events: &mut Events) {
    let kind = match fault.status.as_u16() {
        429 => "throttlingException",
        400..=499 => "validationException",
        503 => "serviceUnavailableException",
        _ => "internalServerException",
    };
    events.message(kind, &json!({"message": fault.message}));
}
