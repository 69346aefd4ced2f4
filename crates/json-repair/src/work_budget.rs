//! The limit on lookahead. Every lookahead spends steps of a budget that grows with the text, so
//! that the time stays linear. A text that exhausts its budget is unrepairable.

use std::cell::Cell;

/// The steps that any text may spend. A step takes a few nanoseconds.
const BASE_STEPS: usize = 1 << 15;

/// The additional steps for each byte. The mistakes of models take one or two, and as many for each
/// further parse of the document.
const STEPS_PER_BYTE: usize = 8;

/// The steps to start a parse of a document.
pub(crate) const PARSE_COST: usize = 64;

/// The steps to read one byte again.
pub(crate) const REREAD_COST: usize = 2;

/// The bytes that a vectorized search passes in one step.
pub(crate) const BYTES_PER_STEP: usize = 16;

/// The steps spent on a text, and their limit.
#[derive(Debug)]
pub(crate) struct WorkBudget {
    spent: Cell<usize>,
    limit: Cell<usize>,
}

impl WorkBudget {
    /// Creates the budget for a text of `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { spent: Cell::new(0), limit: Cell::new(BASE_STEPS + STEPS_PER_BYTE * bytes) }
    }

    /// Raises the limit for `bytes` more bytes.
    pub(crate) fn extend(&self, bytes: usize) {
        self.limit.set(self.limit.get() + STEPS_PER_BYTE * bytes);
    }

    /// Spends steps.
    pub(crate) fn spend(&self, steps: usize) {
        self.spent.set(self.spent.get() + steps);
    }

    /// Returns whether the steps are spent.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.spent.get() >= self.limit.get()
    }
}

#[cfg(test)]
#[path = "../tests/support/hostile_texts.rs"]
mod hostile_texts;

#[cfg(test)]
mod tests {
    use super::{REREAD_COST, WorkBudget, hostile_texts::hostile};
    use crate::{lookahead::SourceText, schema::ExpectedShape, stream::Stream, whole};

    /// The length of each text, in bytes.
    const BYTES: usize = 8 << 10;

    /// The steps that may be spent after the last check, besides one more read of the text.
    const ONE_LOOKAHEAD: usize = 4 << 10;

    /// Returns the stride through the texts: 1, all of them, if `REPAIR_FUZZ` is set.
    fn stride() -> usize {
        if std::env::var_os("REPAIR_FUZZ").is_some() { 1 } else { 97 }
    }

    fn assert_within_budget(budget: &WorkBudget, text: &str) {
        let (spent, limit) = (budget.spent.get(), budget.limit.get());
        let last = REREAD_COST * text.len() + ONE_LOOKAHEAD;
        assert!(spent <= limit + last, "{spent} steps of {limit} for {text:.40}");
    }

    #[test]
    fn no_text_exceeds_its_budget() {
        for text in hostile(BYTES).step_by(stride()) {
            let budget = WorkBudget::new(text.len());
            let source = SourceText { bytes: text.as_bytes(), is_complete: true, budget: &budget };
            whole::find_documents(source).ok();
            assert_within_budget(&budget, &text);
        }
    }

    #[test]
    fn no_stream_exceeds_its_budget() {
        for text in hostile(BYTES).step_by(stride()) {
            let (mut stream, mut out) = (Stream::new(&ExpectedShape::default()), Vec::new());
            for character in text.chars() {
                let piece = &mut [0; 4];
                if stream.feed(character.encode_utf8(piece), &mut out).is_err() {
                    break;
                }
            }
            assert_within_budget(&stream.budget, &text);
        }
    }
}
