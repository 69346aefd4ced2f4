//! JSON Schema as far as Gemini reads it. ai.google.dev, *GenerationConfig*, `responseJsonSchema`,
//! names the keywords; `$ref` may have no neighbours. What else a schema demands becomes words in
//! its description, because a model can read those. No property is lost, whatever its name.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

mod merge;
mod values;

/// The most nodes a schema may come to: references may repeat one another without end.
const MAX_NODES: usize = 1 << 14;

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

/// The longest schema, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// A schema longer than [`MAX_LENGTH`], or that comes to more than [`MAX_NODES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The schema of a function's parameters. None for a function without any: it needs no schema.
pub(super) fn of_parameters(json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
    let Some(mut schema) = translated(json)? else { return Ok(None) };
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
pub(super) fn of_answer(json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
    Ok(translated(json)?.filter(|schema| !schema.is_empty()).map(written))
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(Map::is_empty) && value.as_array().is_none_or(Vec::is_empty)
}

fn written(schema: Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    crate::json::write(&mut out, &schema);
    out
}

fn translated(json: &str) -> Result<Option<Map<String, Value>>, TooLarge> {
    if json.len() > MAX_LENGTH {
        return Err(TooLarge);
    }
    let Ok(root) = serde_json::from_str::<Value>(json) else { return Ok(None) };
    let Some(map) = root.as_object() else { return Ok(None) };
    let mut translation = Translation { root: &root, references: Vec::new(), nodes: 0, inlined: 0 };
    let mut schema = translation.object(map);
    let mut definitions = Map::new();
    while let Some(reference) = translation.references.get(definitions.len()).cloned() {
        let target = translation.node(reference.target);
        definitions.insert(reference.name, target);
    }
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    if translation.nodes > MAX_NODES { Err(TooLarge) } else { Ok(Some(schema)) }
}

/// A schema that others refer to.
#[derive(Clone)]
struct Reference<'r> {
    pointer: String,
    target: &'r Value,
    /// Its name under `$defs`.
    name: String,
}

/// A schema being translated.
struct Translation<'r> {
    root: &'r Value,
    references: Vec<Reference<'r>>,
    /// How many there have been.
    nodes: usize,
    /// How many schemas around this one were put together from several.
    inlined: usize,
}

impl<'r> Translation<'r> {
    /// Any schema. `true` is one that demands nothing.
    fn node(&mut self, schema: &Value) -> Value {
        match schema {
            Value::Object(map) => Value::Object(self.object(map)),
            Value::Bool(false) => json!({"description": "(no value is valid)"}),
            _ => json!({}),
        }
    }

    fn object(&mut self, map: &Map<String, Value>) -> Map<String, Value> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Map::new();
        }
        let merged = self.merged(map);
        let inlines = matches!(merged, Cow::Owned(_));
        self.inlined += usize::from(inlines);
        let mut out = Map::new();
        let mut notes = Vec::new();
        for (key, value) in merged.as_ref() {
            self.keyword(key, value, &mut out, &mut notes);
        }
        self.inlined -= usize::from(inlines);
        values::settle(&merged, &mut out, &mut notes);
        note(&mut out, &notes);
        beside_reference(&mut out);
        out
    }

    fn keyword(
        &mut self,
        key: &str,
        value: &Value,
        out: &mut Map<String, Value>,
        notes: &mut Vec<String>,
    ) {
        let kept = match key {
            "type" | "title" | "description" | "format" | "required" | "propertyOrdering" => {
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
            "properties" => value.as_object().map(|fields| {
                let fields = fields.iter().map(|(name, schema)| (name.clone(), self.node(schema)));
                Value::Object(fields.collect())
            }),
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

    /// Older drafts have a list here for what is `prefixItems` now.
    fn items(&mut self, value: &Value, out: &mut Map<String, Value>) {
        match value {
            Value::Array(items) => put(out, "prefixItems", Some(self.list(items))),
            Value::Bool(false) => {}
            other => put(out, "items", Some(self.node(other))),
        }
    }

    fn list(&mut self, schemas: &[Value]) -> Value {
        Value::Array(schemas.iter().map(|schema| self.node(schema)).collect())
    }

    /// The name under `$defs` of what a reference points at, if it is in this schema.
    fn refer(&mut self, pointer: &str) -> Option<String> {
        if let Some(known) = self.references.iter().find(|known| known.pointer == pointer) {
            return Some(known.name.clone());
        }
        let target = self.target(pointer)?;
        let name = self.free_name(pointer);
        self.references.push(Reference { pointer: pointer.to_owned(), target, name: name.clone() });
        Some(name)
    }

    fn target(&self, pointer: &str) -> Option<&'r Value> {
        self.root.pointer(pointer.strip_prefix('#')?)
    }

    /// The last word of a pointer, as far as it is plain, and not yet taken.
    fn free_name(&self, pointer: &str) -> String {
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
        let stem: String = last.chars().map(plain).collect();
        let numbered = (2_u32..).map(|number| format!("{stem}_{number}"));
        let is_free = |name: &String| self.references.iter().all(|known| known.name != *name);
        std::iter::once(stem.clone()).chain(numbered).find(is_free).unwrap_or_default()
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
