//! The item of a stream that has been added and is not done.

use crate::{
    chat::text::Text,
    responses::output::{OutputCall, text_fields, write_text_part},
};

/// Item that has been added and is not done. Texts are escaped.
#[derive(Debug, Default)]
pub(super) enum OpenItem {
    #[default]
    None,
    Reasoning {
        summary: String,
    },
    Message(OpenMessage),
    Call {
        call: OutputCall,
        arguments: String,
    },
}

/// Message with an open part.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) kind: PartKind,
    pub(super) text: String,
    /// Log probabilities of the text's tokens in JSON, separated by commas.
    pub(super) logprobs: String,
    /// Parts that are done, in JSON, separated by commas.
    pub(super) parts: Vec<u8>,
    /// Number of these parts.
    pub(super) count: usize,
}

/// Kind of a message's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    Text,
    Refusal,
}

impl PartKind {
    /// Returns the type, the key of the text, and the events of a delta and of the end.
    pub(super) fn names(self) -> [&'static str; 4] {
        match self {
            Self::Text => {
                ["output_text", "text", "response.output_text.delta", "response.output_text.done"]
            }
            Self::Refusal => {
                ["refusal", "refusal", "response.refusal.delta", "response.refusal.done"]
            }
        }
    }
}

impl OpenItem {
    /// Returns the length of the texts, in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Reasoning { summary } => summary.len(),
            Self::Message(OpenMessage { text, logprobs, parts, .. }) => {
                text.len() + logprobs.len() + parts.len()
            }
            Self::Call { arguments, .. } => arguments.len(),
        }
    }
}

impl OpenMessage {
    /// Adds log probabilities in JSON, separated by commas.
    pub(super) fn add_logprobs(&mut self, tokens: &str) {
        if !tokens.is_empty() {
            let separator = if self.logprobs.is_empty() { "" } else { "," };
            self.logprobs.extend([separator, tokens]);
        }
    }

    /// Appends the open part to `out`, with its text or without.
    pub(super) fn write_part(&self, out: &mut Vec<u8>, text: &Text<'_>) {
        let [kind, key, ..] = self.kind.names();
        let more = match self.kind {
            PartKind::Text => text_fields("[]", &self.logprobs),
            PartKind::Refusal => String::new(),
        };
        write_text_part(out, kind, key, text, &more);
    }
}
