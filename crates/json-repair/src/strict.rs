//! Valid JSON, as in RFC 8259.

/// Returns whether `text` is one valid JSON value, with optional white space around it.
pub fn is_json(text: &[u8]) -> bool {
    let mut cursor = Validator { text, position: 0 };
    let mut open = Vec::new();
    cursor.skip_value(&mut open).is_some() && open.is_empty() && cursor.next_byte().is_none()
}

/// A validator of one text.
struct Validator<'t> {
    text: &'t [u8],
    position: usize,
}

impl Validator<'_> {
    /// Skips a value with all that it contains, and returns `None` if it is invalid. `open` is the
    /// stack of closing brackets: recursion would overflow on deeply nested input.
    fn skip_value(&mut self, open: &mut Vec<u8>) -> Option<()> {
        loop {
            let mut is_closed = match self.next_byte()? {
                b'{' => self.open_object(open)?,
                b'[' => self.open_array(open)?,
                b'"' => self.skip_string()?,
                _ => self.skip_scalar()?,
            };
            while is_closed {
                let Some(closer) = open.last() else { return Some(()) };
                match self.next_byte()? {
                    b',' => {
                        self.position += 1;
                        if *closer == b'}' {
                            self.skip_key()?;
                        }
                        is_closed = false;
                    }
                    byte if byte == *closer => {
                        self.position += 1;
                        open.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Skips white space and returns the byte behind it.
    fn next_byte(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.position)?;
            if !is_whitespace(byte) {
                return Some(byte);
            }
            self.position += 1;
        }
    }

    /// Skips `{`, or `{}`. Returns whether the object is empty.
    fn open_object(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        self.position += 1;
        if self.next_byte()? == b'}' {
            self.position += 1;
            return Some(true);
        }
        open.push(b'}');
        self.skip_key()?;
        Some(false)
    }

    /// Skips `[`, or `[]`. Returns whether the array is empty.
    fn open_array(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        self.position += 1;
        if self.next_byte()? == b']' {
            self.position += 1;
            return Some(true);
        }
        open.push(b']');
        Some(false)
    }

    /// Skips a key and its colon.
    fn skip_key(&mut self) -> Option<()> {
        if self.next_byte()? != b'"' {
            return None;
        }
        self.skip_string()?;
        if self.next_byte()? != b':' {
            return None;
        }
        self.position += 1;
        Some(())
    }

    /// Skips a string. Returns `true`, because a string is complete.
    fn skip_string(&mut self) -> Option<bool> {
        self.position += 1;
        loop {
            let rest = self.text.get(self.position..)?;
            self.position += rest.iter().position(|byte| must_be_escaped(*byte))?;
            match self.text.get(self.position)? {
                b'"' => {
                    self.position += 1;
                    return Some(true);
                }
                b'\\' => self.position += escape_length(self.text.get(self.position..)?)?,
                _ => return None,
            }
        }
    }

    /// Skips a number or a literal. Returns `true`, because a scalar is complete.
    fn skip_scalar(&mut self) -> Option<bool> {
        let rest = self.text.get(self.position..)?;
        let literal = [&b"true"[..], b"false", b"null"].into_iter().find(|it| rest.starts_with(it));
        self.position += match literal {
            Some(literal) => literal.len(),
            None => number_length(rest)?,
        };
        Some(true)
    }
}

/// Returns whether a byte is white space in JSON.
pub(crate) fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
}

/// Returns whether a byte of a string must be escaped.
pub(crate) fn must_be_escaped(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Returns the length of the escape that `text` begins with, if JSON has the escape.
pub(crate) fn escape_length(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Returns the length of the number that `text` begins with (RFC 8259, section 6).
pub(crate) fn number_length(text: &[u8]) -> Option<usize> {
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digit_count(text, at);
    if whole == 0 || (whole > 1 && text.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digit_count(text, at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digit_count(text, at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// Returns the number of digits at `at`.
pub(crate) fn digit_count(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_json() {
        let yes = [
            "0",
            "-0.0",
            "1e5",
            "1E+400",
            " [ ] ",
            "{}",
            "[1,[],{\"a\":{}}]",
            "\"\\ud800\"",
            "\"\\u00e9\\/\"",
            "{\"a\":1,\"a\":2}",
            "null",
            "\n\t\r true ",
            "[[[]]]",
            "\"\u{7f}é\"",
        ];
        for json in yes {
            assert!(is_json(json.as_bytes()), "{json}");
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok(), "{json}");
        }
        let no = [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "[1 2]",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"",
            "tru",
            "nulll",
            "[1]]",
            "{} {}",
            "{\"a\":1,}",
            "[",
            "{\"a\":1",
            "\u{feff}{}",
            "[1}",
            "{a:1}",
            "NaN",
        ];
        for json in no {
            assert!(!is_json(json.as_bytes()), "{json}");
        }
    }

    #[test]
    fn nesting_has_no_limit() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert!(is_json(deep.as_bytes()));
        assert!(!is_json(deep.get(1..).unwrap().as_bytes()));
    }
}
