//! Gemini: ai.google.dev, *Generating content*, and cloud.google.com, *API errors*. Lines end with
//! `\r\n`, events have no name, and no `[DONE]` follows.

use super::answer::{Answer, Arguments};
use super::events::Events;
use super::request::{Asked, Conversation, Delivery, Output, model_in};
use super::schema::Fault;
use super::text::count_words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Reads a request; the model and the delivery are in the path.
pub fn read<'a>(path: &'a str, body: &'a [u8]) -> serde_json::Result<Asked<'a>> {
    let request: Request = serde_json::from_slice(body)?;
    let streams = path.ends_with(":streamGenerateContent");
    let declarations = request.tools.into_iter().flatten();
    let declarations = declarations.flat_map(|tool| tool.function_declarations.unwrap_or_default());
    Ok(Asked {
        model: model_in(path).unwrap_or("unknown").into(),
        conversation: hear(request.system_instruction, request.contents),
        delivery: if streams { Delivery::Stream } else { Delivery::Whole },
        tools: declarations.map(|declaration| declaration.name.into()).collect(),
        output: request.generation_config.map_or(Output::Prose, GenerationConfig::into_output),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    system_instruction: Option<Content>,
    contents: Vec<Content>,
    tools: Option<Vec<Tool>>,
    generation_config: Option<GenerationConfig>,
}

#[derive(Default, Deserialize)]
struct Content {
    role: Option<String>,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    function_response: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    function_declarations: Option<Vec<Declaration>>,
}

#[derive(Deserialize)]
struct Declaration {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    response_mime_type: Option<String>,
    response_json_schema: Option<Value>,
    response_schema: Option<Value>,
}

impl GenerationConfig {
    fn into_output(self) -> Output {
        let schema = self.response_json_schema.or(self.response_schema);
        match (schema, self.response_mime_type.as_deref()) {
            (Some(schema), _) => Output::Schema(schema),
            (None, Some("application/json")) => Output::Json,
            (None, _) => Output::Prose,
        }
    }
}

impl Content {
    fn into_text(self) -> String {
        let texts: Vec<_> = self.parts.into_iter().filter_map(|part| part.text).collect();
        texts.join("\n")
    }
}

fn hear<'a>(system: Option<Content>, contents: Vec<Content>) -> Conversation<'a> {
    let mut conversation = Conversation::default();
    conversation.hear_other(&system.unwrap_or_default().into_text());
    for content in contents {
        if content.parts.iter().any(|part| part.function_response.is_some()) {
            conversation.hear_tool();
        }
        match content.role.as_deref() {
            Some("model") => conversation.hear_other(&content.into_text()),
            _ => conversation.hear_user(content.into_text().into()),
        }
    }
    conversation
}

/// The response.
pub fn whole(answer: &Answer) -> Vec<u8> {
    let mut parts = Vec::new();
    if !answer.reasoning.is_empty() {
        parts.push(OutPart::thought(answer.reasoning.whole()));
    }
    if !answer.text.is_empty() {
        parts.push(OutPart::text(answer.text.whole()));
    }
    parts.extend((0..answer.calls.len()).map(|index| OutPart::call(answer, index)));
    let mut writer = Writer::new(answer);
    writer.usage.spend(answer.usage.output, answer.usage.reasoning);
    serde_json::to_vec(&writer.response(parts, Some(finish_reason(answer))))
        .expect("our own types are JSON")
}

/// The response in pieces. A call comes whole, and the finish with an empty text.
pub fn stream(answer: &Answer, events: &mut Events) {
    let mut writer = Writer::new(answer);
    for piece in answer.reasoning.pieces() {
        writer.usage.spend(0, count_words(piece));
        events.json(&writer.response(vec![OutPart::thought(piece)], None));
    }
    for piece in answer.text.pieces() {
        writer.usage.spend(count_words(piece), 0);
        events.json(&writer.response(vec![OutPart::text(piece)], None));
    }
    for index in 0..answer.calls.len() {
        writer.usage.spend(1, 0);
        events.json(&writer.response(vec![OutPart::call(answer, index)], None));
    }
    events.json(&writer.response(vec![OutPart::text("")], Some(finish_reason(answer))));
}

/// `STOP` for calls too.
fn finish_reason<'a>(answer: &Answer<'a>) -> &'a str {
    answer.finish.unwrap_or("STOP")
}

/// Writes the responses of one answer, each with the usage so far.
struct Writer<'a> {
    model: &'a str,
    id: String,
    usage: UsageMetadata,
}

