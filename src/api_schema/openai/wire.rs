//! Wire types of an answer in one piece and of a stream's chunks, with the deviations of compatible
//! servers. OpenAI's API reference, *The chat completion object*; *The chat completion chunk
//! object*.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    chat::{
        finish::Finish,
        text::{Text, lenient},
        tools::input_to_arguments,
        usage::Usage,
    },
    json,
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

/// Choice of an answer, with a `message`, or of a chunk, with a `delta`. Perplexity sends both
/// fields in either case.
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
    /// Usage as Kimi sends it, inside the choice.
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
    /// `reasoning_content` at OpenRouter and in newer versions of vLLM.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) reasoning: Option<Text<'a>>,
    /// Entries that OpenRouter requires back on the next turn.
    #[serde(borrow, default, deserialize_with = "lenient")]
    reasoning_details: Option<Vec<&'a RawValue>>,
    /// Images that OpenRouter's models generate.
    #[serde(borrow, default, deserialize_with = "lenient")]
    images: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<WireCall<'a>>>,
    /// A call in the form that calls had before tools.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) function_call: Option<WireFunction<'a>>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) audio: Option<&'a RawValue>,
}

/// Content of a message: a string, or parts of text and thoughts as Mistral's reasoning models send
/// them. Mistral's API, *Reasoning*.
#[derive(Default)]
pub(super) struct WireContent<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) thoughts: Option<Text<'a>>,
}

/// Part of a content array. In parts of unknown types the fields may hold anything.
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
pub(in crate::api_schema) struct WireCall<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(in crate::api_schema) index: Option<u64>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(in crate::api_schema) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::api_schema) function: Option<WireFunction<'a>>,
    /// The call of a custom tool.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(in crate::api_schema) custom: Option<WireCustomCall<'a>>,
}

/// Call of a custom tool.
#[derive(Deserialize)]
pub(in crate::api_schema) struct WireCustomCall<'a> {
    #[serde(borrow, default)]
    pub(in crate::api_schema) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::api_schema) input: Option<Text<'a>>,
}

impl<'a> WireCall<'a> {
    /// Creates a call of a function without an id.
    pub(super) fn of_function(index: Option<u64>, function: WireFunction<'a>) -> Self {
        Self { index, id: None, function: Some(function), custom: None }
    }

    /// Removes the arguments.
    pub(in crate::api_schema) fn take_arguments(&mut self) {
        self.function.iter_mut().for_each(|function| function.arguments = None);
        self.custom.iter_mut().for_each(|custom| custom.input = None);
    }

    /// Returns the call as a piece of arguments, without its name.
    pub(in crate::api_schema) fn into_piece(mut self) -> Self {
        self.function.iter_mut().for_each(|function| function.name = None);
        self.custom.iter_mut().for_each(|custom| custom.name = None);
        self
    }

    /// Returns the name and the arguments. A custom tool is a function with one string, `input`.
    pub(in crate::api_schema) fn into_function(self) -> (Option<Text<'a>>, Option<Text<'a>>) {
        if let Some(custom) = self.custom {
            return (custom.name, custom.input.as_ref().map(input_to_arguments));
        }
        let arguments = self.function.as_ref().and_then(WireFunction::arguments);
        (self.function.and_then(|function| function.name), arguments)
    }
}

#[derive(Deserialize)]
pub(in crate::api_schema) struct WireFunction<'a> {
    #[serde(borrow, default)]
    pub(in crate::api_schema) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(in crate::api_schema) arguments: Option<&'a RawValue>,
}

impl Completion<'_> {
    /// Returns true for an error as older versions of vLLM send it, with `message` beside `object`.
    pub(super) fn is_vllm_error(&self) -> bool {
        self.choices.is_none() && self.object.is_some_and(|own| own.get() == "\"error\"")
    }
}

