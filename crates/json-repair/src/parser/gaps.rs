//! Text between tokens: white space, comments, and bytes that carry no data.

use super::{Parser, StopReason};
use crate::{
    lookahead::{Lookahead, SourceText},
    report::FlawKind,
    strict::is_whitespace,
    typography::unusual_whitespace_length,
};

impl Parser {
    /// Skips white space and comments between tokens.
    pub(super) fn skip_gap(&mut self, source: SourceText<'_>) -> Lookahead<()> {
        loop {
            let start = self.position;
            let rest = source.tail(start);
            let length = rest.iter().take_while(|byte| is_whitespace(**byte)).count();
            if length > 0 {
                self.keep_whitespace(rest.get(..length).unwrap_or_default());
                self.position += length;
            }
            // Nearly always a token follows at once.
            if matches!(rest.get(length), Some(b'"' | b'$'..=b'.' | b'0'..=b'~')) {
                return Ok(());
            }
            let unusual = unusual_whitespace_length(source.tail(self.position));
            if unusual > 0 {
                self.record(FlawKind::WhiteSpace);
                self.position += unusual;
            }
            let comment = source.comment_length(self.position)?;
            if comment > 0 {
                self.record(FlawKind::Comment);
                self.position += comment;
            }
            if self.position == start {
                return Ok(());
            }
        }
    }

    /// Adds white space to the pending text, and measures the indentation.
    fn keep_whitespace(&mut self, whitespace: &[u8]) {
        self.pending.extend_from_slice(whitespace);
        if let Some(line) = memchr::memrchr(b'\n', whitespace) {
            let indent = whitespace.len() - line - 1;
            self.line_indent = indent.try_into().unwrap_or(u16::MAX);
            self.at_line_start = true;
        }
    }

    /// Skips bytes between tokens that carry no data: dots for more values, escapes of white space.
    /// Finishes the document at an end marker. Returns whether anything was skipped.
    pub(super) fn skip_stray(
        &mut self,
        source: SourceText<'_>,
        byte: u8,
    ) -> Result<bool, StopReason> {
        if !matches!(byte, b'.' | b'\\' | b'`' | b'~' | b'<' | 0xe2) {
            return Ok(false);
        }
        let dots = match byte {
            b'.' if source.has_at(self.position, b"...")? => {
                source.tail(self.position).iter().take_while(|byte| **byte == b'.').count()
            }
            0xe2 if source.has_at(self.position, "…".as_bytes())? => 3,
            _ => 0,
        };
        if dots > 0 {
            self.record(FlawKind::Ellipsis);
            self.position += dots;
            return Ok(true);
        }
        if byte == b'\\' {
            let is_whitespace = matches!(source.peek(self.position + 1)?, Some(b'n' | b't' | b'r'));
            if is_whitespace {
                self.record(FlawKind::WrongEscape);
                self.position += 2;
            }
            return Ok(is_whitespace);
        }
        if !self.stack.is_empty() && source.has_end_marker_at(self.position)? {
            self.finish_document(FlawKind::MissingBracket)?;
            return Ok(true);
        }
        Ok(false)
    }
}
