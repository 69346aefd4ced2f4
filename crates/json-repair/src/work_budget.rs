//! How much looking ahead a text is worth. Every look is paid for, so that no text takes more than
//! linear time: what needs more looks than mistakes ever do is beyond mending.

use std::cell::Cell;

/// What any text is worth, in steps. A step takes a few nanoseconds.
const BASE_STEPS: usize = 1 << 15;

/// What it is worth besides, for each of its bytes. Mistakes that models make take one or two, and
/// as much again for each further attempt at the whole.
const STEPS_PER_BYTE: usize = 8;

/// What it costs to begin reading a document.
pub(crate) const PARSE_COST: usize = 64;

/// What it costs to read a byte once more.
pub(crate) const REREAD_COST: usize = 2;

/// How many bytes a search for one of a few takes at a step.
pub(crate) const BYTES_PER_STEP: usize = 16;

/// The steps taken for a text, and those it is worth.
#[derive(Debug)]
pub(crate) struct WorkBudget {
    spent: Cell<usize>,
    limit: Cell<usize>,
}

impl WorkBudget {
    /// None taken yet for a text of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { spent: Cell::new(0), limit: Cell::new(BASE_STEPS + STEPS_PER_BYTE * bytes) }
    }

    /// More bytes have come.
    pub(crate) fn extend(&self, bytes: usize) {
        self.limit.set(self.limit.get() + STEPS_PER_BYTE * bytes);
    }

    /// Pays for so many steps.
    pub(crate) fn spend(&self, steps: usize) {
        self.spent.set(self.spent.get() + steps);
    }

    /// Whether the text is not worth another look.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.spent.get() >= self.limit.get()
    }
}

#[cfg(test)]
#[path = "../tests/support/hostile_texts.rs"]
mod hostile_texts;

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::{REREAD_COST, WorkBudget, hostile_texts::hostile};
    use crate::{lookahead::SourceText, schema::ExpectedShape, stream::Stream, whole};

    /// How many bytes of each text.
    const BYTES: usize = 8 << 10;

    /// How many steps may be taken after the last check, besides reading all once more.
    const ONE_LOOK: usize = 4 << 10;

    /// Only one in so many texts: `REPAIR_FUZZ` asks for all of them.
    fn so_many() -> usize {
        if std::env::var_os("REPAIR_FUZZ").is_some() { 1 } else { 97 }
    }

    fn assert_paid(effort: &WorkBudget, text: &str) {
        let (taken, worth) = (effort.spent.get(), effort.limit.get());
        let last = REREAD_COST * text.len() + ONE_LOOK;
        assert!(taken <= worth + last, "{taken} steps of {worth} for {text:.40}");
    }

    #[test]
    fn no_text_takes_more_steps_than_it_is_worth() {
        for text in hostile(BYTES).step_by(so_many()) {
            let effort = WorkBudget::new(text.len());
            let source = SourceText { bytes: text.as_bytes(), is_complete: true, budget: &effort };
            whole::find_documents(source).ok();
            assert_paid(&effort, &text);
        }
    }

    #[test]
    fn no_stream_takes_more_steps_than_it_is_worth() {
        for text in hostile(BYTES).step_by(so_many()) {
            let (mut stream, mut out) = (Stream::new(&ExpectedShape::default()), Vec::new());
            for character in text.chars() {
                let piece = &mut [0; 4];
                if stream.feed(character.encode_utf8(piece), &mut out).is_err() {
                    break;
                }
            }
            assert_paid(&stream.budget, &text);
        }
    }
}
