//! Strings that stay JSON: most text only passes through, so it is neither unescaped nor escaped.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

/// A string as a JSON token, quotes and escapes included. Borrowed from a body, or made here.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Text<'a>(
    /// Invariant: a JSON string.
    Cow<'a, RawValue>,
);

impl<'a> Text<'a> {
    /// A text from plain characters.
    pub fn new(plain: &str) -> Self {
        Self(to_raw_value(plain).map_or_else(|_| nothing(), Cow::Owned))
    }

    /// The text in `raw`, if that is a string.
    pub fn from_raw(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self(Cow::Borrowed(raw)))
    }

    /// The token, with its quotes.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// What stands between the quotes, still escaped.
    pub fn escaped(&self) -> &str {
        let json = self.json();
        json.get(1..json.len() - 1).unwrap_or_default()
    }

    /// The characters themselves. A lone surrogate, which no character is, makes the text empty.
    pub fn decode(&self) -> Cow<'_, str> {
        let escaped = self.escaped();
        if !escaped.contains('\\') {
            return Cow::Borrowed(escaped);
        }
        Cow::Owned(serde_json::from_str(self.json()).unwrap_or_default())
    }

    /// The characters themselves, borrowed from where the text came from if they can be.
    pub fn into_decoded(self) -> Cow<'a, str> {
        match self.0 {
            Cow::Borrowed(raw) if !raw.get().contains('\\') => {
                let json = raw.get();
                Cow::Borrowed(json.get(1..json.len() - 1).unwrap_or_default())
            }
            token => Cow::Owned(Self(token).decode().into_owned()),
        }
    }

    /// Whether nothing but white space is in it.
    pub fn is_blank(&self) -> bool {
        let first = self.escaped().bytes().next();
        // Most texts begin with a character that says so.
        let may_be = first.is_none_or(|byte| matches!(byte, b' ' | b'\\' | 0x7f..));
        may_be && self.decode().trim().is_empty()
    }

    /// Whether no character is in it.
    pub fn is_empty(&self) -> bool {
        self.escaped().is_empty()
    }

    /// Both texts as one, with `between`, which needs no escaping, in the middle.
    pub fn join(&self, between: &str, other: &Text<'_>) -> Text<'static> {
        let json = format!("\"{}{between}{}\"", self.escaped(), other.escaped());
        Text(RawValue::from_string(json).map_or_else(|_| nothing(), Cow::Owned))
    }

    /// Texts as one.
    pub fn concat(texts: &[Self]) -> Self {
        if let [one] = texts {
            return one.clone();
        }
        let all: String = texts.iter().map(Self::escaped).collect();
        Self(RawValue::from_string(format!("\"{all}\"")).map_or_else(|_| nothing(), Cow::Owned))
    }

    /// The text on its own feet.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

/// What a string is that cannot be written as JSON, which no string is.
fn nothing() -> Cow<'static, RawValue> {
    Cow::Borrowed(RawValue::NULL)
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).ok_or_else(|| D::Error::custom("expected a string"))
    }
}

/// What comes to nothing: `Option<T>` that also takes values of the wrong type for none, because a
/// provider's odd field is no reason to lose its answer.
pub fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    // Not even asked: an error is dear, and this is what stands in most events of a stream.
    if raw.get() == "null" {
        return Ok(None);
    }
    Ok(serde_json::from_str(raw.get()).ok())
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
    fn only_strings_are_texts() {
        for json in ["1", "null", "[\"a\"]", "{}"] {
            assert!(serde_json::from_str::<Text<'_>>(json).is_err(), "{json}");
        }
    }
}