impl<'a> Writer<'a> {
    fn new(answer: &Answer<'a>) -> Self {
        let input = answer.usage.input;
        let usage = UsageMetadata {
            prompt_token_count: input,
            candidates_token_count: 0,
            thoughts_token_count: 0,
            total_token_count: input,
        };
        Self { model: answer.model, id: answer.id("", 22), usage }
    }

    fn response<'b>(
        &'b self,
        parts: Vec<OutPart<'b>>,
        finish_reason: Option<&'b str>,
    ) -> Response<'b> {
        let content = OutContent { parts, role: "model" };
        Response {
            candidates: [Candidate { content, finish_reason, index: 0 }],
            usage_metadata: self.usage,
            model_version: self.model,
            response_id: &self.id,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    candidates: [Candidate<'a>; 1],
    usage_metadata: UsageMetadata,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    content: OutContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    index: usize,
}

#[derive(Serialize)]
struct OutContent<'a> {
    parts: Vec<OutPart<'a>>,
    role: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutPart<'a> {
    #[serde(rename_all = "camelCase")]
    Thought {
        text: &'a str,
        thought: bool,
        thought_signature: &'static str,
    },
    Text {
        text: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    Call {
        function_call: FunctionCall<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        thought_signature: Option<&'static str>,
    },
}

/// Base64, as all signatures, and checked by nobody.
const SIGNATURE: &str = "CiRzY3JpcHRlZC1zaWduYXR1cmUtb2YtdGhlLXRob3VnaHRz";

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: &'a str,
    args: Arguments<'a>,
}

impl<'a> OutPart<'a> {
    fn thought(text: &'a str) -> Self {
        Self::Thought { text, thought: true, thought_signature: SIGNATURE }
    }

    fn text(text: &'a str) -> Self {
        Self::Text { text }
    }

    /// Gemini 3 gives calls an id, and signs the first one of a turn: *Thought signatures*.
    fn call(answer: &'a Answer, index: usize) -> Self {
        let third = answer.model.starts_with("gemini-3");
        let signs = index == 0 && (third || !answer.reasoning.is_empty());
        let call = &answer.calls[index];
        Self::Call {
            function_call: FunctionCall {
                id: third.then(|| answer.call_id(index, "", 8)),
                name: call.name,
                args: call.arguments,
            },
            thought_signature: signs.then_some(SIGNATURE),
        }
    }
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: usize,
    candidates_token_count: usize,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: usize,
    total_token_count: usize,
}

impl UsageMetadata {
    fn spend(&mut self, candidates: usize, thoughts: usize) {
        self.candidates_token_count += candidates;
        self.thoughts_token_count += thoughts;
        self.total_token_count += candidates + thoughts;
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The error object: google.rpc.Status as JSON, with google.rpc.RetryInfo for a header.
pub fn error(fault: &Fault) -> Vec<u8> {
    error_value(fault).to_string().into_bytes()
}

/// An event with the error object.
pub fn error_event(fault: &Fault, events: &mut Events) {
    events.json(&error_value(fault));
}

fn error_value(fault: &Fault) -> Value {
    let code = fault.status.as_u16();
    let mut error = json!({ "code": code, "message": fault.message, "status": status(code) });
    if let Some(seconds) = fault.retry_after {
        let retry_info = json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        });
        error["details"] = json!([retry_info]);
    }
    json!({ "error": error })
}

/// The names of google/rpc/code.proto by the HTTP status written beside each.
fn status(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        500 => "INTERNAL",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_has_the_model_and_the_delivery() {
        let body = br#"{"systemInstruction":{"parts":[{"text":"be kind"}]},
            "contents":[{"role":"user","parts":[{"text":"one"}]},
            {"role":"model","parts":[{"functionCall":{"name":"look"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"look","response":{}}}]}],
            "tools":[{"functionDeclarations":[{"name":"look"}]}],
            "generationConfig":{"responseMimeType":"application/json"}}"#;
        let asked = read("/v1beta/models/gemini-2.5-pro:streamGenerateContent", body).unwrap();
        assert_eq!(asked.model, "gemini-2.5-pro");
        assert_eq!(asked.delivery, Delivery::Stream);
        assert_eq!((asked.conversation.text.as_ref(), asked.conversation.words), ("one", 3));
        assert!(asked.conversation.after_tools);
        assert_eq!(asked.tools, ["look"]);
        assert_eq!(asked.output, Output::Json);
    }

    #[test]
    fn a_retry_delay_is_in_the_body() {
        let mut fault = Fault::scripted(hyper::StatusCode::TOO_MANY_REQUESTS);
        fault.retry_after = Some(17);
        let error = &error_value(&fault)["error"];
        assert_eq!(error["status"], "RESOURCE_EXHAUSTED");
        assert_eq!(error["details"][0]["retryDelay"], "17s");
    }
}
