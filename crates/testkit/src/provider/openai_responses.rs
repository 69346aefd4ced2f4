//! OpenAI Responses: platform.openai.com, API reference, *Responses* and *Streaming events*.

use super::answer::{Answer, CREATED};
use super::events::Events;
use super::openai::error_value;
use super::request::{Asked, Content, Conversation, Delivery, Output};
use super::schema::Fault;
use super::text::Text;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Reads a request for a response.
pub fn read(body: &[u8]) -> serde_json::Result<Asked<'_>> {
    let request: Request = serde_json::from_slice(body)?;
    let format = request.text.and_then(|text| text.format);
    Ok(Asked {
        delivery: if request.stream == Some(true) { Delivery::Stream } else { Delivery::Whole },
        tools: request.tools.into_iter().flatten().filter_map(|tool| tool.name).collect(),
        output: format.map_or(Output::Prose, Format::into_output),
        conversation: hear(request.input),
        model: request.model,
    })
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Vec<Item<'a>>,
    stream: Option<bool>,
    #[serde(borrow)]
    tools: Option<Vec<Tool<'a>>>,
    text: Option<TextConfig>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct TextConfig {
    format: Option<Format>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    Text,
    JsonObject,
    JsonSchema { schema: Value },
}

impl Format {
    fn into_output(self) -> Output {
        match self {
            Self::Text => Output::Prose,
            Self::JsonObject => Output::Json,
            Self::JsonSchema { schema } => Output::Schema(schema),
        }
    }
}

fn hear(items: Vec<Item>) -> Conversation {
    let mut conversation = Conversation::default();
    for item in items {
        let is_result = item.kind.is_some_and(|kind| kind.ends_with("_call_output"));
        let text = item.content.unwrap_or_default().into_text();
        match item.role.as_deref() {
            Some("user") => conversation.hear_user(text),
            None if is_result => conversation.hear_tool(),
            _ => conversation.hear_other(&text),
        }
    }
    conversation
}

/// The response.
pub fn whole(answer: &Answer) -> Vec<u8> {
    let output: Vec<Value> = (0..).map_while(|index| item(answer, index)).collect();
    ended(answer, output).to_string().into_bytes()
}

/// Encrypted thoughts, as nobody can read them, and checked by nobody.
const ENCRYPTED: &str = "gAAAAABzY3JpcHRlZC1lbmNyeXB0aW9uLW9mLXRoZS10aG91Z2h0cw==";

/// What an item of the output is.
enum Part {
    Reasoning,
    Message,
    /// The call with this index.
    Call(usize),
}

/// The items of the output, in order.
fn parts(answer: &Answer) -> Vec<Part> {
    let reasoning = (!answer.reasoning.is_empty()).then_some(Part::Reasoning);
    let message = (!answer.text.is_empty()).then_some(Part::Message);
    let calls = (0..answer.calls.len()).map(Part::Call);
    reasoning.into_iter().chain(message).chain(calls).collect()
}

/// A whole item.
fn item(answer: &Answer, index: usize) -> Option<Value> {
    let id = |prefix: &str| answer.call_id(100 + index, prefix, 48);
    Some(match parts(answer).get(index)? {
        Part::Reasoning => json!({
            "id": id("rs_"), "type": "reasoning", "encrypted_content": ENCRYPTED,
            "summary": [{"type": "summary_text", "text": answer.reasoning.whole()}],
        }),
        Part::Message => json!({
            "id": id("msg_"), "type": "message", "role": "assistant", "status": "completed",
            "content": [{
                "type": "output_text", "text": answer.text.whole(),
                "annotations": [], "logprobs": [],
            }],
        }),
        Part::Call(call) => json!({
            "id": id("fc_"), "type": "function_call", "status": "completed",
            "call_id": answer.call_id(*call, "call_", 24),
            "name": answer.calls[*call].name,
            "arguments": answer.calls[*call].arguments.to_text().whole(),
        }),
    })
}

/// The response once it has ended: complete, or cut off for the reason that the script gives.
fn ended(answer: &Answer, output: Vec<Value>) -> Value {
    let status = if answer.finish.is_some() { "incomplete" } else { "completed" };
    let usage = answer.usage;
    let output_tokens = usage.output + usage.reasoning;
    let mut response = response(answer, status, output);
    response["incomplete_details"] =
        answer.finish.map_or(Value::Null, |word| json!({"reason": word}));
    response["usage"] = json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + output_tokens,
    });
    response
}

fn response(answer: &Answer, status: &str, output: Vec<Value>) -> Value {
    json!({
        "id": answer.id("resp_", 48), "object": "response", "created_at": CREATED,
        "status": status, "error": null, "incomplete_details": null, "model": answer.model,
        "output": output, "parallel_tool_calls": true, "service_tier": "default", "store": false,
        "tool_choice": "auto", "tools": [], "usage": null, "metadata": {},
    })
}

