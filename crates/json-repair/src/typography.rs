//! Characters in the place of those that JSON has: typographic quotes and unusual white space.

/// A kind of quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    Double,
    Single,
    Backtick,
    /// “ ” „ ‟ « »
    CurlyDouble,
    /// ‘ ’ ‚ ‛
    CurlySingle,
}

impl Quote {
    /// Returns whether a string that begins with this quote may end with `other`.
    pub(crate) fn is_closed_by(self, other: Self) -> bool {
        self == other
    }
}

/// Returns the length of one white space character that JSON does not have, or 0.
pub(crate) fn unusual_whitespace_length(text: &[u8]) -> usize {
    match text {
        [0..=0x1f, ..] => usize::from(!matches!(text.first(), Some(b' ' | b'\n' | b'\t' | b'\r'))),
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..] | [0xe1, 0xa0, 0x8e, ..] | [0xe3, 0x80, 0x80, ..] => 3,
        [0xe2, 0x80, 0x80..=0x8f | 0xa8 | 0xa9 | 0xaf, ..] => 3,
        [0xe2, 0x81, 0x9f | 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

/// Returns the typographic quote that `text` begins with, with its length in bytes.
pub(crate) fn curly_quote(text: &[u8]) -> Option<(Quote, usize)> {
    match text {
        [0xe2, 0x80, 0x9c..=0x9f, ..] => Some((Quote::CurlyDouble, 3)),
        [0xe2, 0x80, 0x98..=0x9b, ..] => Some((Quote::CurlySingle, 3)),
        [0xc2, 0xab | 0xbb, ..] => Some((Quote::CurlyDouble, 2)),
        [0xc2, 0xb4, ..] => Some((Quote::Backtick, 2)),
        _ => None,
    }
}
