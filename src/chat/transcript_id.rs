//! The id of a transcript.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de::Error as _};

/// A transcript's id, fit for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptId(
    /// Invariant: 1 to 128 letters, digits, `-` and `_`.
    String,
);

impl TranscriptId {
    /// The permitted form. AssemblyAI's ids are UUIDs or, from earlier years, letters and dashes.
    pub const ALLOWED: &'static str = "up to 128 letters, digits, `-` and `_`";

    /// Returns an id, or `None` for an invalid one.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for TranscriptId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(Self::ALLOWED))
    }
}

impl fmt::Display for TranscriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