impl WireChoice<'_> {
    /// Returns the meaning of `finish_reason`, or `None` for a choice that has not ended.
    pub(super) fn finish(&self) -> Option<Finish> {
        let word = self.finish_reason.as_ref()?.decode();
        Some(match word.as_ref() {
            "" => return None,
            "length" | "max_tokens" => Finish::Length,
            "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
            "content_filter" | "safety" => Finish::ContentFilter,
            _ => Finish::Stop,
        })
    }

    /// Returns true if the choice ended in an error, without an `error` that names it.
    pub(super) fn is_failed(&self) -> bool {
        self.finish_reason.as_ref().is_some_and(|word| word.decode() == "error")
    }
}

impl WireMessage<'_> {
    /// Returns `reasoning_details`, each with an index.
    pub(super) fn details(&self) -> Vec<String> {
        with_index(self.reasoning_details.as_deref())
    }

    /// Returns `images`, each with an index.
    pub(super) fn images(&self) -> Vec<String> {
        with_index(self.images.as_deref())
    }
}

impl WireCall<'_> {
    /// Returns `true` for an entry without id, name and arguments, which some servers send as filler.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |text: &Option<Text<'_>>| text.as_ref().is_none_or(Text::is_empty);
        let function = self.function.as_ref();
        let is_filler = |own: &WireFunction<'_>| is_empty(&own.name) && own.arguments().is_none();
        is_empty(&self.id) && function.is_none_or(is_filler) && self.custom.is_none()
    }
}

impl<'a> WireFunction<'a> {
    /// Returns the arguments as a string of JSON, or `None` if there are none. Some servers send an
    /// object instead of a string.
    pub(super) fn arguments(&self) -> Option<Text<'a>> {
        let raw = self.arguments?;
        match Text::from_raw(raw) {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text),
            None if raw.get() == "null" => None,
            None => Some(Text::new(raw.get())),
        }
    }
}

/// Returns the objects among `items`, each with an `index`, without which OpenAI's SDK cannot join
/// the entries of a stream.
fn with_index(items: Option<&[&RawValue]>) -> Vec<String> {
    #[derive(Deserialize)]
    struct IndexedItem {
        index: Option<u64>,
    }
    let items = items.unwrap_or_default().iter().enumerate();
    let numbered = items.filter_map(|(number, raw)| {
        let IndexedItem { index } = serde_json::from_str(raw.get()).ok()?;
        // Line breaks, which JSON permits between tokens only, would end the line of an event.
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
                "thinking" => part.collect_thoughts(&mut thoughts),
                _ => {}
            }
        }
        let whole = |texts: Vec<Text<'a>>| (!texts.is_empty()).then(|| Text::concat(&texts));
        Ok(Self { text: whole(texts), thoughts: whole(thoughts) })
    }
}

impl<'a> WirePart<'a> {
    /// Collects thoughts: a string, or parts of text.
    fn collect_thoughts(&self, thoughts: &mut Vec<Text<'a>>) {
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

/// Returns `logprobs` with both keys, which OpenAI's specification requires.
pub(super) fn logprobs(raw: &RawValue) -> Cow<'_, RawValue> {
    #[derive(Deserialize, Serialize)]
    struct LogprobLists<'a> {
        #[serde(borrow, default)]
        content: Option<&'a RawValue>,
        #[serde(borrow, default)]
        refusal: Option<&'a RawValue>,
    }
    match serde_json::from_str::<LogprobLists<'_>>(raw.get()) {
        Ok(lists) if raw.get() != "null" && lists.refusal.is_none() => {
            to_raw_value(&lists).map_or(Cow::Borrowed(raw), Cow::Owned)
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Returns the JSON of an event.
pub(in crate::api_schema) fn raw(data: &[u8]) -> Option<&RawValue> {
    json::read(data).ok()
}

/// Returns a provider's index as `usize`. An index that does not fit becomes `usize::MAX`, which is
/// over every bound.
pub(in crate::api_schema) fn to_index(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
