//! JSON Schema as far as Gemini reads it. ai.google.dev, *GenerationConfig*, `responseJsonSchema`,
//! names the keywords; `$ref` may have no neighbours. What else a schema demands becomes words in
//! its description, because a model can read those. No property is lost, whatever its name.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api_schema::unique_names::UniqueNames;

mod all_of;
mod values;

/// The most nodes that the schemas of one request may come to: references may repeat one another
/// without end.
const MAX_NODES: usize = 1 << 16;

/// How deep a schema may nest with what it refers to: as deep as the body it came in.
const MAX_DEPTH: usize = 128;

/// The longest schema, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// The longest demand that is put into words, in characters.
const MAX_NOTE: usize = 200;

/// Keywords that demand something Gemini does not check.
const NOTED: [&str; 26] = [
    "allOf",
    "pattern",
    "minLength",
    "maxLength",
    "multipleOf",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentEncoding",
    "contentMediaType",
    "default",
];

/// A schema that goes beyond one of the bounds above.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Translates the schemas of one request.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    /// How many nodes there have been.
    nodes: usize,
}

impl Schemas {
    /// The schema of a function's parameters. None for a function without any: it needs no schema.
    pub(super) fn of_parameters(&mut self, json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
        let Some(mut schema) = self.translated(json)? else { return Ok(None) };
        let none = schema.iter().all(|(key, value)| match key.as_str() {
            "type" => value == "object",
            "properties" | "required" => is_empty(value),
            "additionalProperties" => value.is_boolean(),
            "title" | "description" => true,
            _ => false,
        });
        if none {
            return Ok(None);
        }
        // "The schema must describe an object".
        if !["type", "anyOf", "$ref"].iter().any(|key| schema.contains_key(*key)) {
            schema.insert("type".to_owned(), json!("object"));
        }
        Ok(Some(written(schema)))
    }

    /// The schema of an answer. None for one that demands nothing.
    pub(super) fn of_answer(&mut self, json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
        Ok(self.translated(json)?.filter(|schema| !schema.is_empty()).map(written))
    }

    fn translated(&mut self, json: &str) -> Result<Option<Map<String, Value>>, TooLarge> {
        if json.len() > MAX_LENGTH {
            return Err(TooLarge);
        }
        let Ok(root) = serde_json::from_str::<Value>(json) else { return Ok(None) };
        let Some(map) = root.as_object() else { return Ok(None) };
        let mut translation = Translation::new(&root, self.nodes);
        let mut schema = translation.object(map);
        let mut definitions = Map::new();
        while let Some((name, target)) = translation.targets.get(definitions.len()).cloned() {
            let target = translation.node(target);
            definitions.insert(name, target);
        }
        if !definitions.is_empty() {
            schema.insert("$defs".to_owned(), Value::Object(definitions));
        }
        self.nodes = translation.nodes;
        if self.nodes > MAX_NODES { Err(TooLarge) } else { Ok(Some(schema)) }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(Map::is_empty) && value.as_array().is_none_or(Vec::is_empty)
}

fn written(schema: Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    crate::json::write(&mut out, &schema);
    out
}

/// A schema being translated.
struct Translation<'r> {
    root: &'r Value,
    /// Names under `$defs`, by what refers to them.
    names: BTreeMap<&'r str, String>,
    unique: UniqueNames,
    /// What is to stand under `$defs`.
    targets: Vec<(String, &'r Value)>,
    /// How many there have been. More than [`MAX_NODES`] once any bound was crossed.
    nodes: usize,
    depth: usize,
    /// How many schemas around this one were put together from several.
    merged: usize,
}

impl<'r> Translation<'r> {
    fn new(root: &'r Value, nodes: usize) -> Self {
        Self {
            root,
            names: BTreeMap::new(),
            unique: UniqueNames::default(),
            targets: Vec::new(),
            nodes,
            depth: 0,
            merged: 0,
        }
    }

    /// Any schema. `true` is one that demands nothing.
    fn node(&mut self, schema: &'r Value) -> Value {
        match schema {
            Value::Object(map) => Value::Object(self.object(map)),
            Value::Bool(false) => json!({"description": "(no value is valid)"}),
            _ => json!({}),
        }
    }

