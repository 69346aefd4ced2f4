//! The items of a response, and the response as a whole. OpenAI's API reference, *The response
//! object*.

use super::namespaces::NamespacedTools;
use crate::{
    chat::{
        envelope::Envelope,
        error::Error,
        finish::Finish,
        object::ObjectFields,
        text::Text,
        tools::arguments_to_input,
        usage::{Usage, write_cost},
    },
    client_api::assistant_turn::CallKind,
    json::Object,
    usd::Usd,
};

/// Progress of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemStatus {
    InProgress,
    Completed,
    Incomplete,
}

impl ItemStatus {
    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }

    /// Returns the status of the last item of an answer.
    pub(super) fn of_last(finish: Finish) -> Self {
        if finish == Finish::Length { Self::Incomplete } else { Self::Completed }
    }
}

/// Call of a client's tool.
#[derive(Clone, Debug)]
pub(super) struct OutputCall {
    pub(super) kind: CallKind,
    /// Id by which the client returns the result.
    pub(super) id: String,
    namespace: Option<String>,
    name: String,
}

impl OutputCall {
    /// Creates a call of a tool by its name in the chat API.
    pub(super) fn new(
        id: String,
        name: &Text<'_>,
        envelope: &Envelope,
        namespaced: &NamespacedTools,
    ) -> Self {
        let kind = if envelope.is_custom(name) { CallKind::Custom } else { CallKind::Function };
        let (namespace, name) = match namespaced.split(name) {
            Some((namespace, own)) => (Some(namespace.to_owned()), own.to_owned()),
            None => (None, name.decode_lossy().into_owned()),
        };
        Self { kind, id, namespace, name }
    }

    /// Returns the text that the client gets for the arguments of the call in the chat API.
    pub(super) fn text_of<'t>(&self, arguments: &Text<'t>) -> Text<'t> {
        match self.kind {
            CallKind::Custom => Text::new(&arguments_to_input(&arguments.decode_lossy())),
            CallKind::Function if arguments.is_empty() => Text::new("{}"),
            CallKind::Function => arguments.clone(),
        }
    }
}

/// Item of a response.
pub(super) enum OutputItem<'i> {
    Reasoning {
        summary: Option<&'i Text<'i>>,
        /// Data for the next turn.
        carried: Option<&'i str>,
    },
    Message {
        /// Parts of the content in JSON, separated by commas.
        parts: &'i [u8],
    },
    Call {
        call: &'i OutputCall,
        text: &'i Text<'i>,
    },
    Image {
        /// The image in base64.
        data: &'i str,
    },
}

impl OutputItem<'_> {
    /// Returns the prefix of the id, and the type.
    fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Reasoning { .. } => ("rs_", "reasoning"),
            Self::Message { .. } => ("msg_", "message"),
            Self::Call { call, .. } if call.kind == CallKind::Custom => {
                ("ctc_", "custom_tool_call")
            }
            Self::Call { .. } => ("fc_", "function_call"),
            Self::Image { .. } => ("ig_", "image_generation_call"),
        }
    }

    /// Returns the id of the item at a place, which is derived from the request's.
    pub(super) fn id(&self, envelope: &Envelope, index: usize) -> String {
        let (prefix, _) = self.kind();
        format!("{prefix}{}{index:04x}", unique_part(envelope))
    }

    /// Writes the item.
    pub(super) fn write(&self, out: &mut Vec<u8>, id: &str, status: ItemStatus) {
        let (_, kind) = self.kind();
        let mut item = Object::open(out);
        item.value("id", id).value("type", kind);
        match self {
            Self::Reasoning { summary, carried } => {
                let out = item.key("summary");
                out.push(b'[');
                if let Some(text) = summary {
                    write_text_part(out, "summary_text", "text", text, "");
                }
                out.push(b']');
                carried.map(|data| item.value("encrypted_content", data));
            }
            Self::Message { parts } => {
                item.value("status", status.name()).value("role", "assistant");
                item.raw("content", [b"[", *parts, b"]"].concat());
            }
            Self::Call { call, text } => {
                item.value("status", status.name());
                item.value("call_id", &call.id);
                call.namespace.as_ref().map(|namespace| item.value("namespace", namespace));
                item.value("name", &call.name).value(call.kind.text_key(), text);
            }
            Self::Image { data } => {
                item.value("status", status.name()).value("result", data);
            }
        }
        item.close();
    }
}

