//! Characters in the place of those that JSON has: typographic quotes, unusual white space, and the
//! full-width punctuation of Chinese and Japanese.

/// A kind of quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    Double,
    Single,
    Backtick,
    /// “ ” „ ‟ « » ＂
    CurlyDouble,
    /// ‘ ’ ‚ ‛ ＇
    CurlySingle,
    /// 「 」 『 』
    Corner,
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
        [0xef, 0xbc, 0x82, ..] => Some((Quote::CurlyDouble, 3)),
        [0xef, 0xbc, 0x87, ..] => Some((Quote::CurlySingle, 3)),
        [0xe3, 0x80, 0x8c..=0x8f, ..] => Some((Quote::Corner, 3)),
        _ => None,
    }
}

/// The length of a full-width mark, in bytes.
pub(crate) const FULL_WIDTH_LENGTH: usize = 3;

/// Returns the mark of JSON for the full-width mark that `text` begins with.
#[cold]
pub(crate) fn full_width_mark(text: &[u8]) -> Option<u8> {
    match text {
        // ： ， 、 ；
        [0xef, 0xbc, 0x9a, ..] => Some(b':'),
        [0xef, 0xbc, 0x8c, ..] | [0xe3, 0x80, 0x81, ..] => Some(b','),
        [0xef, 0xbc, 0x9b, ..] => Some(b';'),
        // ｛ ｝ ［ ］ 【 】
        [0xef, 0xbd, 0x9b, ..] => Some(b'{'),
        [0xef, 0xbd, 0x9d, ..] => Some(b'}'),
        [0xef, 0xbc, 0xbb, ..] | [0xe3, 0x80, 0x90, ..] => Some(b'['),
        [0xef, 0xbc, 0xbd, ..] | [0xe3, 0x80, 0x91, ..] => Some(b']'),
        _ => None,
    }
}

/// Returns a text without the typographic double quote at its end, if there is one.
pub(crate) fn strip_curly_quote(text: &[u8]) -> Option<&[u8]> {
    let (own, last) = text.split_at(text.len().checked_sub(3)?);
    matches!(curly_quote(last), Some((Quote::CurlyDouble, 3))).then_some(own)
}

/// Returns a text without the full-width comma at its end, and the white space around the comma.
pub(crate) fn strip_full_width_comma(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_end();
    let (own, last) = text.split_at(text.len().checked_sub(FULL_WIDTH_LENGTH)?);
    (full_width_mark(last) == Some(b',')).then_some(own.trim_ascii_end())
}
