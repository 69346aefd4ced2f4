//! Anthropic Messages: docs.anthropic.com, *Messages*, *Streaming messages* and *Errors*.

use super::answer::{Answer, Arguments};
use super::events::Events;
use super::request::{Asked, Content, Conversation, Delivery, Output, model_in};
use super::schema::Fault;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;

/// 529, Anthropic's own: *Errors*, `overloaded_error`.
pub const OVERLOADED: StatusCode = match StatusCode::from_u16(529) {
    Ok(status) => status,
    Err(_) => StatusCode::SERVICE_UNAVAILABLE,
};

/// Reads a message request. Vertex AI has the model in the path.
pub fn read<'a>(path: &'a str, body: &'a [u8]) -> serde_json::Result<Asked<'a>> {
    let request: Request = serde_json::from_slice(body)?;
    let streams = request.stream == Some(true) || path.ends_with(":streamRawPredict");
    Ok(Asked {
        model: request.model.or(model_in(path).map(Cow::from)).unwrap_or("unknown".into()),
        conversation: hear(request.system, request.messages),
        delivery: if streams { Delivery::Stream } else { Delivery::Whole },
        tools: request.tools.into_iter().flatten().map(|tool| tool.name.into()).collect(),
        output: request.output_config.map_or(Output::Prose, OutputConfig::into_output),
    })
}

/// The body of a count: words, where Claude counts tokens. API reference, *Count tokens in a Message*.
pub fn count(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let CountRequest { system, messages } = serde_json::from_slice(body)?;
    let count = json!({"input_tokens": hear(system, messages).words});
    serde_json::to_vec(&count)
}

#[derive(Deserialize)]
struct CountRequest<'a> {
    #[serde(borrow)]
    system: Option<Content<'a>>,
    #[serde(borrow)]
    messages: Vec<Turn<'a>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    /// Not optional there either.
    #[serde(rename = "max_tokens")]
    _max_tokens: u64,
    #[serde(borrow)]
    system: Option<Content<'a>>,
    #[serde(borrow)]
    messages: Vec<Turn<'a>>,
    stream: Option<bool>,
    tools: Option<Vec<Tool>>,
    output_config: Option<OutputConfig>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

#[derive(Deserialize)]
struct OutputConfig {
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    schema: Value,
}

impl OutputConfig {
    fn into_output(self) -> Output {
        self.format.map_or(Output::Prose, |format| Output::Schema(format.schema))
    }
}

fn hear<'a>(system: Option<Content<'a>>, messages: Vec<Turn<'a>>) -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.hear_other(&system.unwrap_or_default().into_text());
    for Turn { role, content } in messages {
        if content.has("tool_result") {
            conversation.hear_tool();
        }
        match role.as_ref() {
            "user" => conversation.hear_user(content.into_text()),
            _ => conversation.hear_other(&content.into_text()),
        }
    }
    conversation
}

/// The message.
pub fn whole(answer: &Answer) -> Vec<u8> {
    let mut message = Message::start(answer);
    message.content = blocks(answer);
    message.stop_reason = Some(stop_reason(answer));
    message.usage.output_tokens = output_tokens(answer);
    serde_json::to_vec(&message).expect("our own types are JSON")
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    r#type: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    stop_reason: Option<&'a str>,
    stop_sequence: (),
    usage: Usage,
}

impl<'a> Message<'a> {
    /// The message as `message_start` has it: no content yet, one token written.
    fn start(answer: &Answer<'a>) -> Self {
        Self {
            id: answer.id("msg_01", 22),
            r#type: "message",
            role: "assistant",
            model: answer.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: (),
            usage: Usage {
                input_tokens: answer.usage.input,
                cache_creation_input_tokens: 0,
                cache_read_input_tokens: 0,
                output_tokens: 1,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Thinking { thinking: &'a str, signature: &'a str },
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Input<'a> },
}

/// The arguments of a call, which a stream begins with `{}`.
#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Whole(Arguments<'a>),
    Nothing {},
}

#[derive(Serialize)]
struct Usage {
    input_tokens: usize,
    cache_creation_input_tokens: usize,
    cache_read_input_tokens: usize,
    output_tokens: usize,
}

/// Base64, as all signatures, and checked by nobody.
const SIGNATURE: &str = "EqQBCgIYAhIkc2NyaXB0ZWQtc2lnbmF0dXJlLW9mLXRoZS10aG91Z2h0cw==";

fn blocks<'a>(answer: &'a Answer) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    if !answer.reasoning.is_empty() {
        blocks.push(Block::Thinking { thinking: answer.reasoning.whole(), signature: SIGNATURE });
    }
    if !answer.text.is_empty() {
        blocks.push(Block::Text { text: answer.text.whole() });
    }
    for (index, call) in answer.calls.iter().enumerate() {
        blocks.push(tool_use(answer, index, Input::Whole(call.arguments)));
    }
    blocks
}

fn tool_use<'a>(answer: &Answer<'a>, index: usize, input: Input<'a>) -> Block<'a> {
    Block::ToolUse {
        id: answer.call_id(index, "toolu_01", 22),
        name: answer.calls[index].name,
        input,
    }
}

