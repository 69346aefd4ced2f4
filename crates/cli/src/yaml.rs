//! YAML as people write it: the operator's file, the model catalogue, and files that the command
//! writes for an operator to edit.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use serde_saphyr::{FlowMap, FlowSeq};

/// Parses YAML 1.2, where `n` and `no` are strings.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("not YAML: {error}"))
}

/// Returns a document as YAML. Short objects and lists are in one line, as in the sample.
pub(crate) fn text(document: &Value) -> Result<String, String> {
    let options =
        serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX, compact_list_indent: false };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(
        &mut text,
        &Layout { value: document, depth: 0 },
        options,
    )
    .map_err(|error| error.to_string())?;
    Ok(text)
}

/// A value at a depth of a document, written in one line if it is short.
struct Layout<'v> {
    value: &'v Value,
    depth: usize,
}

impl Serialize for Layout<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_short = self.value.to_string().len() + 2 * self.depth < LINE;
        let fits = self.depth > 1 && is_short && levels(self.value) <= LEVELS;
        match self.value {
            Value::Object(fields) if fits => FlowMap(fields).serialize(serializer),
            Value::Array(items) if fits => FlowSeq(items).serialize(serializer),
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &Layout { value, depth: self.depth + 1 })?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// The length of JSON that is written in one line.
const LINE: usize = 100;

/// The levels of objects and lists that are written in one line.
const LEVELS: usize = 2;

/// Returns the number of levels of objects and lists in a value.
fn levels(value: &Value) -> usize {
    let inner = match value {
        Value::Object(fields) => fields.values().map(levels).max(),
        Value::Array(items) => items.iter().map(levels).max(),
        _ => return 0,
    };
    inner.unwrap_or_default() + 1
}
