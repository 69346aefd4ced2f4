//! OpenAI chat completions: platform.openai.com, API reference, *Chat completions* and *Streaming*.

use super::answer::{Answer, CREATED};
use super::events::Events;
use super::request::{Asked, Content, Conversation, Delivery, Output};
use super::schema::Fault;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Reads a chat request.
pub fn read(body: &[u8]) -> serde_json::Result<Asked<'_>> {
    let request: Request = serde_json::from_slice(body)?;
    Ok(Asked {
        delivery: request.delivery(),
        tools: request.tools.into_iter().flatten().filter_map(Tool::into_name).collect(),
        output: request.response_format.map_or(Output::Prose, ResponseFormat::into_output),
        conversation: hear(request.messages),
        model: request.model,
    })
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    tools: Option<Vec<Tool>>,
    response_format: Option<ResponseFormat>,
}

impl Request<'_> {
    fn delivery(&self) -> Delivery {
        let usage = self.stream_options.as_ref().and_then(|options| options.include_usage);
        match (self.stream, usage) {
            (Some(true), Some(true)) => Delivery::StreamWithUsage,
            (Some(true), _) => Delivery::Stream,
            _ => Delivery::Whole,
        }
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Tool {
    function: Option<ToolFunction>,
}

#[derive(Deserialize)]
struct ToolFunction {
    name: String,
}

impl Tool {
    fn into_name<'a>(self) -> Option<Cow<'a, str>> {
        Some(self.function?.name.into())
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

#[derive(Deserialize)]
struct JsonSchema {
    schema: Value,
}

impl ResponseFormat {
    fn into_output(self) -> Output {
        match self {
            Self::Text => Output::Prose,
            Self::JsonObject => Output::Json,
            Self::JsonSchema { json_schema } => Output::Schema(json_schema.schema),
        }
    }
}

fn hear(messages: Vec<Message>) -> Conversation {
    let mut conversation = Conversation::default();
    for message in messages {
        let text = message.content.unwrap_or_default().into_text();
        match message.role.as_ref() {
            "user" => conversation.hear_user(text),
            "tool" => conversation.hear_tool(),
            _ => conversation.hear_other(&text),
        }
    }
    conversation
}

/// The chat response.
pub fn whole(answer: &Answer) -> Vec<u8> {
    let call =
        |index| ToolCall::new(answer, index, answer.calls[index].arguments.to_text().whole());
    let response = Response {
        id: answer.id("chatcmpl-", 29),
        object: "chat.completion",
        created: CREATED,
        model: answer.model,
        choices: [Choice {
            index: 0,
            message: AssistantMessage {
                role: "assistant",
                content: content(answer),
                reasoning_content: some_text(answer.reasoning.whole()),
                refusal: (),
                annotations: [],
                tool_calls: (0..answer.calls.len()).map(call).collect(),
            },
            logprobs: (),
            finish_reason: finish_reason(answer),
        }],
        usage: Usage::new(answer),
        service_tier: "default",
        system_fingerprint: FINGERPRINT,
    };
    serde_json::to_vec(&response).expect("our own types are JSON")
}

const FINGERPRINT: &str = "fp_5c0de0a11a";

#[derive(Serialize)]
struct Response<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    usage: Usage,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: AssistantMessage<'a>,
    logprobs: (),
    finish_reason: &'a str,
}

#[derive(Serialize)]
struct AssistantMessage<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    refusal: (),
    annotations: [(); 0],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Serialize)]
struct ToolCall<'a> {
    id: String,
    r#type: &'static str,
    function: Function<'a>,
}

impl<'a> ToolCall<'a> {
    fn new(answer: &Answer<'a>, index: usize, arguments: &str) -> Self {
        let function = Function { name: answer.calls[index].name, arguments: arguments.to_owned() };
        Self { id: answer.call_id(index, "call_", 24), r#type: "function", function }
    }
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: String,
}

#[derive(Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Serialize)]
struct PromptDetails {
    cached_tokens: usize,
    audio_tokens: usize,
}

#[derive(Clone, Copy, Serialize)]
struct CompletionDetails {
    reasoning_tokens: usize,
    audio_tokens: usize,
}

impl Usage {
    fn new(answer: &Answer) -> Self {
        let usage = answer.usage;
        let completion_tokens = usage.output + usage.reasoning;
        Self {
            prompt_tokens: usage.input,
            completion_tokens,
            total_tokens: usage.input + completion_tokens,
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached, audio_tokens: 0 },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: 0,
            },
        }
    }
}

/// The text, `null` beside tool calls only.
fn content<'a>(answer: &'a Answer) -> Option<&'a str> {
    if answer.calls.is_empty() { Some(answer.text.whole()) } else { some_text(answer.text.whole()) }
}

