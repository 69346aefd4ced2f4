//! Thinking blocks, which Claude signs and must get back unchanged in later turns (guide *Extended
//! thinking*, "Preserving thinking blocks").
//!
//! Clients get them as `reasoning_details`, in the form that OpenRouter introduced (guide
//! *Reasoning Tokens*): `{"type": "reasoning.text", "index", "text", "signature", "format"}` and
//! `{"type": "reasoning.encrypted", "index", "data", "format"}`. Clients may return them in that
//! form, or in LiteLLM's, `thinking_blocks`, which are Claude's own blocks.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api_schema::raw_items::raw_items,
    chat::{message::Message, text::Text},
    json::Object,
};

/// The `format` of details that are Claude's. Those of other providers are not sent to Claude.
const FORMAT: &str = "anthropic-claude-v1";

/// A thinking block.
#[derive(Clone, Debug)]
pub(in crate::api_schema) enum ThinkingBlock<'q> {
    /// Thinking in plain text, which may be empty, with Claude's signature.
    Signed {
        /// The text.
        text: Text<'q>,
        /// An opaque value.
        signature: Text<'q>,
    },
    /// Thinking that only Claude can decrypt.
    Redacted {
        /// An opaque value.
        data: Text<'q>,
    },
}

/// An item of `reasoning_details`.
#[derive(Deserialize)]
struct ThinkingDetail<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    format: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<Text<'a>>,
}

/// An item of `thinking_blocks`: Claude API reference, *Messages*, `thinking` and
/// `redacted_thinking`.
#[derive(Deserialize)]
struct WireThinkingBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    data: Option<Text<'a>>,
}

/// Returns the thinking blocks of a message that are Claude's own.
pub(super) fn thinking_blocks<'q>(message: &Message<'q>) -> Vec<ThinkingBlock<'q>> {
    let details: Vec<_> = raw_items(message.reasoning_details).filter_map(from_detail).collect();
    if !details.is_empty() {
        return details;
    }
    raw_items(message.thinking_blocks).filter_map(from_block).collect()
}

fn from_block(raw: &RawValue) -> Option<ThinkingBlock<'_>> {
    let WireThinkingBlock { kind, thinking, signature, data } =
        serde_json::from_str(raw.get()).ok()?;
    match kind.as_ref() {
        "thinking" => {
            let text = thinking.unwrap_or_else(|| Text::new(""));
            Some(ThinkingBlock::Signed {
                text,
                signature: signature.filter(|text| !text.is_empty())?,
            })
        }
        "redacted_thinking" => {
            Some(ThinkingBlock::Redacted { data: data.filter(|text| !text.is_empty())? })
        }
        _ => None,
    }
}

fn from_detail(raw: &RawValue) -> Option<ThinkingBlock<'_>> {
    let detail: ThinkingDetail<'_> = serde_json::from_str(raw.get()).ok()?;
    let is_present = |text: &Option<Text<'_>>| text.as_ref().is_some_and(|text| !text.is_empty());
    match (detail.kind.as_ref(), detail.format.as_ref()) {
        ("reasoning.text", FORMAT) if is_present(&detail.signature) => {
            Some(ThinkingBlock::Signed {
                text: detail.text.unwrap_or_else(|| Text::new("")),
                signature: detail.signature?,
            })
        }
        ("reasoning.encrypted", FORMAT) if is_present(&detail.data) => {
            Some(ThinkingBlock::Redacted { data: detail.data? })
        }
        _ => None,
    }
}

impl ThinkingBlock<'_> {
    /// Returns the item of `reasoning_details`. OpenAI's SDKs join items of a stream that have the
    /// same `index`.
    pub(super) fn to_detail(&self, index: usize) -> String {
        let mut out = Vec::new();
        let mut detail = Object::open(&mut out);
        match self {
            Self::Signed { text, signature } => {
                detail.value("type", "reasoning.text").value("index", &index);
                detail.value("text", text).value("signature", signature);
            }
            Self::Redacted { data } => {
                detail.value("type", "reasoning.encrypted").value("index", &index);
                detail.value("data", data);
            }
        }
        detail.value("format", FORMAT);
        detail.close();
        String::from_utf8(out).unwrap_or_default()
    }

    /// Writes the block as Claude sent it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut block = Object::open(out);
        match self {
            Self::Signed { text, signature } => {
                block.value("type", "thinking");
                block.value("thinking", text).value("signature", signature);
            }
            Self::Redacted { data } => {
                block.value("type", "redacted_thinking").value("data", data);
            }
        }
        block.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_of_clients_become_the_blocks_that_claude_sent() {
        let signed =
            ThinkingBlock::Signed { text: Text::new("a\n\"b\""), signature: Text::new("s==") };
        let cases = [
            (signed, r#"{"type":"thinking","thinking":"a\n\"b\"","signature":"s=="}"#),
            (
                ThinkingBlock::Redacted { data: Text::new("x") },
                r#"{"type":"redacted_thinking","data":"x"}"#,
            ),
        ];
        for (thought, block) in cases {
            let details = format!("[{}]", thought.to_detail(3));
            assert!(details.contains(r#""index":3"#), "{details}");
            let as_details = format!(r#"{{"role":"assistant","reasoning_details":{details}}}"#);
            let as_blocks = format!(r#"{{"role":"assistant","thinking_blocks":[{block}]}}"#);
            for message in [as_details, as_blocks] {
                let message: Message<'_> = serde_json::from_str(&message).unwrap();
                let mut out = Vec::new();
                thinking_blocks(&message).iter().for_each(|thought| thought.write(&mut out));
                assert_eq!(String::from_utf8(out).unwrap(), block, "{message:?}");
            }
        }
    }

    #[test]
    fn details_that_are_not_claudes_are_left_out() {
        let cases = [
            r#"[{"type":"reasoning.text","text":"a","format":"anthropic-claude-v1"}]"#,
            r#"[{"type":"reasoning.text","text":"a","signature":"","format":"anthropic-claude-v1"}]"#,
            r#"[{"type":"reasoning.text","text":"a","signature":"s"}]"#,
            r#"[{"type":"reasoning.encrypted","data":"x","format":"google-gemini-v1"}]"#,
            r#"[{"type":"reasoning.summary","summary":"x","format":"anthropic-claude-v1"}]"#,
            r#"[{"type":"thinking","thinking":"a"},{"type":"thinking","thinking":"a","signature":""}]"#,
            r#"[{"type":"redacted_thinking"},{"type":"text","text":"a"}]"#,
            r#"[1,null,"a",{}]"#,
            r#"{"type":"reasoning.text"}"#,
            "null",
        ];
        for details in cases {
            for key in ["reasoning_details", "thinking_blocks"] {
                let message = format!(r#"{{"role":"assistant","{key}":{details}}}"#);
                let message: Message<'_> = serde_json::from_str(&message).unwrap();
                assert!(thinking_blocks(&message).is_empty(), "{key}: {details}");
            }
        }
    }
}
