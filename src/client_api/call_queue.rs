//! The calls of a stream, one after the other: blocks do not interleave, and the arguments of calls
//! may.

use crate::{chat::text::Text, sse::MAX_EVENT};

/// Calls of a stream.
#[derive(Debug, Default)]
pub(crate) struct CallQueue {
    /// Ids of all calls, by their indices.
    ids: Vec<String>,
    /// Calls that wait for the end of the one before, in order. They are the last of `ids`.
    waiting: Vec<WaitingCall>,
    /// Arguments of the call before those, as far as they have come. `None` if no call is open.
    open: Option<ArgumentScan>,
    /// Length of the arguments of waiting calls.
    length: usize,
}

/// Call that has not been written.
#[derive(Debug)]
pub(crate) struct WaitingCall {
    /// Id that the client gets.
    pub(crate) id: String,
    /// Name of the tool, as JSON.
    pub(crate) name: Text<'static>,
    /// Data that the provider needs back.
    pub(crate) extra_content: Option<String>,
    /// Arguments that have come, escaped.
    pub(crate) arguments: String,
}

impl CallQueue {
    /// Returns `true` if there are no calls.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns `true` if no call waits, and the arguments of the last one are complete.
    pub(crate) fn is_complete(&self) -> bool {
        self.waiting.is_empty() && self.open.as_ref().is_none_or(ArgumentScan::is_complete)
    }

    /// Adds a call, unless its index is not the next one. An id that is missing, or that another call
    /// has, is replaced by `own_id`: clients match results by it.
    pub(crate) fn push(&mut self, call: usize, mut waiting: WaitingCall, own_id: String) {
        if self.ids.len() != call {
            return;
        }
        if waiting.id.is_empty() || self.ids.contains(&waiting.id) {
            waiting.id = own_id;
        }
        self.ids.push(waiting.id.clone());
        self.waiting.push(waiting);
    }

    /// Returns the next call if the one before is complete.
    pub(crate) fn next_ready(&mut self) -> Option<WaitingCall> {
        let is_ready = self.open.as_ref().is_none_or(ArgumentScan::is_complete);
        if is_ready || self.length > MAX_EVENT { self.next() } else { None }
    }

    /// Returns the next call, which is open from now on.
    pub(crate) fn next(&mut self) -> Option<WaitingCall> {
        if self.waiting.is_empty() {
            return None;
        }
        let call = self.waiting.remove(0);
        self.length = self.length.saturating_sub(call.arguments.len());
        let mut scan = ArgumentScan::default();
        scan.add(&call.arguments);
        self.open = Some(scan);
        Some(call)
    }

    /// Takes in arguments. Returns `true` if they are those of the open call.
    pub(crate) fn add_arguments(&mut self, call: usize, text: &Text<'_>) -> bool {
        let first = self.ids.len().saturating_sub(self.waiting.len());
        match call.checked_sub(first) {
            Some(position) => {
                if let Some(waiting) = self.waiting.get_mut(position) {
                    waiting.arguments.push_str(text.escaped());
                    self.length += text.escaped().len();
                }
                false
            }
            None if call + 1 == first => {
                if let Some(open) = &mut self.open {
                    open.add(text.escaped());
                }
                true
            }
            None => false,
        }
    }
}

/// Scan of the arguments of a call, for their end. Reads JSON that is escaped as a string.
#[derive(Debug, Default)]
struct ArgumentScan {
    depth: usize,
    has_begun: bool,
    in_string: bool,
    /// Backslashes in a row. `\"` is a quote, `\\\"` one within a string.
    slashes: usize,
}

impl ArgumentScan {
    fn is_complete(&self) -> bool {
        self.has_begun && self.depth == 0
    }

    fn add(&mut self, escaped: &str) {
        for byte in escaped.bytes() {
            self.add_byte(byte);
        }
    }

    fn add_byte(&mut self, byte: u8) {
        match byte {
            b'\\' => self.slashes += 1,
            b'"' => {
                // One backslash escapes the quote in the outer string; an odd number of pairs before it
                // escapes it in the arguments too.
                let is_escaped = (std::mem::take(&mut self.slashes) / 2) % 2 == 1;
                self.in_string ^= !is_escaped;
            }
            _ => {
                self.slashes = 0;
                match byte {
                    _ if self.in_string => {}
                    b'{' | b'[' => (self.depth, self.has_begun) = (self.depth + 1, true),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_complete_at_their_last_bracket() {
        for json in [r#"{"a":"}","b":["\"}"]}"#, r#"{"a\\":{"b":"\\\\"},"c":"\\\""}"#, "{}"] {
            let text = Text::new(json);
            let escaped = text.escaped();
            for cut in 0..=escaped.len() {
                let mut scan = ArgumentScan::default();
                scan.add(&escaped[..cut]);
                assert_eq!(scan.is_complete(), cut == escaped.len(), "{json} cut at {cut}");
                scan.add(&escaped[cut..]);
                assert!(scan.is_complete(), "{json} cut at {cut}");
            }
        }
    }
}
