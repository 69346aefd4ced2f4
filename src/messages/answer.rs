//! An answer in one piece. Claude API reference, *Messages*, "Response".

use std::{borrow::Cow, collections::BTreeSet};

use super::tokens::write_usage;
use crate::{
    chat::{
        answer::{Answer, Call, Choice},
        envelope::Envelope,
        finish::Finish,
        object::ObjectFields,
        text::Text,
        tools::arguments_to_object,
    },
    client_api::carried::{CarriedData, UNSIGNED, joined_details},
    json::Object,
};

/// Returns the body of an answer: of its first choice.
pub fn to_json(answer: &Answer<'_>, envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut body = Object::open(&mut out);
    body.value("id", &message_id(envelope)).value("type", "message").value("role", "assistant");
    body.value("model", &envelope.model);
    let mut blocks = BlockArray { out: body.key("content"), is_empty: true };
    blocks.out.push(b'[');
    let choice = answer.choices.first();
    if let Some(choice) = choice {
        blocks.add_choice(choice, envelope);
    }
    blocks.out.push(b']');
    let finish = choice.map_or(Finish::Stop, |choice| choice.finish);
    let native = choice.and_then(|choice| choice.native_finish.as_ref());
    body.value("stop_reason", &stop_reason(finish, native)).value("stop_sequence", &());
    let cost = envelope.cost(answer.usage.as_ref());
    write_usage(body.key("usage"), &answer.usage.unwrap_or_default(), cost);
    body.close();
    out
}

/// Returns the id of a message, which is derived from the request's.
pub(super) fn message_id(envelope: &Envelope) -> String {
    ["msg_", &envelope.request_id.replace('-', "")].concat()
}

/// Returns the reason why a model stopped, in Claude's words.
pub(super) fn stop_reason(finish: Finish, native: Option<&Text<'_>>) -> &'static str {
    const OWN_WORDS: [&str; 4] =
        ["stop_sequence", "pause_turn", "model_context_window_exceeded", "compaction"];
    let native = native.map(Text::decode).unwrap_or_default();
    let own = OWN_WORDS.into_iter().find(|word| *word == native);
    own.unwrap_or(match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter => "refusal",
    })
}

/// Returns the id of a call as Claude takes it back: of letters, digits, `_` and `-`.
pub(super) fn tool_use_id(id: &str) -> String {
    let is_valid = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    id.chars().map(|c| if is_valid(&c) { c } else { '_' }).collect()
}

/// Array of blocks in progress.
struct BlockArray<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl BlockArray<'_> {
    /// Adds a block. `fill` writes its fields.
    fn add(&mut self, kind: &str, fill: impl FnOnce(&mut Object<'_>)) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        let mut block = Object::open(self.out);
        block.value("type", kind);
        fill(&mut block);
        block.close();
    }

    fn add_choice(&mut self, choice: &Choice<'_>, envelope: &Envelope) {
        self.add_thinking(choice);
        for text in [&choice.content, &choice.refusal].into_iter().flatten() {
            if !text.is_empty() {
                self.add("text", |block| {
                    block.value("text", text);
                });
            }
        }
        for image in choice.images.iter().filter_map(|json| image_source(json)) {
            self.add("image", |block| {
                block.raw("source", &image);
            });
        }
        let mut given = BTreeSet::new();
        for (index, call) in choice.calls.iter().enumerate() {
            self.add_call(call, &envelope.call_id(0, index), &mut given);
        }
    }

    /// Adds the thinking: Claude's own blocks as they were, or a text and the data of another provider.
    fn add_thinking(&mut self, choice: &Choice<'_>) {
        let signed: Vec<_> =
            choice.reasoning_details.iter().filter_map(|json| ThinkingDetail::read(json)).collect();
        for detail in &signed {
            self.add(detail.kind(), |block| detail.write(block));
        }
        if !signed.is_empty() {
            return;
        }
        if let Some(reasoning) = choice.reasoning.as_ref().filter(|text| !text.is_empty()) {
            self.add("thinking", |block| {
                block.value("thinking", reasoning).value("signature", UNSIGNED);
            });
        }
        if !choice.reasoning_details.is_empty() {
            let details = joined_details(&choice.reasoning_details);
            self.add_carried(&CarriedData::Details(&details));
        }
    }

    fn add_carried(&mut self, carried: &CarriedData<'_>) {
        self.add("redacted_thinking", |block| {
            block.value("data", &carried.to_data());
        });
    }

    /// Adds a call. An id that another call has is replaced, because clients match results by it.
    fn add_call(&mut self, call: &Call<'_>, own_id: &str, given: &mut BTreeSet<String>) {
        if let Some(extra) = &call.extra_content {
            self.add_carried(&CarriedData::ExtraContent(extra));
        }
        let id = call.id.as_ref().map(|id| tool_use_id(&id.decode()));
        let id = id.filter(|id| !id.is_empty() && given.insert(id.clone()));
        self.add("tool_use", |block| {
            block.value("id", id.as_deref().unwrap_or(own_id)).value("name", &call.name);
            let arguments = call.arguments.decode();
            block.raw("input", input(&arguments).as_bytes());
        });
    }
}

/// Returns the arguments of a call as an object. Text that is no object becomes a field of one, so that
/// it is not lost.
fn input(arguments: &str) -> Cow<'_, str> {
    arguments_to_object(arguments.into()).unwrap_or_else(|| {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.value("value", arguments);
        object.close();
        String::from_utf8(out).unwrap_or_default().into()
    })
}

/// Returns the source of an image block, for an entry of `images`.
pub(super) fn image_source(json: &str) -> Option<Vec<u8>> {
    let image: ObjectFields<'_> = serde_json::from_str(json).ok()?;
    let url = image.object("image_url")?.text("url")?;
    let url = url.decode();
    let mut out = Vec::new();
    let mut source = Object::open(&mut out);
    match url.strip_prefix("data:").and_then(|data| data.split_once(";base64,")) {
        Some((media_type, data)) => {
            source.value("type", "base64").value("media_type", media_type).value("data", data)
        }
        None => source.value("type", "url").value("url", &*url),
    };
    source.close();
    Some(out)
}

/// Entry of `reasoning_details` that was a block of Claude's.
pub(super) enum ThinkingDetail<'a> {
    /// Thinking, with its signature.
    Signed { text: Text<'a>, signature: Text<'a> },
    /// Thinking that only Claude can read.
    Redacted { data: Text<'a> },
}

impl<'a> ThinkingDetail<'a> {
    /// Reads an entry. `None` for one of another provider.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        let detail: ObjectFields<'a> = serde_json::from_str(json).ok()?;
        if detail.text("format")?.decode() != "anthropic-claude-v1" {
            return None;
        }
        match (detail.text("signature"), detail.text("data")) {
            (Some(signature), _) => {
                let text = detail.text("text").unwrap_or_else(|| Text::new(""));
                Some(Self::Signed { text, signature })
            }
            (None, Some(data)) => Some(Self::Redacted { data }),
            (None, None) => None,
        }
    }

    /// Returns the type of the block.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Signed { .. } => "thinking",
            Self::Redacted { .. } => "redacted_thinking",
        }
    }

    /// Writes the fields of the block.
    pub(super) fn write(&self, block: &mut Object<'_>) {
        match self {
            Self::Signed { text, signature } => {
                block.value("thinking", text).value("signature", signature)
            }
            Self::Redacted { data } => block.value("data", data),
        };
    }
}
