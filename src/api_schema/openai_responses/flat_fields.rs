//! Fields that are in an object of their own in Chat Completions, and not in Responses.

use serde_json::value::RawValue;

use crate::{chat::object::ObjectFields, json::Object};

/// Returns the inner object of an object.
pub(super) fn inner_object<'a>(raw: &'a RawValue, key: &str) -> Option<ObjectFields<'a>> {
    ObjectFields::read(raw)?.object(key)
}

/// Writes the fields of an inner object that are present, by their keys.
pub(super) fn write_flat_fields(object: &mut Object<'_>, inner: &ObjectFields<'_>, keys: &[&str]) {
    for key in keys {
        inner.get(key).map(|value| object.raw(key, value.get()));
    }
}
