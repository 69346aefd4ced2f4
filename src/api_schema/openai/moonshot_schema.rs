//! JSON schemas of tools in the form that Moonshot accepts: platform.moonshot.ai, *Moonshot Flavored
//! JSON Schema*, and its errors for `tools.function.parameters`. Every schema has a type, none beside
//! `anyOf`, and nothing stands beside `$ref`.

use serde_json::{Map, Value, json, value::RawValue};

use crate::json::type_of;

/// Keywords that have no effect on the arguments, and that Moonshot may refuse.
const REMOVED: [&str; 3] = ["$schema", "$id", "$comment"];

/// Keywords that stay beside `anyOf`.
const OF_PARENT: [&str; 5] = ["description", "title", "default", "$defs", "anyOf"];

/// The types of JSON, each as a schema.
const TYPES: [&str; 6] = ["string", "number", "boolean", "object", "array", "null"];

/// Returns the schema of a tool's parameters in Moonshot's form, or `None` if it has that already.
pub(super) fn to_moonshot(raw: &RawValue) -> Option<Value> {
    let original: Value = serde_json::from_str(raw.get()).ok()?;
    let mut schema = translate_root(original.clone());
    point_to_defs(&mut schema);
    (schema != original).then_some(schema)
}

/// Translates the schema of all arguments, which stays an object: alternatives among its properties
/// become part of the description.
fn translate_root(root: Value) -> Value {
    let Value::Object(mut root) = root else { return root };
    rename(&mut root, "oneOf", "anyOf");
    if let Some(Value::Array(alternatives)) = root.remove("anyOf") {
        let note = format!("anyOf: {}", Value::Array(alternatives.clone()));
        merge_properties(&mut root, alternatives);
        let description = root.get("description").and_then(Value::as_str).unwrap_or_default();
        let separator = if description.is_empty() { "" } else { "\n\n" };
        let description = format!("{description}{separator}{note}");
        root.insert("description".to_owned(), json!(description));
    }
    if !root.contains_key("$ref") {
        root.insert("type".to_owned(), json!("object"));
    }
    translate(Value::Object(root))
}

/// Adds the properties of alternatives that the schema around them lacks.
fn merge_properties(root: &mut Map<String, Value>, alternatives: Vec<Value>) {
    let entry = root.entry("properties").or_insert_with(|| json!({}));
    let Value::Object(properties) = entry else { return };
    for mut alternative in alternatives {
        let own = alternative.get_mut("properties").and_then(Value::as_object_mut);
        for (name, schema) in own.map(std::mem::take).unwrap_or_default() {
            properties.entry(name).or_insert(schema);
        }
    }
}

fn translate(schema: Value) -> Value {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        Value::Bool(true) => Map::new(),
        other => return other,
    };
    if let Some(reference) = schema.get("$ref") {
        let definitions: Vec<_> = ["$defs", "definitions"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), translate_all(schema.get(key)?.clone()))))
            .collect();
        let mut bare = Map::from_iter([("$ref".to_owned(), reference.clone())]);
        bare.extend(definitions);
        return Value::Object(bare);
    }
    REMOVED.iter().for_each(|key| drop(schema.remove(*key)));
    rename(&mut schema, "oneOf", "anyOf");
    if let Some(value) = schema.remove("const") {
        schema.insert("enum".to_owned(), json!([value]));
    }
    merge_tuple(&mut schema);
    split_types(&mut schema);
    distribute(&mut schema);
    translate_children(&mut schema);
    Value::Object(schema)
}

fn translate_children(schema: &mut Map<String, Value>) {
    for (key, value) in schema.iter_mut() {
        let translated: fn(Value) -> Value = match key.as_str() {
            "properties" | "$defs" | "definitions" | "patternProperties" => translate_all,
            "anyOf" | "allOf" => |list| match list {
                Value::Array(list) => list.into_iter().map(translate).collect(),
                other => other,
            },
            "items" | "not" => translate,
            "additionalProperties" if value.is_object() => translate,
            _ => continue,
        };
        *value = translated(value.take());
    }
}

/// Translates every value of an object.
fn translate_all(schemas: Value) -> Value {
    let Value::Object(schemas) = schemas else { return schemas };
    schemas.into_iter().map(|(name, schema)| (name, translate(schema))).collect()
}