/// The response as events.
pub fn stream(answer: &Answer, events: &mut Events) {
    let mut writer = Writer { events, sequence: 0 };
    for kind in ["response.created", "response.in_progress"] {
        writer.event(kind, json!({"response": response(answer, "in_progress", Vec::new())}));
    }
    let mut output = Vec::new();
    for (index, part) in parts(answer).into_iter().enumerate() {
        let whole = item(answer, index).expect("one item for each part");
        match part {
            Part::Reasoning => writer.item(&whole, index, &REASONING, &answer.reasoning),
            Part::Message => writer.item(&whole, index, &MESSAGE, &answer.text),
            Part::Call(call) => {
                let arguments = answer.calls[call].arguments.to_text();
                writer.item(&whole, index, &CALL, &arguments);
            }
        }
        output.push(whole);
    }
    let ended = ended(answer, output);
    let kind = format!("response.{}", ended["status"].as_str().expect("a status"));
    writer.event(&kind, json!({"response": ended}));
}

/// The events of an item.
struct ItemEvents {
    /// The field that is empty while the item has just begun.
    field: &'static str,
    /// The value of the field until then.
    empty: &'static str,
    /// The part that is announced, without its text.
    part: Option<(&'static str, &'static str)>,
    /// The name of the events with the text, and of the field with all of it.
    text: (&'static str, &'static str),
}

const REASONING: ItemEvents = ItemEvents {
    field: "summary",
    empty: "[]",
    part: Some(("response.reasoning_summary_part", r#"{"type":"summary_text","text":""}"#)),
    text: ("response.reasoning_summary_text", "text"),
};

const MESSAGE: ItemEvents = ItemEvents {
    field: "content",
    empty: "[]",
    part: Some((
        "response.content_part",
        r#"{"type":"output_text","text":"","annotations":[],"logprobs":[]}"#,
    )),
    text: ("response.output_text", "text"),
};

const CALL: ItemEvents = ItemEvents {
    field: "arguments",
    empty: "\"\"",
    part: None,
    text: ("response.function_call_arguments", "arguments"),
};

/// Writes events, numbered.
struct Writer<'a> {
    events: &'a mut Events,
    sequence: usize,
}

impl Writer<'_> {
    /// The events of one item, from its beginning to its end.
    fn item(&mut self, whole: &Value, index: usize, events: &ItemEvents, text: &Text) {
        let mut begun = whole.clone();
        begun[events.field] = serde_json::from_str(events.empty).expect("JSON");
        self.event("response.output_item.added", json!({"output_index": index, "item": begun}));
        let place = json!({
            "item_id": whole["id"], "output_index": index, "content_index": 0, "summary_index": 0,
        });
        let at_place = |name: &str, value: Value| {
            let mut data = place.clone();
            data[name] = value;
            data
        };
        if let Some((name, part)) = events.part {
            let part = serde_json::from_str(part).expect("JSON");
            self.event(&format!("{name}.added"), at_place("part", part));
        }
        let (name, field) = events.text;
        for piece in text.pieces() {
            self.event(&format!("{name}.delta"), at_place("delta", json!(piece)));
        }
        self.event(&format!("{name}.done"), at_place(field, json!(text.whole())));
        if let Some((name, _)) = events.part {
            let part = whole[events.field][0].clone();
            self.event(&format!("{name}.done"), at_place("part", part));
        }
        self.event("response.output_item.done", json!({"output_index": index, "item": whole}));
    }

    /// One event, whose `event` line repeats the `type`.
    fn event(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        self.events.named(kind, &data);
    }
}

/// The event of a response that has failed.
pub fn error_event(fault: &Fault, events: &mut Events) {
    let mut error = error_value(fault)["error"].take();
    if error["code"].is_null() {
        error["code"] = error["type"].take();
    }
    let error = json!({"code": error["code"], "message": error["message"]});
    let response = json!({"object": "response", "status": "failed", "error": error, "output": []});
    let event = json!({"type": "response.failed", "sequence_number": 0, "response": response});
    events.named("response.failed", &event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_counts() {
        let body = br#"{"model":"m","stream":true,"input":[
            {"type":"message","role":"system","content":"be kind"},
            {"role":"user","content":[{"type":"input_text","text":"one"},{"type":"input_text","text":"two"}]},
            {"type":"reasoning","summary":[],"encrypted_content":"x"},
            {"type":"function_call","call_id":"c","name":"look","arguments":"{}"},
            {"type":"function_call_output","call_id":"c","output":"sunny"}],
            "tools":[{"type":"function","name":"look","parameters":{},"strict":false}],
            "text":{"format":{"type":"json_schema","name":"n","schema":{}}}}"#;
        let asked = read(body).unwrap();
        assert_eq!(asked.conversation.text, "one\ntwo");
        assert_eq!(asked.conversation.words, 4);
        assert!(asked.conversation.after_tools);
        assert_eq!(asked.delivery, Delivery::Stream);
        assert_eq!(asked.tools, ["look"]);
        assert_eq!(asked.output, Output::Schema(json!({})));
    }
}
