//! Data of other providers that clients carry from one turn to the next, in thinking blocks: clients
//! return those unchanged. Claude API, *Building with extended thinking*, "Preserving thinking
//! blocks".
//!
//! The signature of a block that Claude has not signed, and the data of a redacted one, begin with a
//! prefix of the gateway's own. No base64, which those of Claude are, begins with it.

use serde_json::{Map, Value, value::RawValue};

use crate::chat::text::Text;

/// Prefix of signatures and data that the gateway wrote. It needs no escapes.
const PREFIX: &str = "attache.";

/// Signature of thinking that no provider has signed.
pub(crate) const UNSIGNED: &str = "attache.unsigned";

/// Data that a client carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CarriedData<'a> {
    /// Entries of `reasoning_details`, an array in JSON.
    Details(&'a str),
    /// `extra_content` of the next call, an object in JSON.
    ExtraContent(&'a str),
}

impl CarriedData<'_> {
    /// Returns the data of a redacted block.
    pub(crate) fn to_data(&self) -> String {
        match self {
            Self::Details(json) => [PREFIX, "details.", json].concat(),
            Self::ExtraContent(json) => [PREFIX, "call.", json].concat(),
        }
    }
}

impl<'a> CarriedData<'a> {
    /// Reads what [`Self::to_data`] wrote. `None` for any other data.
    pub(crate) fn parse(data: &'a str) -> Option<Self> {
        let carried = data.strip_prefix(PREFIX)?;
        let details = carried.strip_prefix("details.").filter(|json| is_json(json, '['));
        let extra = || carried.strip_prefix("call.").filter(|json| is_json(json, '{'));
        details.map(Self::Details).or_else(|| extra().map(Self::ExtraContent))
    }
}

fn is_json(text: &str, first: char) -> bool {
    text.starts_with(first) && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Returns `true` for JSON that may hold a signature or data that the gateway wrote, or a signature
/// that is empty. Claude refuses both.
pub fn is_foreign_block(json: &str) -> bool {
    json.contains("\"attache.") || json.contains("\"signature\":\"\"")
}

/// Returns `true` for a signature or data that the gateway wrote.
pub(crate) fn is_own(text: &Text<'_>) -> bool {
    text.escaped().starts_with(PREFIX)
}

/// Returns entries of `reasoning_details` as one array. Pieces of a stream that have the same `index`
/// become one entry, as OpenAI's SDKs join them.
pub(crate) fn joined_details(details: &[String]) -> String {
    let mut entries: Vec<Map<String, Value>> = Vec::new();
    let pieces = details.iter().filter_map(|json| serde_json::from_str::<Map<_, _>>(json).ok());
    for piece in pieces {
        let is_same = |entry: &&mut Map<String, Value>| {
            entry.get("index") == piece.get("index") && entry.get("type") == piece.get("type")
        };
        match entries.iter_mut().find(is_same) {
            Some(entry) => join(entry, piece),
            None => entries.push(piece),
        }
    }
    serde_json::to_string(&entries).unwrap_or_default()
}

/// Appends the texts of a piece, and takes over its other fields.
fn join(entry: &mut Map<String, Value>, piece: Map<String, Value>) {
    for (key, value) in piece {
        match (entry.get_mut(&key), value) {
            (Some(Value::String(text)), Value::String(more)) if is_text(&key) => {
                text.push_str(&more);
            }
            (_, Value::Null) => {}
            (_, value) => {
                entry.insert(key, value);
            }
        }
    }
}

/// Returns `true` for a field that comes in pieces. OpenRouter, *Reasoning tokens*.
fn is_text(key: &str) -> bool {
    matches!(key, "text" | "summary" | "data" | "signature")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_back_as_it_was_written() {
        for carried in [
            CarriedData::Details(r#"[{"type":"reasoning.encrypted","data":"x"}]"#),
            CarriedData::ExtraContent(r#"{"google":{"thought_signature":"x"}}"#),
        ] {
            assert_eq!(CarriedData::parse(&carried.to_data()), Some(carried));
        }
        for data in ["EuYBCkQ", "attache.", "attache.details.x", "attache.call.[]", UNSIGNED] {
            assert_eq!(CarriedData::parse(data), None, "{data}");
        }
    }

    #[test]
    fn pieces_of_one_entry_are_joined() {
        let pieces = [
            r#"{"type":"reasoning.text","text":"a","index":0,"format":null}"#,
            r#"{"type":"reasoning.text","text":"b","index":0,"signature":"s"}"#,
            r#"{"type":"reasoning.encrypted","data":"x","index":1}"#,
            "1",
        ];
        assert_eq!(
            joined_details(&pieces.map(str::to_owned)),
            r#"[{"type":"reasoning.text","text":"ab","index":0,"format":null,"signature":"s"},{"type":"reasoning.encrypted","data":"x","index":1}]"#
        );
    }
}