/// Renames a keyword, unless the schema has one of the new name.
fn rename(schema: &mut Map<String, Value>, from: &str, to: &str) {
    if !schema.contains_key(to)
        && let Some(value) = schema.remove(from)
    {
        schema.insert(to.to_owned(), value);
    }
}

/// Gives all items of a tuple one schema.
fn merge_tuple(schema: &mut Map<String, Value>) {
    let tuple = schema.remove("prefixItems").filter(|_| !schema.contains_key("items"));
    let is_tuple = schema.get("items").is_some_and(Value::is_array);
    let tuple = if is_tuple { schema.remove("items") } else { tuple };
    let Some(Value::Array(mut items)) = tuple else { return };
    items.dedup();
    let merged = if items.len() > 1 { json!({"anyOf": items}) } else { items.pop().into() };
    if !merged.is_null() {
        schema.insert("items".to_owned(), merged);
    }
}

/// Gives the schema one type, or alternatives of one type each.
fn split_types(schema: &mut Map<String, Value>) {
    if schema.contains_key("anyOf") || schema.contains_key("allOf") {
        return;
    }
    let types = match schema.remove("type") {
        Some(Value::Array(types)) => types,
        Some(one) => vec![one],
        None => inferred_types(schema),
    };
    if let [one] = types.as_slice() {
        schema.insert("type".to_owned(), one.clone());
        return;
    }
    let alternatives: Vec<Value> = types.iter().map(|kind| json!({"type": kind})).collect();
    schema.insert("anyOf".to_owned(), json!(alternatives));
}

/// Returns the types that the keywords of a schema imply: all types, if there are none.
fn inferred_types(schema: &Map<String, Value>) -> Vec<Value> {
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if let Some(Value::Array(values)) = schema.get("enum") {
        let mut types: Vec<_> = values.iter().map(|value| json!(type_of(value))).collect();
        types.sort_by_key(Value::to_string);
        types.dedup();
        return types;
    }
    if has(&["properties", "required", "additionalProperties"]) {
        return vec![json!("object")];
    }
    if has(&["items", "minItems", "maxItems"]) {
        return vec![json!("array")];
    }
    if has(&["pattern", "format", "minLength", "maxLength"]) {
        return vec![json!("string")];
    }
    if has(&["minimum", "maximum", "multipleOf"]) {
        return vec![json!("number")];
    }
    TYPES.map(|kind| json!(kind)).to_vec()
}

/// Moves the keywords beside `anyOf` into those alternatives that lack them and whose type they are
/// for.
fn distribute(schema: &mut Map<String, Value>) {
    let Some(Value::Array(mut alternatives)) = schema.remove("anyOf") else { return };
    let moved: Vec<(String, Value)> = {
        let keys = schema.keys().filter(|key| !OF_PARENT.contains(&key.as_str()));
        let keys: Vec<String> = keys.cloned().collect();
        keys.into_iter().filter_map(|key| Some((key.clone(), schema.remove(&key)?))).collect()
    };
    for alternative in &mut alternatives {
        let Value::Object(own) = alternative else { continue };
        if own.contains_key("$ref") {
            continue;
        }
        let types = own.get("type").cloned();
        for (key, value) in &moved {
            let fitting = fitting_value(key, value, types.as_ref());
            if let Some(value) = fitting.filter(|_| !own.contains_key(key)) {
                own.insert(key.clone(), value);
            }
        }
    }
    alternatives.dedup();
    schema.insert("anyOf".to_owned(), Value::Array(alternatives));
}

/// Returns the value that a keyword has for a schema of a type, or `None` if it is for another type.
fn fitting_value(key: &str, value: &Value, kind: Option<&Value>) -> Option<Value> {
    let Some(kind) = kind.and_then(Value::as_str) else { return Some(value.clone()) };
    let is_of = |types: &[&str]| types.contains(&kind).then(|| value.clone());
    match key {
        "enum" => {
            let values = value.as_array()?.iter();
            let is_fitting = |own: &&Value| {
                let found = type_of(own);
                found == kind || (found == "integer" && kind == "number")
            };
            let values: Vec<_> = values.filter(is_fitting).cloned().collect();
            (!values.is_empty()).then(|| json!(values))
        }
        "properties" | "required" | "additionalProperties" | "patternProperties" => {
            is_of(&["object"])
        }
        "items" | "minItems" | "maxItems" | "uniqueItems" => is_of(&["array"]),
        "pattern" | "format" | "minLength" | "maxLength" => is_of(&["string"]),
        "minimum" | "maximum" | "multipleOf" => is_of(&["integer", "number"]),
        _ => Some(value.clone()),
    }
}