fn some_text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn finish_reason<'a>(answer: &Answer<'a>) -> &'a str {
    let usual = if answer.calls.is_empty() { "stop" } else { "tool_calls" };
    answer.finish.unwrap_or(usual)
}

/// The chat response in chunks.
pub fn stream(answer: &Answer, events: &mut Events) {
    let writer = Writer { answer, id: answer.id("chatcmpl-", 29) };
    let start = content(answer).map(|_| "");
    writer.delta(events, Delta::Start { role: "assistant", content: start, refusal: () });
    for reasoning_content in answer.reasoning.pieces() {
        writer.delta(events, Delta::Reasoning { reasoning_content });
    }
    for content in answer.text.pieces() {
        writer.delta(events, Delta::Content { content });
    }
    for index in 0..answer.calls.len() {
        writer.call(events, index);
    }
    writer.chunk(events, vec![ChunkChoice::finish(finish_reason(answer))], None);
    if answer.delivery == Delivery::StreamWithUsage {
        writer.chunk(events, vec![], Some(Usage::new(answer)));
    }
    events.line("data: [DONE]");
}

/// Writes the chunks of one answer.
struct Writer<'a> {
    answer: &'a Answer<'a>,
    id: String,
}

impl Writer<'_> {
    fn delta(&self, events: &mut Events, delta: Delta) {
        let choice = ChunkChoice { index: 0, delta, logprobs: (), finish_reason: None };
        self.chunk(events, vec![choice], None);
    }

    /// The name and the id first, then the arguments in pieces.
    fn call(&self, events: &mut Events, index: usize) {
        let call = CallDelta::Start { index, call: ToolCall::new(self.answer, index, "") };
        self.delta(events, Delta::Call { tool_calls: [call] });
        for arguments in self.answer.calls[index].arguments.to_text().pieces() {
            let call = CallDelta::Arguments { index, function: ArgumentsDelta { arguments } };
            self.delta(events, Delta::Call { tool_calls: [call] });
        }
    }

    fn chunk(&self, events: &mut Events, choices: Vec<ChunkChoice>, usage: Option<Usage>) {
        events.json(&Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: CREATED,
            model: self.answer.model,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
            choices,
            usage: (self.answer.delivery == Delivery::StreamWithUsage).then_some(usage),
        });
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
    choices: Vec<ChunkChoice<'a>>,
    /// Absent if not asked for; else `null` in every chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'a str>,
}

impl<'a> ChunkChoice<'a> {
    fn finish(reason: &'a str) -> Self {
        Self { index: 0, delta: Delta::Nothing {}, logprobs: (), finish_reason: Some(reason) }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Delta<'a> {
    Start { role: &'static str, content: Option<&'static str>, refusal: () },
    Reasoning { reasoning_content: &'a str },
    Content { content: &'a str },
    Call { tool_calls: [CallDelta<'a>; 1] },
    Nothing {},
}

#[derive(Serialize)]
#[serde(untagged)]
enum CallDelta<'a> {
    Start {
        index: usize,
        #[serde(flatten)]
        call: ToolCall<'a>,
    },
    Arguments {
        index: usize,
        function: ArgumentsDelta<'a>,
    },
}

#[derive(Serialize)]
struct ArgumentsDelta<'a> {
    arguments: &'a str,
}

/// The error object: API reference, *Error codes*.
pub fn error(fault: &Fault) -> Vec<u8> {
    error_value(fault).to_string().into_bytes()
}

/// A chunk with the error object, as the official clients know it from their `_streaming.py`.
pub fn error_event(fault: &Fault, events: &mut Events) {
    events.json(&error_value(fault));
}

/// The error object as JSON.
pub fn error_value(fault: &Fault) -> Value {
    let (r#type, code) = match fault.status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        403 => ("permission_error", Some("unsupported_country_region_territory")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", None),
        _ => ("server_error", None),
    };
    json!({ "error": { "message": fault.message, "type": r#type, "param": null, "code": code } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_counts() {
        let body =
            br#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[
            {"role":"system","content":"be kind"},
            {"role":"user","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
            {"role":"assistant","content":null,"tool_calls":[]},
            {"role":"tool","tool_call_id":"c","content":"sunny"}],
            "tools":[{"type":"function","function":{"name":"look"}}],
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}}"#;
        let asked = read(body).unwrap();
        assert_eq!(asked.conversation.text, "one\ntwo");
        assert_eq!(asked.conversation.words, 4);
        assert!(asked.conversation.after_tools);
        assert_eq!(asked.delivery, Delivery::StreamWithUsage);
        assert_eq!(asked.tools, ["look"]);
        assert_eq!(asked.output, Output::Schema(json!({})));
    }
}
