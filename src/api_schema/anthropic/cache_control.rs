//! The marks of Claude's prompt cache. Guide *Prompt caching*.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{chat::text::Text, json::Object};

/// A cache mark: `{"type": "ephemeral"}`, with an optional `ttl`.
#[derive(Deserialize)]
struct CacheControl<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    ttl: Option<Text<'a>>,
}

impl<'a> CacheControl<'a> {
    /// Reads a mark. Returns `None` for one that Claude does not know.
    fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str::<Self>(raw.get()).ok().filter(|mark| mark.kind == "ephemeral")
    }
}

/// Returns whether Claude knows a mark.
pub(super) fn is_known_cache_control(raw: &RawValue) -> bool {
    CacheControl::read(raw).is_some()
}

/// Writes a mark, if Claude knows it.
pub(super) fn write_cache_control(object: &mut Object<'_>, cache_control: Option<&RawValue>) {
    let Some(mark) = cache_control.and_then(CacheControl::read) else { return };
    object.object("cache_control", |fields| {
        fields.value("type", "ephemeral");
        if let Some(ttl) = mark.ttl.filter(|ttl| matches!(ttl.decode().as_ref(), "5m" | "1h")) {
            fields.value("ttl", &ttl);
        }
    });
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn only_marks_the_provider_knows_go_to_its_cache() {
        let cases = [
            (r#"{"type":"ephemeral"}"#, r#"{"cache_control":{"type":"ephemeral"}}"#),
            (
                r#"{"type":"ephemeral","ttl":"1h","x":1}"#,
                r#"{"cache_control":{"type":"ephemeral","ttl":"1h"}}"#,
            ),
            (r#"{"type":"ephemeral","ttl":"9h"}"#, r#"{"cache_control":{"type":"ephemeral"}}"#),
            (r#"{"type":"persistent"}"#, "{}"),
            ("true", "{}"),
        ];
        for (mark, expected) in cases {
            let raw: &RawValue = serde_json::from_str(mark).unwrap();
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            write_cache_control(&mut object, Some(raw));
            object.close();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{mark}");
        }
    }
}
