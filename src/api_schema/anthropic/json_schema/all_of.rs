//! Merging of `allOf` into one schema, where that is equivalent. Strict objects are closed, so that
//! each part alone would forbid the properties of the others.

use serde_json::{Map, Value};

use super::{REMARKS, references::definition};

/// The maximum size of all merged parts, in bytes, roughly: parts may refer to the same parts
/// repeatedly.
const MAX_MERGED_SIZE: usize = 1 << 20;

/// The merging of the parts of one schema.
pub(super) struct AllOfMerger<'d> {
    definitions: Option<&'d Map<String, Value>>,
    /// The size of the parts merged so far.
    size: usize,
}

impl<'d> AllOfMerger<'d> {
    /// Takes the definitions that a `$ref` can point at, none of them recursive.
    pub(super) fn new(definitions: Option<&'d Map<String, Value>>) -> Self {
        Self { definitions, size: 0 }
    }

    /// Merges a schema with the parts of its `allOf`. Returns `None` where that is not possible, or
    /// where there is no `allOf`.
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

    /// Returns a part without `$ref` and without an `allOf` of its own.
    fn resolve(&mut self, part: &Map<String, Value>) -> Option<Map<String, Value>> {
        let mut whole = self.copy(part)?;
        if let Some(reference) = whole.shift_remove("$ref") {
            let target = self.definitions?.get(definition(reference.as_str()?)?)?.as_object()?;
            let target = self.resolve(target)?;
            target.into_iter().try_for_each(|(key, value)| add(&mut whole, key, value))?;
        }
        if whole.contains_key("allOf") { self.merge(&whole) } else { Some(whole) }
    }

    /// Copies a schema, unless the merged parts become too large.
    fn copy(&mut self, schema: &Map<String, Value>) -> Option<Map<String, Value>> {
        schema.iter().try_for_each(|(key, value)| self.add_size(key, value))?;
        Some(schema.clone())
    }

    fn add_size(&mut self, key: &str, value: &Value) -> Option<()> {
        self.size += 8 + key.len() + value.as_str().map_or(0, str::len);
        if self.size > MAX_MERGED_SIZE {
            return None;
        }
        match value {
            Value::Object(fields) => {
                fields.iter().try_for_each(|(key, own)| self.add_size(key, own))
            }
            Value::Array(items) => items.iter().try_for_each(|own| self.add_size("", own)),
            _ => Some(()),
        }
    }
}

/// Adds a keyword of a part to the whole. Returns `None` where the merged schema would accept other
/// values than both of them.
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
                    // A closed whole accepts no further properties.
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
        // A closed part accepts no properties of the others.
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
