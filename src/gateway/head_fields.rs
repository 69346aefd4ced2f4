//! Fields of a request that come in its head: for clients that cannot add fields to a body.

use serde_json::value::RawValue;

use crate::{
    chat::{object::ObjectFields, parameter::Parameter},
    json::{self, Object, list},
};

/// Prefix of the headers. The rest of a name is that of the field, with hyphens.
const PREFIX: &str = "x-attache-";

/// Longest value of a header that is read, in bytes.
const MAX_VALUE: usize = 4096;

/// Fields of the gateway's own, by their names, with their values in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeadFields(Vec<(Parameter, Vec<u8>)>);

impl HeadFields {
    /// Takes in a header, if it holds a field.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let field = name.strip_prefix(PREFIX).and_then(|field| match field {
            "fallbacks" => Some((Parameter::Fallbacks, objects("model", value))),
            "fallback-config" => Some((Parameter::FallbackConfig, settings(value))),
            "post-processing-steps" => {
                Some((Parameter::PostProcessingSteps, objects("type", value)))
            }
            "transcript-id" => Some((Parameter::TranscriptId, string(value))),
            _ => None,
        });
        if value.len() <= MAX_VALUE {
            self.0.extend(field.filter(|(name, _)| self.0.iter().all(|(other, _)| other != name)));
        }
    }

    /// Returns a body with these fields. A field of the body takes precedence over one of the head.
    /// `None` if nothing is to be added.
    pub(super) fn added_to(&self, body: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let present: ObjectFields<'_> = json::read(body).ok()?;
        let missing: Vec<_> =
            self.0.iter().filter(|(name, _)| present.get(name.name()).is_none()).collect();
        let is_new = |key: &str| missing.iter().all(|(name, _)| name.name() != key);
        if missing.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(body.len() + MAX_VALUE);
        let mut object = Object::open(&mut out);
        for (key, raw) in present.iter().filter(|(key, _)| is_new(key)) {
            object.foreign_key(key).extend_from_slice(raw.get().as_bytes());
        }
        for (name, json) in missing {
            object.raw(name.name(), json);
        }
        object.close();
        Some(out)
    }
}

/// Returns the words of a list, separated by commas.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Returns an array of objects with one field each.
fn objects(key: &str, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    list(&mut out, words(value), |out, word| {
        let mut object = Object::open(out);
        object.value(key, word);
        object.close();
    });
    out
}

/// Returns an object for `NAME=VALUE` pairs. A value that is no JSON is a string.
fn settings(value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for (name, value) in words(value).filter_map(|pair| pair.split_once('=')) {
        let out = object.foreign_key(name.trim());
        match serde_json::from_str::<&RawValue>(value) {
            Ok(raw) => out.extend_from_slice(raw.get().as_bytes()),
            Err(_) => json::write(out, value),
        }
    }
    object.close();
    out
}

fn string(value: &str) -> Vec<u8> {
    serde_json::to_vec(value.trim()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(headers: &[(&str, &str)], body: &str) -> Option<String> {
        let mut fields = HeadFields::default();
        headers.iter().for_each(|(name, value)| fields.add(name, value));
        fields.added_to(body.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn headers_become_fields_of_the_body() {
        let headers = [
            ("x-attache-fallbacks", "a, b\"c,"),
            ("x-attache-fallback-config", "depth=2, retry=false,mode=x,\"a\"=1"),
            ("x-attache-post-processing-steps", "json-repair"),
            ("x-attache-transcript-id", "t-1"),
            ("x-attache-transcript-id", "t-2"),
            ("x-attache-account", "acme"),
        ];
        let body = r#"{"model":"m","a\"b":[1, 2],"\"":3,"fallbacks":null}"#;
        assert_eq!(
            added(&headers, body).unwrap(),
            r#"{"model":"m","a\"b":[1, 2],"\"":3,"fallbacks":[{"model":"a"},{"model":"b\"c"}],"fallback_config":{"depth":2,"retry":false,"mode":"x","\"a\"":1},"post_processing_steps":[{"type":"json-repair"}],"transcript_id":"t-1"}"#
        );
    }

    #[test]
    fn a_field_of_the_body_takes_precedence() {
        let header = [("x-attache-fallbacks", "a")];
        assert_eq!(added(&header, r#"{"fallbacks":[]}"#), None);
        assert_eq!(added(&header, "[]"), None);
        assert_eq!(added(&[], "{}"), None);
        assert_eq!(added(&header, "{}").unwrap(), r#"{"fallbacks":[{"model":"a"}]}"#);
        let long = "a".repeat(MAX_VALUE + 1);
        assert_eq!(added(&[("x-attache-fallbacks", &long)], "{}"), None);
    }
}
