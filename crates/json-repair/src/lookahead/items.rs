//! The confidence that an item of an array begins at a position.

use super::{Confidence, Lookahead, MAX_ADJACENT_STRINGS, MAX_KEY_LENGTH, SourceText};

impl SourceText<'_> {
    /// Returns the confidence that an item of an array begins at `at`.
    pub(crate) fn item_confidence(self, at: usize) -> Lookahead<Confidence> {
        let Some(byte) = self.peek_mark(at)? else { return Ok(Confidence::High) };
        if self.quote_at(at).is_some() {
            return self.string_item_confidence(at);
        }
        match byte {
            b'[' | b']' => Ok(Confidence::High),
            b'{' => {
                let inside = self.next_token(at + 1)?;
                let good =
                    inside.is_none_or(|(at, byte)| byte == b'}' || self.quote_at(at).is_some());
                Ok(if good { Confidence::High } else { Confidence::Low })
            }
            b'.' if self.has_at(at, b"...")? => Ok(Confidence::High),
            _ if self.scalar_end(at)?.is_some() => Ok(Confidence::High),
            _ => self.unquoted_item_confidence(at),
        }
    }

    /// Returns the confidence that an item without quotes, for example a number of another
    /// language, begins at `at`.
    fn unquoted_item_confidence(self, at: usize) -> Lookahead<Confidence> {
        let rest = self.tail(at);
        let rest = rest.get(..MAX_KEY_LENGTH).unwrap_or(rest);
        let end = rest.iter().position(|byte| b",]\"\n{}[:".contains(byte));
        self.budget.spend(end.unwrap_or(rest.len()));
        let Some(end) = end else {
            return if rest.len() < MAX_KEY_LENGTH { self.peek(at + rest.len()) } else { Ok(None) }
                .map(|_| Confidence::None);
        };
        let ends = matches!(rest.get(end), Some(b',' | b']' | b'\n'));
        Ok(if end > 0 && ends { Confidence::Low } else { Confidence::None })
    }

    /// Returns the confidence that a string in an array begins at `at`.
    fn string_item_confidence(self, at: usize) -> Lookahead<Confidence> {
        let Some(mut after) = self.after_string(at)? else { return Ok(Confidence::Low) };
        // Strings may follow each other without commas.
        for _ in 0..MAX_ADJACENT_STRINGS {
            match self.next_token(after)? {
                Some((next, _)) if next > after && self.quote_at(next).is_some() => {
                    let Some(end) = self.after_string(next)? else { return Ok(Confidence::Low) };
                    after = end;
                }
                _ => break,
            }
        }
        match self.next_token(after)? {
            None => Ok(Confidence::High),
            Some((_, b']' | b'}' | b'+')) => Ok(Confidence::High),
            Some((_, b':')) => Ok(Confidence::Low),
            Some((next, b',' | b';')) => match self.next_token(next + 1)? {
                None | Some((_, b']' | b'}' | b'{' | b'[' | b'.' | b',')) => Ok(Confidence::High),
                Some((next, _)) if self.has_value_at(next)? => Ok(Confidence::High),
                Some((next, _)) => self.unquoted_item_confidence(next),
            },
            Some((next, _)) if self.has_line_break(after, next) => Ok(Confidence::High),
            Some((next, _)) if next > after && self.scalar_end(next)?.is_some() => {
                Ok(Confidence::High)
            }
            Some(_) => Ok(Confidence::Low),
        }
    }
}
