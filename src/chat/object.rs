//! Structs that are read from JSON objects only: serde reads them from arrays too. Objects of which
//! every field is kept.

use std::{borrow::Cow, collections::BTreeSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::text::Text;

/// A `T` that was read from an object.
#[derive(Clone, Copy, Debug)]
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Reads an object as a `T`: for `deserialize_with`.
pub fn required<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    JsonObject::deserialize(deserializer).map(|JsonObject(value)| value)
}

/// Reads an object or `null`.
pub fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.map(|JsonObject(value)| value))
}

/// Reads an array of objects or `null`.
pub fn optional_list<'de, T, D>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    let objects: Option<Vec<JsonObject<T>>> = Option::deserialize(deserializer)?;
    Ok(objects.map(|objects| objects.into_iter().map(|JsonObject(value)| value).collect()))
}

/// Fields of an object, unread and in their order. Each key is there once.
#[derive(Clone, Debug, Default)]
pub struct ObjectFields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> ObjectFields<'a> {
    /// Returns the value of a key. `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().find(|(own, _)| own == key);
        found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// Reads an object. `None` for any other value.
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Returns the value of a key, if that is a string.
    pub fn text(&self, key: &str) -> Option<Text<'a>> {
        self.get(key).and_then(Text::from_raw)
    }

    /// Returns the value of a key, if that is an object.
    pub fn object(&self, key: &str) -> Option<Self> {
        self.get(key).and_then(Self::read)
    }

    /// Returns keys and values, `null` included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_ref(), *raw))
    }

    /// Returns these fields, overridden by those of `over`.
    pub fn merged(&self, over: &Self) -> Self {
        let kept = self.0.iter().filter(|(key, _)| over.0.iter().all(|(other, _)| other != key));
        Self(kept.chain(&over.0).cloned().collect())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ObjectFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

/// Number of fields up to which a key is looked for one by one, which costs less than a set.
const FEW_FIELDS: usize = 24;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = ObjectFields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(ObjectKey(key)) = map.next_key()? {
            // Two readers of a duplicate key could disagree about its value.
            let is_new = if fields.len() < FEW_FIELDS {
                fields.iter().all(|(other, _)| *other != key)
            } else {
                if seen.is_empty() {
                    seen.extend(fields.iter().map(|(other, _)| other.clone()));
                }
                seen.insert(key.clone())
            };
            if !is_new {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            fields.push((key, map.next_value()?));
        }
        Ok(ObjectFields(fields))
    }
}

/// Key of an object, borrowed unless it has escapes.
#[derive(Deserialize)]
pub(super) struct ObjectKey<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = JsonObject<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(JsonObject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::message::Message;

    #[test]
    fn an_array_is_no_object() {
        assert!(serde_json::from_str::<JsonObject<Message<'_>>>(r#"{"role":"user"}"#).is_ok());
        assert!(serde_json::from_str::<JsonObject<Message<'_>>>(r#"["user","hi"]"#).is_err());
    }
}
