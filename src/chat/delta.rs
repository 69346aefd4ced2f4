//! The values that a streamed answer is made of, as [`Answer`](super::answer::Answer) is the value
//! of a whole one.
//!
//! A decoder of a provider's stream turns each event into deltas, post-processing turns deltas into
//! deltas, and the stream writer turns them into the client's events.

use std::borrow::Cow;

use super::{finish::Finish, text::Text, usage::Usage};

/// The most choices of a stream, and the most tool calls of a choice: more is an attack on the
/// gateway's memory.
pub const MAX_ITEMS: usize = 1024;

/// One increment of a streamed answer.
///
/// `choice` is the index of the choice. `call` is the index of a tool call within its choice: calls
/// are numbered from 0, in the order in which they begin.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "`choice`, `call` and `text` are explained above")]
pub enum Delta<'a> {
    /// More content, with the log probabilities of its tokens as JSON.
    Content { choice: usize, text: Text<'a>, logprobs: Option<Cow<'a, str>> },
    /// More of the model's reasoning.
    Reasoning { choice: usize, text: Text<'a> },
    /// An entry of `reasoning_details`: an object in JSON.
    ReasoningDetail { choice: usize, json: String },
    /// More of a refusal.
    Refusal { choice: usize, text: Text<'a> },
    /// An entry of `images`: an object in JSON.
    Image { choice: usize, json: String },
    /// A tool call that begins. `id` is the provider's, `extra_content` an object in JSON.
    Call {
        choice: usize,
        call: usize,
        id: Option<Text<'a>>,
        name: Text<'a>,
        extra_content: Option<String>,
    },
    /// More of a tool call's arguments.
    Arguments { choice: usize, call: usize, text: Text<'a> },
    /// The end of a choice. `native` is the provider's own reason.
    Finish { choice: usize, finish: Finish, native: Option<Text<'a>> },
    /// Tokens used so far. A later count replaces an earlier one.
    Usage(Usage),
    /// The end of the answer. A choice that has begun and not finished ends with it.
    End,
}

impl Delta<'_> {
    /// Returns true for a delta that adds nothing: more text, and the text is empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Content { text, logprobs, .. } => text.is_empty() && logprobs.is_none(),
            Self::Reasoning { text, .. }
            | Self::Refusal { text, .. }
            | Self::Arguments { text, .. } => text.is_empty(),
            _ => false,
        }
    }

    /// Returns `true` for a delta that tells a client something: text, reasoning, a call, media, or an
    /// end of another kind than that the model has simply stopped.
    pub fn is_noticeable(&self) -> bool {
        match self {
            Self::Content { text, .. }
            | Self::Reasoning { text, .. }
            | Self::Refusal { text, .. } => !text.is_empty(),
            Self::Image { .. } | Self::Call { .. } | Self::Arguments { .. } => true,
            Self::Finish { finish, .. } => *finish != Finish::Stop,
            Self::ReasoningDetail { .. } | Self::Usage(_) | Self::End => false,
        }
    }

    /// Returns true for a delta whose choice and call are within [`MAX_ITEMS`].
    pub fn is_within_limits(&self) -> bool {
        let call = match self {
            Self::Call { call, .. } | Self::Arguments { call, .. } => *call,
            _ => 0,
        };
        call < MAX_ITEMS && self.choice().is_none_or(|choice| choice < MAX_ITEMS)
    }

    /// Returns the index of the choice, or `None` for a delta of the whole answer.
    pub fn choice(&self) -> Option<usize> {
        match self {
            Self::Content { choice, .. }
            | Self::Reasoning { choice, .. }
            | Self::ReasoningDetail { choice, .. }
            | Self::Refusal { choice, .. }
            | Self::Image { choice, .. }
            | Self::Call { choice, .. }
            | Self::Arguments { choice, .. }
            | Self::Finish { choice, .. } => Some(*choice),
            Self::Usage(_) | Self::End => None,
        }
    }
}

/// Empties a list of deltas for the next event, whose text lives elsewhere, and keeps its memory.
pub fn recycle<'b>(mut deltas: Vec<Delta<'_>>) -> Vec<Delta<'b>> {
    deltas.clear();
    // Collecting from a vector into one of the same layout happens in place.
    deltas.into_iter().map(|_| Delta::End).collect()
}

/// Deltas for tests.
#[cfg(test)]
pub(crate) mod samples {
    use super::{Delta, Finish, Text};

    pub(crate) fn content(choice: usize, text: &str) -> Delta<'static> {
        Delta::Content { choice, text: Text::new(text), logprobs: None }
    }

    pub(crate) fn finish(choice: usize) -> Delta<'static> {
        Delta::Finish { choice, finish: Finish::Stop, native: None }
    }

    pub(crate) fn call(call: usize) -> Delta<'static> {
        Delta::Call { choice: 0, call, id: None, name: Text::new("f"), extra_content: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_list_is_empty_and_keeps_its_memory() {
        let deltas = recycle(vec![Delta::End; 8]);
        assert!(deltas.is_empty() && deltas.capacity() >= 8, "{}", deltas.capacity());
    }
}
