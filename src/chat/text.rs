//! Strings that stay JSON: most text only passes through, so it is neither unescaped nor escaped.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

/// A string as a JSON token, quotes and escapes included. Borrowed from a body, or made here.
#[derive(Clone, Debug)]
pub struct Text<'a>(Token<'a>);

#[derive(Clone, Debug)]
enum Token<'a> {
    /// Invariant: a JSON string.
    Borrowed(&'a RawValue),
    /// Invariant: a JSON string.
    Made(String),
}

impl<'a> Text<'a> {
    /// A text from plain characters.
    pub fn new(plain: &str) -> Self {
        let mut json = Vec::with_capacity(plain.len() + 2);
        crate::json::write(&mut json, plain);
        Self(Token::Made(String::from_utf8(json).unwrap_or_else(|_| "\"\"".to_owned())))
    }

    /// The text in `raw`, if that is a string.
    pub fn from_raw(raw: &'a RawValue) -> Option<Self> {
        raw.get().starts_with('"').then_some(Self(Token::Borrowed(raw)))
    }

    /// The token, with its quotes.
    pub fn json(&self) -> &str {
        match &self.0 {
            Token::Borrowed(raw) => raw.get(),
            Token::Made(json) => json,
        }
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

    /// Whether no character is in it.
    pub fn is_empty(&self) -> bool {
        self.escaped().is_empty()
    }

    /// Both texts as one, with `between`, which needs no escaping, in the middle.
    pub fn join(&self, between: &str, other: &Text<'_>) -> Text<'static> {
        Text(Token::Made(format!("\"{}{between}{}\"", self.escaped(), other.escaped())))
    }

    /// Texts as one.
    pub fn concat(texts: &[Self]) -> Self {
        if let [one] = texts {
            return one.clone();
        }
        let all: String = texts.iter().map(Self::escaped).collect();
        Self(Token::Made(format!("\"{all}\"")))
    }

    /// The text on its own feet.
    pub fn into_owned(self) -> Text<'static> {
        Text(Token::Made(self.json().to_owned()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).ok_or_else(|| D::Error::custom("expected a string"))
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Token::Borrowed(raw) => raw.serialize(serializer),
            Token::Made(_) => self.decode().serialize(serializer),
        }
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
        assert_eq!(serde_json::to_string(&joined).unwrap(), r#""A\": a\né \"b\"""#);
    }

    #[test]
    fn only_strings_are_texts() {
        for json in ["1", "null", "[\"a\"]", "{}"] {
            assert!(serde_json::from_str::<Text<'_>>(json).is_err(), "{json}");
        }
    }
}
