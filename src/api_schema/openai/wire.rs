//! What OpenAI-compatible servers send, as far as it is read. OpenAI's API reference, *The chat
//! completion object* and *The chat completion chunk object*; what others make of them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

use crate::chat::{
    text::{Text, lenient},
    usage::Usage,
};

#[derive(Deserialize)]
pub(super) struct Completion<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<WireChoice<'a>>>,
    #[serde(default, deserialize_with = "Usage::read")]
    pub(super) usage: Option<Usage>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) system_fingerprint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) service_tier: Option<&'a RawValue>,
}

/// A choice of an answer, with a `message`, or of a chunk, with a `delta`. Perplexity sends both in
/// both.
#[derive(Deserialize)]
pub(super) struct WireChoice<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) message: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<WireMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) native_finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    /// Where Kimi puts it.
    #[serde(default, deserialize_with = "Usage::read")]
    pub(super) usage: Option<Usage>,
}

#[derive(Default, Deserialize)]
pub(super) struct WireMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<WireContent<'a>>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) reasoning_content: Option<Text<'a>>,
    /// The same, as OpenRouter and newer vLLM call it.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) reasoning: Option<Text<'a>>,
    /// What OpenRouter must get back on the next turn.
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning_details: Option<Vec<&'a RawValue>>,
    /// What OpenRouter's models paint.
    #[serde(borrow, default, deserialize_with = "lenient")]
    images: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<WireCall<'a>>>,
    /// A call in the form that was there before tools.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) function_call: Option<WireFunction<'a>>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) audio: Option<&'a RawValue>,
}

/// What a message says: a string, or parts of text and thoughts, as Mistral's models that think
/// have them (Mistral's API, *Reasoning*).
#[derive(Default)]
pub(super) struct WireContent<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) thoughts: Option<Text<'a>>,
}

/// Fields of parts that we do not know may be anything.
#[derive(Deserialize)]
struct WirePart<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct WireCall<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function: Option<WireFunction<'a>>,
}

#[derive(Deserialize)]
pub(super) struct WireFunction<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

impl<'a> Completion<'a> {
    /// Whether it is an error in the form of older vLLM, with its message beside `object`.
    pub(super) fn is_error(&self) -> bool {
        self.choices.is_none() && self.object.is_some_and(|own| own.get() == "\"error\"")
    }
}

impl WireMessage<'_> {
    /// `reasoning_details`, as they are handed out.
    pub(super) fn details(&self) -> Vec<String> {
        numbered(self.reasoning_details.as_deref())
    }

    /// `images`, as they are handed out.
    pub(super) fn images(&self) -> Vec<String> {
        numbered(self.images.as_deref())
    }
}

/// Objects, each with an `index`: without one, OpenAI's SDK cannot join what is streamed.
fn numbered(items: Option<&[&RawValue]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Numbered {
        index: Option<u64>,
    }
    let items = items.unwrap_or_default().iter().enumerate();
    let numbered = items.filter_map(|(number, raw)| {
        let Numbered { index } = serde_json::from_str(raw.get()).ok()?;
        // A line break, which can only stand between tokens, would end the event's line.
        let line = raw.get().replace(['\n', '\r'], " ");
        let fields = line.strip_prefix('{')?;
        Some(match index {
            None if fields.trim_start() == "}" => return None,
            None => format!("{{\"index\":{number},{fields}"),
            Some(_) => line,
        })
    });
    numbered.collect()
}

impl<'de: 'a, 'a> Deserialize<'de> for WireContent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if let Some(text) = Text::from_raw(raw) {
            return Ok(Self { text: Some(text), thoughts: None });
        }
        let parts: Vec<WirePart<'a>> = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let (mut texts, mut thoughts) = (Vec::new(), Vec::new());
        for part in parts {
            match part.kind.decode().as_ref() {
                "text" | "output_text" => texts.extend(part.text.and_then(Text::from_raw)),
                "thinking" => part.think(&mut thoughts),
                _ => {}
            }
        }
        let whole = |texts: Vec<Text<'a>>| (!texts.is_empty()).then(|| Text::concat(&texts));
        Ok(Self { text: whole(texts), thoughts: whole(thoughts) })
    }
}

impl<'a> WirePart<'a> {
    /// Thoughts are a string, or parts of text again.
    fn think(&self, thoughts: &mut Vec<Text<'a>>) {
        let Some(raw) = self.thinking else { return };
        match Text::from_raw(raw) {
            Some(text) => thoughts.push(text),
            None => {
                let parts = serde_json::from_str::<Vec<WirePart<'a>>>(raw.get());
                let texts = parts.into_iter().flatten().filter_map(|part| part.text);
                thoughts.extend(texts.filter_map(Text::from_raw));
            }
        }
    }
}

/// `logprobs` with both of their keys, which OpenAI's specification requires.
pub(super) fn logprobs(raw: &RawValue) -> Cow<'_, RawValue> {
    #[derive(Deserialize, Serialize)]
    struct Lists<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        refusal: Option<&'a RawValue>,
    }
    match serde_json::from_str::<Lists<'_>>(raw.get()) {
        Ok(lists) if raw.get() != "null" && lists.refusal.is_none() => {
            to_raw_value(&lists).map_or(Cow::Borrowed(raw), Cow::Owned)
        }
        _ => Cow::Borrowed(raw),
    }
}

/// An event as JSON.
pub(super) fn raw(data: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice(data).ok()
}
