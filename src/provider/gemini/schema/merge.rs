//! `allOf`, which Gemini does not read, as one schema.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{MAX_NODES, Translation};

/// How deep schemas that are put together may nest: some contain themselves.
const MAX_INLINED: usize = 4;

impl Translation<'_> {
    /// The schema with the parts of its `allOf` put into it. The first of two values counts.
    pub(super) fn merged<'m>(
        &mut self,
        map: &'m Map<String, Value>,
    ) -> Cow<'m, Map<String, Value>> {
        match map.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
            None => Cow::Borrowed(map),
            // References stay references: what they point at may contain them.
            Some([part]) => Cow::Owned(with(map, part)),
            Some(_) if self.inlined >= MAX_INLINED => Cow::Borrowed(map),
            Some(parts) => {
                let mut all = without_all_of(map);
                for part in parts {
                    self.join(&mut all, part, MAX_INLINED);
                }
                Cow::Owned(all)
            }
        }
    }

    /// Puts a part into the whole, with what it refers to and what it consists of.
    fn join(&mut self, all: &mut Map<String, Value>, part: &Value, depth: usize) {
        self.nodes += 1;
        let is_small = depth > 0 && self.nodes <= MAX_NODES;
        let Some(part) = part.as_object().filter(|_| is_small) else { return };
        for (key, value) in part {
            match key.as_str() {
                "$ref" => {
                    let target = value.as_str().and_then(|pointer| self.target(pointer));
                    if let Some(target) = target {
                        self.join(all, target, depth - 1);
                    }
                }
                "allOf" => {
                    let parts = value.as_array().into_iter().flatten();
                    parts.for_each(|part| self.join(all, part, depth - 1));
                }
                _ => add(all, key, value),
            }
        }
    }
}

/// A schema with the one part of its `allOf`.
fn with(map: &Map<String, Value>, part: &Value) -> Map<String, Value> {
    let mut all = without_all_of(map);
    for (key, value) in part.as_object().into_iter().flatten() {
        add(&mut all, key, value);
    }
    all
}

fn without_all_of(map: &Map<String, Value>) -> Map<String, Value> {
    let rest = map.iter().filter(|(key, _)| *key != "allOf");
    rest.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn add(all: &mut Map<String, Value>, key: &str, value: &Value) {
    match key {
        "properties" => union(all, value),
        "required" => append(all, value),
        _ => {
            all.entry(key).or_insert_with(|| value.clone());
        }
    }
}

fn union(all: &mut Map<String, Value>, properties: &Value) {
    let own = all.entry("properties").or_insert_with(|| json!({}));
    let (Some(own), Some(more)) = (own.as_object_mut(), properties.as_object()) else { return };
    for (name, schema) in more {
        own.entry(name).or_insert_with(|| schema.clone());
    }
}

fn append(all: &mut Map<String, Value>, names: &Value) {
    let own = all.entry("required").or_insert_with(|| json!([]));
    let (Some(own), Some(more)) = (own.as_array_mut(), names.as_array()) else { return };
    for name in more {
        if !own.contains(name) {
            own.push(name.clone());
        }
    }
}
