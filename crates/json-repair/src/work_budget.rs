//! How much looking ahead a text is worth. Every look is paid for, so that no text takes more than
//! linear time: what needs more looks than mistakes ever do is beyond mending.

use std::cell::Cell;

/// What any text is worth, in steps. A step takes a few nanoseconds.
const FREE: usize = 1 << 15;

/// What it is worth besides, for each of its bytes. Mistakes that models make take one or two, and
/// as much again for each further attempt at the whole.
const PER_BYTE: usize = 8;

/// What it costs to begin reading a document.
pub(crate) const ATTEMPT: usize = 64;

/// What it costs to read a byte once more.
pub(crate) const READING: usize = 2;

/// How many bytes a search for one of a few takes at a step.
pub(crate) const VECTOR: usize = 16;

/// The steps taken for a text, and those it is worth.
#[derive(Debug)]
pub(crate) struct Effort {
    taken: Cell<usize>,
    worth: Cell<usize>,
}

impl Effort {
    /// None taken yet for a text of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { taken: Cell::new(0), worth: Cell::new(FREE + PER_BYTE * bytes) }
    }

    /// More bytes have come.
    pub(crate) fn earn(&self, bytes: usize) {
        self.worth.set(self.worth.get() + PER_BYTE * bytes);
    }

    /// Pays for so many steps.
    pub(crate) fn spend(&self, steps: usize) {
        self.taken.set(self.taken.get() + steps);
    }

    /// Whether the text is not worth another look.
    pub(crate) fn is_spent(&self) -> bool {
        self.taken.get() >= self.worth.get()
    }
}

#[cfg(test)]
#[path = "../tests/support/hostile_texts.rs"]
mod hostile_texts;

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::{Effort, READING, hostile_texts::hostile};
    use crate::{Guide, lookahead::Source, stream::Stream, whole};

    /// How many bytes of each text.
    const BYTES: usize = 8 << 10;

    /// How many steps may be taken after the last check, besides reading all once more.
    const ONE_LOOK: usize = 4 << 10;

    /// Only one in so many texts: `REPAIR_FUZZ` asks for all of them.
    fn so_many() -> usize {
        if std::env::var_os("REPAIR_FUZZ").is_some() { 1 } else { 97 }
    }

    fn assert_paid(effort: &Effort, text: &str) {
        let (taken, worth) = (effort.taken.get(), effort.worth.get());
        let last = READING * text.len() + ONE_LOOK;
        assert!(taken <= worth + last, "{taken} steps of {worth} for {text:.40}");
    }

    #[test]
    fn no_text_takes_more_steps_than_it_is_worth() {
        for text in hostile(BYTES).step_by(so_many()) {
            let effort = Effort::new(text.len());
            let source = Source { bytes: text.as_bytes(), complete: true, effort: &effort };
            whole::documents(source).ok();
            assert_paid(&effort, &text);
        }
    }

    #[test]
    fn no_stream_takes_more_steps_than_it_is_worth() {
        for text in hostile(BYTES).step_by(so_many()) {
            let (mut stream, mut out) = (Stream::new(&Guide::default()), Vec::new());
            for character in text.chars() {
                let piece = &mut [0; 4];
                if stream.feed(character.encode_utf8(piece), &mut out).is_err() {
                    break;
                }
            }
            assert_paid(&stream.effort, &text);
        }
    }
}