    fn object(&mut self, map: &'r Map<String, Value>) -> Map<String, Value> {
        if self.depth == MAX_DEPTH {
            self.nodes = MAX_NODES + 1;
        }
        let parts = self.parts(map);
        let mut out = Map::new();
        if self.nodes > MAX_NODES {
            return out;
        }
        let (mut notes, mut said) = (Vec::new(), BTreeMap::new());
        let merged = usize::from(parts.len() > 1);
        self.depth += 1;
        self.merged += merged;
        for (key, value) in parts.iter().flat_map(all_of::Part::keywords) {
            // The first of two values counts, except where both can.
            let both = matches!(key, "properties" | "required");
            if said.insert(key, *said.get(key).unwrap_or(&value)).is_none() || both {
                self.keyword(key, value, &mut out, &mut notes);
            }
        }
        self.merged -= merged;
        self.depth -= 1;
        values::settle(&said, &mut out, &mut notes);
        note(&mut out, &notes);
        beside_reference(&mut out);
        out
    }

    fn keyword(
        &mut self,
        key: &'r str,
        value: &'r Value,
        out: &mut Map<String, Value>,
        notes: &mut Vec<String>,
    ) {
        let kept = match key {
            "type" | "title" | "description" | "format" | "propertyOrdering" => {
                (value.is_string() || value.is_array()).then(|| value.clone())
            }
            "minItems" | "maxItems" | "minimum" | "maximum" => {
                value.is_number().then(|| value.clone())
            }
            "items" => return self.items(value, out),
            "prefixItems" => value.as_array().map(|items| self.list(items)),
            "anyOf" | "oneOf" if out.contains_key("anyOf") => {
                return notes.push(said(key, value));
            }
            "anyOf" | "oneOf" => {
                let options = value.as_array().map(|options| self.list(options));
                return put(out, "anyOf", options);
            }
            "properties" => return self.properties(value, out),
            "required" => return require(value, out),
            "additionalProperties" if value.is_boolean() => Some(value.clone()),
            "additionalProperties" => Some(self.node(value)),
            "$ref" => {
                let name = value.as_str().and_then(|pointer| self.refer(pointer));
                if name.is_none() {
                    notes.push(said(key, value));
                }
                name.map(|name| json!(format!("#/$defs/{name}")))
            }
            _ if NOTED.contains(&key) => return notes.push(said(key, value)),
            _ => None,
        };
        put(out, key, kept);
    }

    fn properties(&mut self, value: &'r Value, out: &mut Map<String, Value>) {
        let Some(fields) = value.as_object() else { return };
        let known = out.entry("properties").or_insert_with(|| json!({}));
        let Some(known) = known.as_object_mut() else { return };
        for (name, schema) in fields {
            if !known.contains_key(name) {
                let schema = self.node(schema);
                known.insert(name.clone(), schema);
            }
        }
    }

    /// Older drafts have a list here for what is `prefixItems` now.
    fn items(&mut self, value: &'r Value, out: &mut Map<String, Value>) {
        match value {
            Value::Array(items) => put(out, "prefixItems", Some(self.list(items))),
            Value::Bool(false) => {}
            other => put(out, "items", Some(self.node(other))),
        }
    }

    fn list(&mut self, schemas: &'r [Value]) -> Value {
        Value::Array(schemas.iter().map(|schema| self.node(schema)).collect())
    }

    /// The name under `$defs` of what a reference points at, if it is in this schema.
    fn refer(&mut self, pointer: &'r str) -> Option<String> {
        if let Some(known) = self.names.get(pointer) {
            return Some(known.clone());
        }
        let target = self.target(pointer)?;
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
        let name = self.unique.claim(last.chars().map(plain).collect(), usize::MAX);
        self.targets.push((name.clone(), target));
        self.names.insert(pointer, name.clone());
        Some(name)
    }

    fn target(&self, pointer: &str) -> Option<&'r Value> {
        self.root.pointer(pointer.strip_prefix('#')?)
    }
}

fn require(value: &Value, out: &mut Map<String, Value>) {
    let Some(more) = value.as_array() else { return };
    let names = out.entry("required").or_insert_with(|| json!([]));
    if let Some(names) = names.as_array_mut() {
        names.extend(more.iter().cloned());
    }
}

fn put(out: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        out.insert(key.to_owned(), value);
    }
}

fn said(key: &str, value: &Value) -> String {
    let value: String = value.to_string().chars().take(MAX_NOTE).collect();
    format!("{key}: {value}")
}

/// Puts demands into the description.
fn note(out: &mut Map<String, Value>, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    let notes = notes.join(", ");
    let text = match out.get("description").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => format!("{text} ({notes})"),
        _ => format!("({notes})"),
    };
    out.insert("description".to_owned(), json!(text));
}

/// A reference with neighbours becomes the one choice of an `anyOf`.
fn beside_reference(out: &mut Map<String, Value>) {
    if out.len() < 2 {
        return;
    }
    if let Some(reference) = out.shift_remove("$ref") {
        out.insert("anyOf".to_owned(), json!([{"$ref": reference}]));
    }
}

#[cfg(test)]
mod tests;