/// Returns the part of ids that is the request's.
fn unique_part(envelope: &Envelope) -> String {
    envelope.request_id.replace('-', "")
}

/// Writes a part of content with a text. `more` are further fields.
pub(super) fn write_text_part(
    out: &mut Vec<u8>,
    kind: &str,
    key: &str,
    text: &Text<'_>,
    more: &str,
) {
    let mut part = Object::open(out);
    part.value("type", kind).value(key, text);
    part.close();
    out.pop();
    for piece in [more, "}"] {
        out.extend_from_slice(piece.as_bytes());
    }
}

/// Returns the fields of a text beside the text itself. `annotations` is an array, `tokens` are its
/// log probabilities, separated by commas.
pub(super) fn text_fields(annotations: &str, tokens: &str) -> String {
    [",\"annotations\":", annotations, ",\"logprobs\":[", tokens, "]"].concat()
}

/// Returns the data of an image, for an entry of `images`. `None` for one that is elsewhere.
pub(super) fn image_data(json: &str) -> Option<String> {
    let image: ObjectFields<'_> = serde_json::from_str(json).ok()?;
    let url = image.object("image_url")?.text("url")?;
    let url = url.decode();
    let (_, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    Some(data.to_owned())
}

/// Outcome of a response.
pub(super) enum ResponseOutcome<'e> {
    InProgress,
    Finished(Finish),
    Failed(&'e Error),
}

impl ResponseOutcome<'_> {
    /// Returns the status of the response.
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Finished(Finish::Stop | Finish::ToolCalls) => "completed",
            Self::Finished(Finish::Length | Finish::ContentFilter) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// Response in progress or as a whole.
pub(super) struct ResponseObject<'r> {
    pub(super) envelope: &'r Envelope,
    pub(super) outcome: ResponseOutcome<'r>,
    /// Items in JSON, separated by commas.
    pub(super) output: &'r [u8],
    pub(super) usage: Option<Usage>,
}

impl ResponseObject<'_> {
    /// Writes the response.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { envelope, outcome, .. } = self;
        let mut response = Object::open(out);
        response
            .value("id", &["resp_", &unique_part(envelope)].concat())
            .value("object", "response")
            .value("created_at", &envelope.created)
            .value("status", outcome.status())
            .value("model", &envelope.model);
        self.write_problem(&mut response);
        response.raw("output", [b"[", self.output, b"]"].concat());
        match &self.usage {
            Some(usage) => {
                write_usage(response.key("usage"), usage, envelope.cost(Some(usage)));
            }
            None => response.key("usage").extend_from_slice(b"null"),
        }
        response.close();
        let echo = envelope.request.strip_prefix(b"{").filter(|fields| fields.len() > 1);
        if let Some(fields) = echo {
            out.pop();
            out.push(b',');
            out.extend_from_slice(fields);
        }
    }

    /// Writes the reason why the response is not complete.
    fn write_problem(&self, response: &mut Object<'_>) {
        let reason = match self.outcome {
            ResponseOutcome::Finished(Finish::Length) => Some("max_output_tokens"),
            ResponseOutcome::Finished(Finish::ContentFilter) => Some("content_filter"),
            _ => None,
        };
        match reason {
            Some(reason) => response.object("incomplete_details", |details| {
                details.value("reason", reason);
            }),
            None => response.value("incomplete_details", &()),
        };
        match self.outcome {
            ResponseOutcome::Failed(error) => response.object("error", |fields| {
                let is_limit = error.status() == 429;
                let code = if is_limit { "rate_limit_exceeded" } else { "server_error" };
                fields.value("code", code).value("message", &error.to_string());
            }),
            _ => response.value("error", &()),
        };
    }
}

/// Writes the counts of tokens. OpenAI's API reference, *The response object*, `usage`.
fn write_usage(out: &mut Vec<u8>, usage: &Usage, cost: Option<Usd>) {
    let mut object = Object::open(out);
    object
        .value("input_tokens", &usage.prompt)
        .object("input_tokens_details", |details| {
            details.value("cached_tokens", &usage.cached);
            details.value("cache_write_tokens", &usage.cache_written);
        })
        .value("output_tokens", &usage.completion)
        .object("output_tokens_details", |details| {
            details.value("reasoning_tokens", &usage.reasoning);
        })
        .value("total_tokens", &usage.total());
    write_cost(cost, &mut object);
    object.close();
}
