//! Strings that remain JSON tokens: most text is only forwarded, so unescaping it would be wasted.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

use crate::json::{SurrogateHalf, well_formed};

/// String as a JSON token, quotes and escapes included. Borrowed from a body, or owned.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(
    /// Invariant: a JSON string.
    Cow<'a, RawValue>,
);

impl<'a> Text<'a> {
    /// Creates a text from plain characters.
    pub fn new(plain: &str) -> Self {
        Self(to_raw_value(plain).map_or_else(|_| null_token(), Cow::Owned))
    }

    /// Creates a text from the inside of a JSON string.
    pub fn from_escaped(escaped: &str) -> Text<'static> {
        let json = RawValue::from_string(format!("\"{escaped}\""));
        Text(json.map_or_else(|_| null_token(), Cow::Owned))
    }

    /// Returns the text in `raw`, if that is a string.
    pub fn from_raw(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self(Cow::Borrowed(raw)))
    }

    /// Returns the token, with its quotes.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Returns the token without its quotes, still escaped.
    pub fn escaped(&self) -> &str {
        let json = self.json();
        json.get(1..json.len() - 1).unwrap_or_default()
    }

    /// Returns the unescaped characters. A text with a lone surrogate, which is no character, is
    /// empty.
    pub fn decode(&self) -> Cow<'_, str> {
        let escaped = self.escaped();
        if !escaped.contains('\\') {
            return Cow::Borrowed(escaped);
        }
        Cow::Owned(serde_json::from_str(self.json()).unwrap_or_default())
    }

    /// Returns the unescaped characters, with the replacement character for a lone surrogate.
    pub fn decode_lossy(&self) -> Cow<'_, str> {
        let decoded = self.decode();
        if !decoded.is_empty() || self.is_empty() {
            return decoded;
        }
        let json = well_formed(Cow::Borrowed(self.json()));
        Cow::Owned(serde_json::from_str(&json).unwrap_or_default())
    }

    /// Joins a surrogate pair that is split between two pieces of a stream: prepends the half in
    /// `carry`, and moves a half at the end into `carry`. Returns `None` if there is no half.
    pub fn split_character(&self, carry: &mut String) -> Option<Text<'static>> {
        let escaped = self.escaped();
        let start = escaped.len().saturating_sub(SurrogateHalf::LENGTH);
        let (before, half) = (escaped.get(..start).unwrap_or_default(), escaped.get(start..));
        let slashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let found = half.and_then(|half| SurrogateHalf::at_start(half.as_bytes()));
        let is_half = found == Some(SurrogateHalf::High) && slashes % 2 == 0;
        if !is_half && carry.is_empty() {
            return None;
        }
        let own = if is_half { before } else { escaped };
        let joined = Self::from_escaped(&format!("{carry}{own}"));
        carry.clear();
        carry.push_str(half.filter(|_| is_half).unwrap_or_default());
        Some(joined)
    }

    /// Returns the unescaped characters, borrowed from the body if they have no escapes.
    pub fn into_decoded(self) -> Cow<'a, str> {
        match self.0 {
            Cow::Borrowed(raw) if !raw.get().contains('\\') => {
                let json = raw.get();
                Cow::Borrowed(json.get(1..json.len() - 1).unwrap_or_default())
            }
            token => Cow::Owned(Self(token).decode().into_owned()),
        }
    }

    /// Returns true for a text of white space only.
    pub fn is_blank(&self) -> bool {
        let first = self.escaped().bytes().next();
        // Most texts begin with another character.
        let may_be = first.is_none_or(|byte| matches!(byte, b' ' | b'\\' | 0x7f..));
        may_be && self.decode().trim().is_empty()
    }

    /// Returns true for a text without characters.
    pub fn is_empty(&self) -> bool {
        self.escaped().is_empty()
    }

    /// Returns both texts as one, separated by `between`, which needs no escaping.
    pub fn join(&self, between: &str, other: &Text<'_>) -> Text<'static> {
        Self::from_escaped(&format!("{}{between}{}", self.escaped(), other.escaped()))
    }

    /// Returns the concatenation of texts.
    pub fn concat(texts: &[Self]) -> Self {
        if let [one] = texts {
            return one.clone();
        }
        let all: String = texts.iter().map(Self::escaped).collect();
        Self::from_escaped(&all)
    }

    /// Returns an owned text.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

/// Returns the first character of an escaped text, and its length there. A half of a surrogate pair
/// is the replacement character.
pub fn escaped_character(escaped: &str) -> Option<(char, usize)> {
    let first = escaped.chars().next()?;
    if first != '\\' {
        return Some((first, first.len_utf8()));
    }
    Some(match escaped.chars().nth(1)? {
        'u' => {
            let code = escaped.get(2..6).and_then(|digits| u32::from_str_radix(digits, 16).ok())?;
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
        }
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        other => (other, 2),
    })
}

/// Returns the token for a string that cannot be JSON, which no string is.
fn null_token() -> Cow<'static, RawValue> {
    Cow::Borrowed(RawValue::NULL)
}

/// Compares tokens: a text that is escaped otherwise is not equal.
impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).ok_or_else(|| D::Error::custom("expected a string"))
    }
}

/// Reads an `Option<T>`: `None` for a value of the wrong type too, because one invalid field of a
/// provider should not invalidate its answer.
pub fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    // A shortcut, because errors are expensive and most events of a stream contain `null`.
    if raw.get() == "null" {
        return Ok(None);
    }
    Ok(serde_json::from_str(raw.get()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_escapes_and_gives_its_characters() {
        let text: Text<'_> = serde_json::from_str(r#""a\n\u00e9 \"b\"""#).unwrap();
        assert_eq!(text.json(), r#""a\n\u00e9 \"b\"""#);
        assert_eq!(text.decode(), "a\né \"b\"");
        assert_eq!(serde_json::to_string(&text).unwrap(), text.json());
        let joined = Text::new("A\"").join(": ", &text);
        assert_eq!(joined.decode(), "A\": a\né \"b\"");
        assert_eq!(serde_json::to_string(&joined).unwrap(), joined.json());
    }

    #[test]
    fn a_lone_half_of_a_character_is_replaced_and_a_cut_one_joined() {
        let text = |json| serde_json::from_str::<Text<'_>>(json).unwrap();
        assert_eq!(text(r#""a\ud83d b\\ud83d""#).decode_lossy(), "a\u{fffd} b\\ud83d");
        assert_eq!(text(r#""\ud83d\ude00\ude00""#).decode_lossy(), "😀\u{fffd}");
        let mut carry = String::new();
        assert!(text(r#""x\\ud83d""#).split_character(&mut carry).is_none());
        let first = text(r#""x\ud83d""#).split_character(&mut carry).unwrap();
        let second = text(r#""\ude00y""#).split_character(&mut carry).unwrap();
        assert_eq!((first.decode_lossy(), second.decode_lossy()), ("x".into(), "😀y".into()));
        assert!(carry.is_empty());
    }

    #[test]
    fn only_strings_are_texts() {
        for json in ["1", "null", "[\"a\"]", "{}"] {
            assert!(serde_json::from_str::<Text<'_>>(json).is_err(), "{json}");
        }
    }
}