/// Moves `definitions` of the root to `$defs`, and the references to them.
fn point_to_defs(schema: &mut Value) {
    if let Value::Object(root) = schema
        && root.contains_key("definitions")
    {
        rename(root, "definitions", "$defs");
        point_references(schema);
    }
}

fn point_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/definitions/")
            {
                *reference = format!("#/$defs/{name}");
            }
            fields.values_mut().for_each(point_references);
        }
        Value::Array(items) => items.iter_mut().for_each(point_references),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(schema: &Value) -> Option<Value> {
        to_moonshot(&serde_json::value::to_raw_value(schema).unwrap())
    }

    /// Returns the parameters with one property.
    fn parameters(property: &Value) -> Value {
        json!({"type": "object", "properties": {"x": property}})
    }

    #[test]
    fn a_property_has_a_type_and_nothing_beside_any_of_or_a_reference() {
        let cases = [
            (
                json!({"type": "array", "anyOf": [{"items": {"type": "string"}}, {"maxItems": 0}]}),
                json!({"anyOf": [
                    {"items": {"type": "string"}, "type": "array"},
                    {"maxItems": 0, "type": "array"}
                ]}),
            ),
            (
                json!({"description": "d", "oneOf": [{"type": "string"}, {"description": "any"}],
                    "minLength": 2}),
                json!({"description": "d", "anyOf": [
                    {"type": "string", "minLength": 2},
                    {"description": "any", "minLength": 2, "type": "string"}
                ]}),
            ),
            (
                json!({"type": ["string", "null"], "maxLength": 3}),
                json!({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}),
            ),
            (
                json!({"$ref": "#/$defs/a", "description": "d", "type": "string"}),
                json!({"$ref": "#/$defs/a"}),
            ),
            (json!({"const": 1}), json!({"enum": [1], "type": "integer"})),
            (
                json!({"enum": ["a", 1, "b"]}),
                json!({"anyOf": [
                    {"type": "integer", "enum": [1]}, {"type": "string", "enum": ["a", "b"]}
                ]}),
            ),
            (
                json!({"type": "array", "items": [{"type": "string"}, {"type": "number"}]}),
                json!({"type": "array", "items":
                    {"anyOf": [{"type": "string"}, {"type": "number"}]}}),
            ),
            (json!({"properties": {}}), json!({"properties": {}, "type": "object"})),
            (json!(true), json!({"anyOf": TYPES.map(|kind| json!({"type": kind}))})),
        ];
        for (property, expected) in cases {
            assert_eq!(
                translated(&parameters(&property)),
                Some(parameters(&expected)),
                "{property}"
            );
        }
    }

    #[test]
    fn the_root_stays_an_object_that_describes_its_alternatives() {
        let cases = [
            (
                json!({"type": "object", "properties": {"a": {"type": "string"}},
                    "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
                json!({"type": "object", "properties": {"a": {"type": "string"}},
                    "description": "anyOf: [{\"required\":[\"a\"]},{\"required\":[\"b\"]}]"}),
            ),
            (
                json!({"description": "d",
                    "oneOf": [{"properties": {"a": {"type": "string"}}}, {"type": "object"}]}),
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "description":
                    "d\n\nanyOf: [{\"properties\":{\"a\":{\"type\":\"string\"}}},{\"type\":\"object\"}]"}),
            ),
            (
                json!({"type": "object", "properties": {"a": {"$ref": "#/definitions/n"}},
                    "definitions": {"n": {"minimum": 1}}}),
                json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}},
                    "$defs": {"n": {"minimum": 1, "type": "number"}}}),
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(translated(&schema), Some(expected), "{schema}");
        }
    }

    #[test]
    fn a_schema_of_this_form_is_unchanged() {
        let cases = [
            json!({"type": "object", "properties": {}}),
            parameters(&json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
            parameters(&json!({"type": "string", "enum": ["a"], "description": "d"})),
            parameters(&json!({"type": "object", "additionalProperties": false})),
        ];
        for schema in cases {
            assert_eq!(translated(&schema), None, "{schema}");
        }
    }
}