fn stop_reason<'a>(answer: &Answer<'a>) -> &'a str {
    let usual = if answer.calls.is_empty() { "end_turn" } else { "tool_use" };
    answer.finish.unwrap_or(usual)
}

/// Thoughts are part of the output: *Extended thinking*.
fn output_tokens(answer: &Answer) -> usize {
    answer.usage.output + answer.usage.reasoning
}

/// The message as events.
pub fn stream(answer: &Answer, events: &mut Events) {
    let mut writer = Writer { events, index: 0 };
    writer.event(Event::MessageStart { message: Message::start(answer) });
    if !answer.reasoning.is_empty() {
        writer.thinking(answer);
    }
    if !answer.text.is_empty() {
        writer.text(answer);
    }
    for index in 0..answer.calls.len() {
        writer.call(answer, index);
    }
    let delta = MessageDelta { stop_reason: stop_reason(answer), stop_sequence: () };
    let usage = FinalUsage { output_tokens: output_tokens(answer) };
    writer.event(Event::MessageDelta { delta, usage });
    writer.event(Event::MessageStop);
}

/// Writes one content block after the other.
struct Writer<'a> {
    events: &'a mut Events,
    /// Of the block under way.
    index: usize,
}

impl Writer<'_> {
    fn thinking(&mut self, answer: &Answer) {
        self.start(Block::Thinking { thinking: "", signature: "" });
        for thinking in answer.reasoning.pieces() {
            self.delta(Delta::ThinkingDelta { thinking });
        }
        self.delta(Delta::SignatureDelta { signature: SIGNATURE });
        self.stop();
    }

    fn text(&mut self, answer: &Answer) {
        self.start(Block::Text { text: "" });
        for text in answer.text.pieces() {
            self.delta(Delta::TextDelta { text });
        }
        self.stop();
    }

    /// The first piece of the arguments is empty, as it often is there.
    fn call(&mut self, answer: &Answer, index: usize) {
        self.start(tool_use(answer, index, Input::Nothing {}));
        self.delta(Delta::InputJsonDelta { partial_json: "" });
        for partial_json in answer.calls[index].arguments.to_text().pieces() {
            self.delta(Delta::InputJsonDelta { partial_json });
        }
        self.stop();
    }

    fn start(&mut self, content_block: Block) {
        self.event(Event::ContentBlockStart { index: self.index, content_block });
    }

    fn delta(&mut self, delta: Delta) {
        self.event(Event::ContentBlockDelta { index: self.index, delta });
    }

    fn stop(&mut self) {
        self.event(Event::ContentBlockStop { index: self.index });
        self.index += 1;
    }

    fn event(&mut self, event: Event) {
        self.events.named(event.name(), &event);
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: Block<'a> },
    ContentBlockDelta { index: usize, delta: Delta<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: MessageDelta<'a>, usage: FinalUsage },
    MessageStop,
    Ping,
}

impl Event<'_> {
    /// The `event` line repeats the `type`.
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "the vendor's names")]
enum Delta<'a> {
    ThinkingDelta { thinking: &'a str },
    SignatureDelta { signature: &'a str },
    TextDelta { text: &'a str },
    InputJsonDelta { partial_json: &'a str },
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    stop_reason: &'a str,
    stop_sequence: (),
}

#[derive(Serialize)]
struct FinalUsage {
    output_tokens: usize,
}

/// The event *Streaming messages* says may come anywhere.
pub fn ping(events: &mut Events) {
    events.named(Event::Ping.name(), &Event::Ping);
}

/// The error object: *Errors*.
pub fn error(fault: &Fault) -> Vec<u8> {
    error_value(fault).to_string().into_bytes()
}

/// *Streaming messages*, "Error events".
pub fn error_event(fault: &Fault, events: &mut Events) {
    events.named("error", &error_value(fault));
}

fn error_value(fault: &Fault) -> Value {
    let r#type = match fault.status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let error = json!({ "type": r#type, "message": fault.message });
    json!({ "type": "error", "error": error, "request_id": "req_011CScripted" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_result_is_heard_before_the_text_beside_it() {
        let result = r#"{"type":"tool_result","tool_use_id":"t","content":"sunny"}"#;
        for (parts, text, after_tools) in [
            (result.to_owned(), "first", true),
            (format!(r#"{result},{{"type":"text","text":"second"}}"#), "second", false),
        ] {
            let body = format!(
                r#"{{"max_tokens":9,"system":[{{"type":"text","text":"a b"}}],"messages":[
                {{"role":"user","content":"first"}},{{"role":"user","content":[{parts}]}}]}}"#
            );
            let asked = read("/models/claude:streamRawPredict", body.as_bytes()).unwrap();
            assert_eq!(asked.conversation.text, text);
            assert_eq!(asked.conversation.after_tools, after_tools);
            assert_eq!((asked.model.as_ref(), asked.delivery), ("claude", Delivery::Stream));
        }
    }

    #[test]
    fn a_request_without_max_tokens_is_refused() {
        let refused = read("/v1/messages", br#"{"model":"m","messages":[]}"#).unwrap_err();
        assert!(refused.to_string().contains("max_tokens"), "{refused}");
    }
}
