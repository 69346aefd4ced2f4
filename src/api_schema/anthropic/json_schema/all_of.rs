//! `allOf` as one schema, where that means the same: each of its parts would forbid the properties of
//! the others, because every object is closed.

use serde_json::{Map, Value};

use super::{REMARKS, references::definition};

/// How much a schema may be put together from, in bytes more or less: its parts may have parts, which
/// are the same ones again and again.
const MAX_WEIGHT: usize = 1 << 20;

/// Puts schemas together.
pub(super) struct AllOfMerger<'d> {
    definitions: Option<&'d Map<String, Value>>,
    /// What the parts so far weigh.
    weight: usize,
}

impl<'d> AllOfMerger<'d> {
    /// With what a `$ref` can point at, none of which comes to itself again.
    pub(super) fn new(definitions: Option<&'d Map<String, Value>>) -> Self {
        Self { definitions, weight: 0 }
    }

    /// A schema and the parts of its `allOf` as one. None where they cannot be one, or there is none.
    pub(super) fn merge(&mut self, schema: &Map<String, Value>) -> Option<Map<String, Value>> {
        let Some(Value::Array(parts)) = schema.get("allOf") else { return None };
        let mut whole = self.copy(schema)?;
        whole.shift_remove("allOf");
        for part in parts {
            let part = self.resolve(part.as_object()?)?;
            part.into_iter().try_for_each(|(key, value)| add(&mut whole, key, value))?;
        }
        Some(whole)
    }

    /// A part without `$ref` and without an `allOf` of its own.
    fn resolve(&mut self, part: &Map<String, Value>) -> Option<Map<String, Value>> {
        let mut whole = self.copy(part)?;
        if let Some(reference) = whole.shift_remove("$ref") {
            let target = self.definitions?.get(definition(reference.as_str()?)?)?.as_object()?;
            let target = self.resolve(target)?;
            target.into_iter().try_for_each(|(key, value)| add(&mut whole, key, value))?;
        }
        if whole.contains_key("allOf") { self.merge(&whole) } else { Some(whole) }
    }

    /// A copy, if it is not too much by now.
    fn copy(&mut self, schema: &Map<String, Value>) -> Option<Map<String, Value>> {
        schema.iter().try_for_each(|(key, value)| self.weigh(key, value))?;
        Some(schema.clone())
    }

    fn weigh(&mut self, key: &str, value: &Value) -> Option<()> {
        self.weight += 8 + key.len() + value.as_str().map_or(0, str::len);
        if self.weight > MAX_WEIGHT {
            return None;
        }
        match value {
            Value::Object(fields) => fields.iter().try_for_each(|(key, own)| self.weigh(key, own)),
            Value::Array(items) => items.iter().try_for_each(|own| self.weigh("", own)),
            _ => Some(()),
        }
    }
}

/// Adds a keyword of a part to the whole. None where the two would then demand something else than
/// both of them did.
fn add(whole: &mut Map<String, Value>, key: String, value: Value) -> Option<()> {
    let is_closed = whole.get("additionalProperties") == Some(&Value::Bool(false));
    match (key.as_str(), value) {
        ("$schema" | "$id" | "$comment", _) => {}
        ("properties", Value::Object(more)) => {
            let own = whole.entry("properties").or_insert_with(|| Value::Object(Map::new()));
            let own = own.as_object_mut()?;
            for (name, schema) in more {
                match own.get(&name) {
                    Some(known) if *known == schema => {}
                    // What is not among the whole's own properties it does not allow.
                    None if !is_closed => drop(own.insert(name, schema)),
                    _ => return None,
                }
            }
        }
        ("required", Value::Array(more)) => {
            let own = whole.entry("required").or_insert_with(|| Value::Array(Vec::new()));
            let own = own.as_array_mut()?;
            for name in more {
                if !own.contains(&name) {
                    own.push(name);
                }
            }
        }
        // A part that is closed allows nothing of the others.
        ("additionalProperties", Value::Bool(true)) => {}
        ("additionalProperties", _) => return None,
        (remark, value)
            if ["title", "description"].contains(&remark) || REMARKS.contains(&remark) =>
        {
            whole.entry(key).or_insert(value);
        }
        (_, value) => match whole.get(&key) {
            Some(known) if *known == value => {}
            Some(_) => return None,
            None => drop(whole.insert(key, value)),
        },
    }
    Some(())
}
