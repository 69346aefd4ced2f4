//! Translation of JSON Schema to the keywords that Gemini supports: ai.google.dev,
//! *GenerationConfig*, `responseJsonSchema`. A `$ref` may have no other keyword beside it. Other
//! keywords that constrain a value are appended to `description`, where the model can read them.
//! Properties keep their names, whatever these are.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api_schema::unique_names::UniqueNames;

mod all_of;
mod values;

/// Maximum number of nodes in all schemas of one request. References can repeat one another
/// exponentially.
const MAX_NODES: usize = 1 << 16;

/// Maximum depth of a schema, the same as that of the body which contains it.
const MAX_DEPTH: usize = 128;

/// Maximum length of a schema, in bytes.
const MAX_LENGTH: usize = 1 << 20;

/// Maximum length of a keyword's value in a description, in characters.
const MAX_NOTE: usize = 200;

/// Keywords that constrain a value and that Gemini does not support.
const UNSUPPORTED: [&str; 26] = [
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

/// Error for a schema that exceeds [`MAX_NODES`], [`MAX_DEPTH`] or [`MAX_LENGTH`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Returns true if the schemas of a request are within the bounds, whatever they say.
pub(super) fn are_small<'s>(mut schemas: impl Iterator<Item = &'s str>) -> bool {
    let mut nodes = 0_usize;
    schemas.all(|json| {
        nodes = nodes.saturating_add(most_nodes(json));
        nodes <= MAX_NODES
    })
}

/// Returns the most nodes that the translation of a schema can have, without reading it. Only an
/// `allOf` repeats its members; without one, each reference leads to at most the whole schema once
/// more.
fn most_nodes(json: &str) -> usize {
    // A keyword may be written with escapes.
    if json.len() > MAX_LENGTH || json.contains("allOf") || json.contains("\\u00") {
        return usize::MAX;
    }
    let (mut objects, mut references) = (0_usize, 0_usize);
    for byte in json.bytes() {
        match byte {
            b'{' => objects += 1,
            b'$' => references += 1,
            _ => {}
        }
    }
    objects.saturating_mul(1 + references)
}

/// Translator of the schemas of one request.
#[derive(Debug, Default)]
pub(super) struct SchemaTranslator {
    /// Number of nodes so far.
    nodes: usize,
}

impl SchemaTranslator {
    /// Translates the schema of a function's parameters. Returns `None` for a function without any,
    /// which needs no schema.
    pub(super) fn parameters_schema(&mut self, json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
        let Some(mut schema) = self.translate(json)? else { return Ok(None) };
        let has_none = schema.iter().all(|(key, value)| match key.as_str() {
            "type" => value == "object",
            "properties" | "required" => is_empty(value),
            "additionalProperties" => value.is_boolean(),
            "title" | "description" => true,
            _ => false,
        });
        if has_none {
            return Ok(None);
        }
        // ai.google.dev, *FunctionDeclaration*: "The schema must describe an object".
        if !["type", "anyOf", "$ref"].iter().any(|key| schema.contains_key(*key)) {
            schema.insert("type".to_owned(), json!("object"));
        }
        Ok(Some(to_json(schema)))
    }

    /// Translates the schema of an answer. Returns `None` for one that permits everything.
    pub(super) fn response_schema(&mut self, json: &str) -> Result<Option<Vec<u8>>, TooLarge> {
        Ok(self.translate(json)?.filter(|schema| !schema.is_empty()).map(to_json))
    }

