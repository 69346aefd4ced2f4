//! The stage of the decoder that moves reasoning out of the content.

use std::collections::BTreeMap;

use super::reasoning_tags::{OpeningTag, ReasoningSplitter, SplitContent};
use crate::chat::{answer::Choice, delta::Delta, text::Text};

/// Stage from answers to answers and from deltas to deltas.
#[derive(Clone, Debug)]
pub(super) struct ReasoningStage {
    opening: OpeningTag,
    /// Splitters of a stream's choices.
    choices: BTreeMap<usize, ReasoningSplitter>,
}

impl ReasoningStage {
    /// Creates the stage for a response that has not begun.
    pub(super) fn new(opening: OpeningTag) -> Self {
        Self { opening, choices: BTreeMap::new() }
    }

    /// Splits the content of a choice in one piece.
    pub(super) fn split_choice(&self, choice: &mut Choice<'_>) {
        let own = choice.content.as_ref();
        let split = own.and_then(|content| ReasoningSplitter::split(content, self.opening));
        let Some(SplitContent { reasoning, content }) = split else { return };
        let is_silent = choice.calls.is_empty() && choice.refusal.is_none();
        choice.content = content.or_else(|| is_silent.then(|| Text::new("")));
        let all: Vec<Text<'_>> = choice.reasoning.take().into_iter().chain(reasoning).collect();
        choice.reasoning = (!all.is_empty()).then(|| Text::concat(&all));
    }

    /// Splits the content in the deltas from `first` on.
    pub(super) fn split_deltas(&mut self, deltas: &mut Vec<Delta<'_>>, first: usize) {
        for delta in deltas.split_off(first.min(deltas.len())) {
            if delta.is_within_limits() {
                self.split_delta(delta, deltas);
            } else {
                deltas.push(delta);
            }
        }
    }

    fn split_delta<'d>(&mut self, delta: Delta<'d>, deltas: &mut Vec<Delta<'d>>) {
        match delta {
            Delta::Content { choice, text, logprobs } => {
                let opening = self.opening;
                let splitter = self.choices.entry(choice);
                let splitter = splitter.or_insert_with(|| ReasoningSplitter::new(opening));
                let SplitContent { reasoning, content } = splitter.feed(text);
                deltas.extend(reasoning.map(|text| Delta::Reasoning { choice, text }));
                // Log probabilities of tokens that are held back or are reasoning stay in place.
                let text = content.or_else(|| logprobs.as_ref().map(|_| Text::new("")));
                deltas.extend(text.map(|text| Delta::Content { choice, text, logprobs }));
            }
            Delta::Call { choice, .. } | Delta::Finish { choice, .. } => {
                self.finish(choice, deltas);
                deltas.push(delta);
            }
            Delta::End => {
                let choices: Vec<usize> = self.choices.keys().copied().collect();
                choices.into_iter().for_each(|choice| self.finish(choice, deltas));
                deltas.push(delta);
            }
            other => deltas.push(other),
        }
    }

    /// Adds the text of a choice that is held back.
    fn finish(&mut self, choice: usize, deltas: &mut Vec<Delta<'_>>) {
        let Some(splitter) = self.choices.get_mut(&choice) else { return };
        let SplitContent { reasoning, content } = splitter.finish();
        deltas.extend(reasoning.map(|text| Delta::Reasoning { choice, text }));
        deltas.extend(content.map(|text| Delta::Content { choice, text, logprobs: None }));
    }
}
