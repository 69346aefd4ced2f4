//! Arguments of one call, as far as they have come in a stream.

use crate::chat::text::Text;

/// Progress of a call's arguments. Holds no text: the client has it already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ArgumentsProgress {
    digest: Digest,
    /// Objects and arrays that are open.
    depth: usize,
    position: Position,
    state: ArgumentsState,
}

/// State of the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ArgumentsState {
    /// Nothing has come.
    #[default]
    Missing,
    /// An empty object has come, which some servers send before the arguments, and which the client
    /// does not have yet.
    Placeholder,
    /// A part has come.
    Partial,
    /// A whole object has come.
    Complete,
}

/// Position in the text of the arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// Between tokens, or in a number or a literal.
    #[default]
    Outside,
    /// In a string.
    InString,
    /// Behind the backslash of a string.
    InEscape,
}

/// Digest of a text without the white space between its tokens: FNV-1a of 64 bits, as in
/// draft-eastlake-fnv.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digest {
    value: u64,
    length: usize,
}

impl Default for Digest {
    fn default() -> Self {
        Self { value: 0xcbf2_9ce4_8422_2325, length: 0 }
    }
}

impl ArgumentsProgress {
    /// Returns `true` if no arguments have come, or only an empty object.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.state, ArgumentsState::Missing | ArgumentsState::Placeholder)
    }

    /// Returns `true` if a whole object has come that holds something.
    pub(super) fn is_complete(&self) -> bool {
        self.state == ArgumentsState::Complete
    }

    /// Returns `true` if nothing has to follow.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.state, ArgumentsState::Placeholder | ArgumentsState::Complete)
    }

    /// Adds a piece. Returns `true` if the client gets it now.
    pub(super) fn add(&mut self, text: &Text<'_>) -> bool {
        if self.is_missing() {
            if is_empty_object(text) {
                self.state = ArgumentsState::Placeholder;
                return false;
            }
            if self.state == ArgumentsState::Placeholder && text.is_blank() {
                return false;
            }
            self.state = ArgumentsState::Partial;
        }
        text.decode_lossy().bytes().for_each(|byte| self.scan(byte));
        true
    }

    /// Ends arguments of which only an empty object has come. Returns `true` if the client gets that
    /// object now.
    pub(super) fn end_placeholder(&mut self) -> bool {
        let is_placeholder = self.state == ArgumentsState::Placeholder;
        if is_placeholder {
            self.state = ArgumentsState::Complete;
            b"{}".iter().for_each(|byte| self.scan(*byte));
        }
        is_placeholder
    }

    /// Returns `true` if a text holds nothing but what these arguments hold already.
    pub(super) fn are_repeated_by(&self, text: &Text<'_>) -> bool {
        if is_empty_object(text) {
            return self.may_end();
        }
        let mut other = Self { state: ArgumentsState::Partial, ..Self::default() };
        text.decode_lossy().bytes().for_each(|byte| other.scan(byte));
        self.is_complete() && other == *self
    }

    fn scan(&mut self, byte: u8) {
        if self.position != Position::Outside || !byte.is_ascii_whitespace() {
            self.digest.add(byte);
        }
        self.position = match (self.position, byte) {
            (Position::InString, b'\\') => Position::InEscape,
            (Position::InEscape, _) | (Position::Outside, b'"') => Position::InString,
            (Position::InString, b'"') => Position::Outside,
            (position, _) => position,
        };
        if self.position == Position::Outside {
            self.count_bracket(byte);
        }
    }

    fn count_bracket(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.state = ArgumentsState::Complete;
                }
            }
            _ => {}
        }
    }
}

impl Digest {
    fn add(&mut self, byte: u8) {
        self.value = (self.value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.length += 1;
    }
}

/// Returns `true` if a text begins an object.
pub(super) fn begins_object(text: &Text<'_>) -> bool {
    text.decode_lossy().trim_start().starts_with('{')
}

/// Returns `true` for an object that holds nothing.
pub(super) fn is_empty_object(text: &Text<'_>) -> bool {
    // Most pieces are longer, or begin otherwise.
    let may_be = text.escaped().len() < 16;
    may_be && text.decode().bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(pieces: &[&str]) -> ArgumentsProgress {
        let mut progress = ArgumentsProgress::default();
        for piece in pieces {
            progress.add(&Text::new(piece));
        }
        progress
    }

    #[test]
    fn arguments_are_complete_when_their_object_is() {
        let cases: [(&[&str], bool); 7] = [
            (&[], false),
            (&["{", r#""a":{"b":[1]}"#], false),
            (&["{", r#""a":{"b":[1]}"#, "}"], true),
            (&[r#"{"a":"}"#], false),
            (&[r#"{"a":"\"#, r#""}"#, r#"""#, "}"], true),
            (&["null"], false),
            (&["{}", r#"{"a""#, ":1}"], true),
        ];
        for (pieces, complete) in cases {
            assert_eq!(progress(pieces).is_complete(), complete, "{pieces:?}");
        }
    }

    #[test]
    fn a_repetition_may_have_other_white_space_outside_of_strings() {
        let told = progress(&[r#"{"a":"#, r#""x y","b":[1,2]}"#]);
        let cases = [
            (r#"{"a":"x y","b":[1,2]}"#, true),
            ("{ \"a\": \"x y\",\n \"b\": [1, 2] }", true),
            (r#"{"a":"xy","b":[1,2]}"#, false),
            (r#"{"a":"x y","b":[1,2]"#, false),
            ("{}", true),
        ];
        for (text, repeated) in cases {
            assert_eq!(told.are_repeated_by(&Text::new(text)), repeated, "{text}");
        }
    }

    #[test]
    fn an_empty_object_gives_way_to_the_arguments_that_follow() {
        let mut waiting = progress(&["{}", " "]);
        assert!(waiting.is_missing() && waiting.may_end());
        assert!(waiting.clone().add(&Text::new("{\"a\":1}")));
        assert!(waiting.end_placeholder() && !waiting.end_placeholder());
        assert!(waiting.is_complete());
    }
}