    fn translate(&mut self, json: &str) -> Result<Option<Map<String, Value>>, TooLarge> {
        if json.len() > MAX_LENGTH {
            return Err(TooLarge);
        }
        let Ok(root) = serde_json::from_str::<Value>(json) else { return Ok(None) };
        let Some(map) = root.as_object() else { return Ok(None) };
        let mut translation = SchemaTranslation::new(&root, self.nodes);
        let mut schema = translation.object(map);
        let mut definitions = Map::new();
        while let Some((name, target)) = translation.targets.get(definitions.len()).cloned() {
            let target = translation.any_schema(target);
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

fn to_json(schema: Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    crate::json::write(&mut out, &schema);
    out
}

/// Translation of one schema.
struct SchemaTranslation<'r> {
    root: &'r Value,
    /// Names under `$defs`, by the references to them.
    names: BTreeMap<&'r str, String>,
    unique: UniqueNames,
    /// Names and schemas for `$defs`, in the order of their first reference.
    targets: Vec<(String, &'r Value)>,
    /// Number of nodes so far, or more than [`MAX_NODES`] once any bound is exceeded.
    nodes: usize,
    depth: usize,
    /// Number of enclosing schemas that are merged from several.
    merge_depth: usize,
}

impl<'r> SchemaTranslation<'r> {
    fn new(root: &'r Value, nodes: usize) -> Self {
        Self {
            root,
            names: BTreeMap::new(),
            unique: UniqueNames::default(),
            targets: Vec::new(),
            nodes,
            depth: 0,
            merge_depth: 0,
        }
    }

    /// Translates an object or a boolean. `true` permits everything.
    fn any_schema(&mut self, schema: &'r Value) -> Value {
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
        let parts = self.all_of_parts(map);
        let mut out = Map::new();
        if self.nodes > MAX_NODES {
            return out;
        }
        let (mut notes, mut keywords) = (Vec::new(), BTreeMap::new());
        let merged = usize::from(parts.len() > 1);
        self.depth += 1;
        self.merge_depth += merged;
        for (key, value) in parts.iter().flat_map(all_of::AllOfPart::keywords) {
            // The first of several values wins, except for keywords that can be united.
            let is_united = matches!(key, "properties" | "required");
            let is_first = !keywords.contains_key(key);
            keywords.entry(key).or_insert(value);
            if is_first || is_united {
                self.keyword(key, value, &mut out, &mut notes);
            }
        }
        self.merge_depth -= merged;
        self.depth -= 1;
        values::translate_values(&keywords, &mut out, &mut notes);
        append_notes(&mut out, &notes);
        isolate_reference(&mut out);
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
                return notes.push(keyword_note(key, value));
            }
            "anyOf" | "oneOf" => {
                let options = value.as_array().map(|options| self.list(options));
                return insert_some(out, "anyOf", options);
            }
            "properties" => return self.properties(value, out),
            "required" => return extend_required(value, out),
            "additionalProperties" if value.is_boolean() => Some(value.clone()),
            "additionalProperties" => Some(self.any_schema(value)),
            "$ref" => {
                let name = value.as_str().and_then(|pointer| self.definition_name(pointer));
                if name.is_none() {
                    notes.push(keyword_note(key, value));
                }
                name.map(|name| json!(format!("#/$defs/{name}")))
            }
            _ if UNSUPPORTED.contains(&key) => return notes.push(keyword_note(key, value)),
            _ => None,
        };
        insert_some(out, key, kept);
    }

    fn properties(&mut self, value: &'r Value, out: &mut Map<String, Value>) {
        let Some(fields) = value.as_object() else { return };
        let known = out.entry("properties").or_insert_with(|| json!({}));
        let Some(known) = known.as_object_mut() else { return };
        for (name, schema) in fields {
            if !known.contains_key(name) {
                let schema = self.any_schema(schema);
                known.insert(name.clone(), schema);
            }
        }
    }

    /// Translates `items`. In older drafts it may be an array, which is `prefixItems` now.
    fn items(&mut self, value: &'r Value, out: &mut Map<String, Value>) {
        match value {
            Value::Array(items) => insert_some(out, "prefixItems", Some(self.list(items))),
            Value::Bool(false) => {}
            other => insert_some(out, "items", Some(self.any_schema(other))),
        }
    }

    fn list(&mut self, schemas: &'r [Value]) -> Value {
        Value::Array(schemas.iter().map(|schema| self.any_schema(schema)).collect())
    }

    /// Returns the name under `$defs` of a reference's target, or `None` for one outside the
    /// schema.
    fn definition_name(&mut self, pointer: &'r str) -> Option<String> {
        if let Some(known) = self.names.get(pointer) {
            return Some(known.clone());
        }
        let target = self.resolve(pointer)?;
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
        let name = self.unique.claim(last.chars().map(plain).collect(), usize::MAX);
        self.targets.push((name.clone(), target));
        self.names.insert(pointer, name.clone());
        Some(name)
    }

    fn resolve(&self, pointer: &str) -> Option<&'r Value> {
        self.root.pointer(pointer.strip_prefix('#')?)
    }
}

/// Appends names to `required`.
fn extend_required(value: &Value, out: &mut Map<String, Value>) {
    let Some(more) = value.as_array() else { return };
    let names = out.entry("required").or_insert_with(|| json!([]));
    if let Some(names) = names.as_array_mut() {
        names.extend(more.iter().cloned());
    }
}

/// Inserts a value that is there.
fn insert_some(out: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        out.insert(key.to_owned(), value);
    }
}

/// Returns a note with a keyword and its value, shortened to [`MAX_NOTE`].
fn keyword_note(key: &str, value: &Value) -> String {
    let value: String = value.to_string().chars().take(MAX_NOTE).collect();
    format!("{key}: {value}")
}

/// Appends notes to the description.
fn append_notes(out: &mut Map<String, Value>, notes: &[String]) {
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

/// Moves a `$ref` that has other keywords beside it into an `anyOf` of its own.
fn isolate_reference(out: &mut Map<String, Value>) {
    if out.len() < 2 {
        return;
    }
    if let Some(reference) = out.shift_remove("$ref") {
        out.insert("anyOf".to_owned(), json!([{"$ref": reference}]));
    }
}

#[cfg(test)]
mod tests;
