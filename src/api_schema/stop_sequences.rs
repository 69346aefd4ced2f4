//! The sequences of `stop`, which OpenAI takes as a string or as an array.

use serde_json::value::RawValue;

use crate::chat::text::Text;

/// Returns the sequences in the JSON of `stop`. Anything but texts is none.
pub(super) fn stop_sequences(json: &str) -> Vec<Text<'_>> {
    match serde_json::from_str::<&RawValue>(json).ok().and_then(Text::from_raw) {
        Some(sequence) => vec![sequence],
        None => serde_json::from_str(json).unwrap_or_default(),
    }
}
