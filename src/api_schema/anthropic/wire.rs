//! The types of an answer as Claude sends it. Claude API reference, *Messages*, "Response".

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reasoning::ThinkingBlock;
use crate::chat::{
    finish::Finish,
    text::{Text, lenient},
    usage::{Usage, token_count},
};

/// A whole answer, or an error with status 200.
#[derive(Deserialize)]
pub(super) struct AnthropicMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) stop_details: Option<StopDetails<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<UsageTokens>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// The details of a refusal.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StopDetails<'a> {
    #[serde(borrow, default)]
    pub(super) explanation: Option<Text<'a>>,
}

/// A block of content before its type is known. Fields of unknown types of block hold any JSON.
#[derive(Deserialize)]
pub(super) struct WireBlock<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

/// A block of content, as far as the chat API has one.
#[derive(Debug)]
pub(super) enum ResponseBlock<'a> {
    Text(Text<'a>),
    Thinking(ThinkingBlock<'a>),
    ToolUse {
        id: Option<Text<'a>>,
        /// Never empty.
        name: Option<Text<'a>>,
        input: Option<&'a RawValue>,
    },
    /// A block that no client requested: of a tool that Anthropic runs, or of a later version.
    Other,
}

impl<'a> WireBlock<'a> {
    /// Decodes the block by its type.
    pub(super) fn decode(self) -> ResponseBlock<'a> {
        let text = |raw: Option<&'a RawValue>| raw.and_then(Text::from_raw);
        let text_or_empty = |raw| text(raw).unwrap_or_else(|| Text::new(""));
        match self.kind.decode().as_ref() {
            "text" => ResponseBlock::Text(text_or_empty(self.text)),
            "thinking" => {
                let signature = text_or_empty(self.signature);
                ResponseBlock::Thinking(ThinkingBlock::Signed {
                    text: text_or_empty(self.thinking),
                    signature,
                })
            }
            "redacted_thinking" => {
                ResponseBlock::Thinking(ThinkingBlock::Redacted { data: text_or_empty(self.data) })
            }
            "tool_use" => {
                let name = text(self.name).filter(|name| !name.is_empty());
                ResponseBlock::ToolUse { id: text(self.id), name, input: self.input }
            }
            _ => ResponseBlock::Other,
        }
    }
}

/// The tokens of an answer as Claude counts them. Every field of a stream replaces the earlier one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct UsageTokens {
    #[serde(default, deserialize_with = "token_count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputTokensDetails>,
}

/// The parts of `output_tokens`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct OutputTokensDetails {
    #[serde(default, deserialize_with = "token_count")]
    thinking_tokens: Option<u64>,
}

impl UsageTokens {
    /// Returns these tokens, replaced by `later` where that has a number.
    pub(super) fn merge(self, later: Self) -> Self {
        let created = later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_creation_input_tokens: created,
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    /// Returns the tokens as the chat API counts them. `input_tokens` lacks those that were read
    /// from the cache or written to it (guide *Prompt caching*, "Tracking cache performance");
    /// `output_tokens` has those of thinking. Returns `None` if neither is known.
    pub(super) fn usage(self) -> Option<Usage> {
        self.input_tokens.or(self.output_tokens)?;
        let cached = self.cache_read_input_tokens.unwrap_or_default();
        let cache_written = self.cache_creation_input_tokens.unwrap_or_default();
        let input = self.input_tokens.unwrap_or_default();
        let completion = self.output_tokens.unwrap_or_default();
        let details = self.output_tokens_details.unwrap_or_default();
        Some(Usage {
            prompt: input.saturating_add(cached).saturating_add(cache_written),
            completion,
            cached,
            cache_written,
            reasoning: details.thinking_tokens.unwrap_or_default().min(completion),
            ..Usage::default()
        })
    }
}

/// Translates a `stop_reason`. Claude API, *Handling stop reasons*.
pub(super) fn to_finish(stop_reason: Option<&Text<'_>>) -> Finish {
    match stop_reason.map(Text::decode).unwrap_or_default().as_ref() {
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" | "compaction" => Finish::Length,
        "refusal" => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}
