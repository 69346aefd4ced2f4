//! Schemas of tool arguments that Claude does not enforce.

use serde_json::{Map, Value, json, value::RawValue};

use crate::collections::set_of;

/// Translates the schema of a tool that is not strict into one that Claude accepts: an object,
/// without alternatives at the top (Claude API reference, `tools.input_schema`). Returns `None` for
/// a schema that needs no translation.
pub(in crate::api_schema::anthropic) fn to_tool_input(raw: &RawValue) -> Option<Value> {
    let Ok(Value::Object(mut root)) = serde_json::from_str(raw.get()) else { return None };
    let is_object = root.get("type") == Some(&json!("object"));
    let refused = ["$schema", "$ref", "anyOf", "oneOf", "allOf"];
    if is_object && !refused.iter().any(|key| root.contains_key(*key)) {
        return None;
    }
    root.shift_remove("$schema");
    root.insert("type".to_owned(), json!("object"));
    let mut parts = Vec::new();
    if let Some(Value::String(reference)) = root.shift_remove("$ref") {
        parts.extend(resolve(&root, &reference).map(|part| (part, true)));
    }
    let mut remarks = Vec::new();
    for key in ["anyOf", "oneOf", "allOf"] {
        let Some(Value::Array(variants)) = root.shift_remove(key) else { continue };
        remarks.push(format!("{key}: {}", Value::Array(variants.clone())));
        parts.extend(variants.into_iter().filter_map(|variant| {
            let reference = variant.get("$ref").and_then(Value::as_str);
            let part = reference.map_or(Some(variant.clone()), |name| resolve(&root, name))?;
            Some((part, key == "allOf"))
        }));
    }
    let (required, variants): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|(_, is_required)| *is_required);
    required.into_iter().for_each(|(part, _)| merge_part(&mut root, part));
    add_variants(&mut root, variants.into_iter().map(|(part, _)| part));
    if !remarks.is_empty() {
        let own = root.get("description").and_then(Value::as_str).unwrap_or_default();
        let separator = if own.is_empty() { "" } else { "\n\n" };
        let description = format!("{own}{separator}{{{}}}", remarks.join(", "));
        root.insert("description".to_owned(), json!(description));
    }
    Some(Value::Object(root))
}

/// Returns the part of a schema that a `$ref` points at.
fn resolve(root: &Map<String, Value>, reference: &str) -> Option<Value> {
    let name = reference.strip_prefix("#/")?;
    name.split('/')
        .try_fold(None, |at: Option<&Value>, key| {
            let next = at.map_or_else(|| root.get(key), |at| at.get(key))?;
            Some(Some(next))
        })?
        .cloned()
}

/// Adds the properties of a part of `allOf`, and the names of those it requires.
fn merge_part(root: &mut Map<String, Value>, part: Value) {
    let Value::Object(mut part) = part else { return };
    if let Some(Value::Object(more)) = part.shift_remove("properties") {
        let Some(own) = properties(root) else { return };
        for (name, schema) in more {
            own.entry(name).or_insert(schema);
        }
    }
    let Some(Value::Array(more)) = part.shift_remove("required") else { return };
    let own = root.entry("required").or_insert_with(|| json!([]));
    if let Some(own) = own.as_array_mut() {
        for name in more {
            if !own.contains(&name) {
                own.push(name);
            }
        }
    }
}

/// Adds the properties of alternatives, none of them required.
fn add_variants(root: &mut Map<String, Value>, variants: impl Iterator<Item = Value>) {
    let Some(own) = properties(root) else { return };
    let own_names = set_of(own.keys().cloned());
    for variant in variants {
        let Some(more) = variant.get("properties").and_then(Value::as_object) else { continue };
        for (name, schema) in more.iter().filter(|(name, _)| !own_names.contains(*name)) {
            match own.get_mut(name) {
                Some(known) if known == schema => {}
                Some(known) => widen(known, schema),
                None => drop(own.insert(name.clone(), schema.clone())),
            }
        }
    }
}

/// Changes a schema to accept the values of another too.
fn widen(known: &mut Value, other: &Value) {
    let single = known.as_object_mut().filter(|fields| fields.len() == 1);
    match single.and_then(|fields| fields.get_mut("anyOf")?.as_array_mut()) {
        Some(options) if options.contains(other) => {}
        Some(options) => options.push(other.clone()),
        None => *known = json!({"anyOf": [known.take(), other]}),
    }
}

/// Returns the properties of an object, and adds them if it has none.
fn properties(root: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    root.entry("properties").or_insert_with(|| json!({})).as_object_mut()
}
