//! Keywords that limit values: `enum`, `const`, exclusive bounds, `nullable` and `required`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::keyword_note;
use crate::json::type_of;

/// Translates the keywords of `map` whose translation depends on other keywords.
pub(super) fn translate_values(
    map: &BTreeMap<&str, &Value>,
    out: &mut Map<String, Value>,
    notes: &mut Vec<String>,
) {
    translate_exclusive(map, out, notes, "exclusiveMinimum", "minimum", 1);
    translate_exclusive(map, out, notes, "exclusiveMaximum", "maximum", -1);
    if let Some(value) = map.get("const") {
        restrict_values(std::slice::from_ref(*value), out, notes);
    } else if let Some(values) = map.get("enum").and_then(|values| values.as_array()) {
        restrict_values(values, out, notes);
    }
    if map.get("nullable").is_some_and(|value| **value == json!(true)) {
        allow_null(out);
    }
    // `additionalProperties` does not apply to properties that match a pattern, and Gemini cannot
    // tell these apart.
    if map.contains_key("patternProperties") {
        out.shift_remove("additionalProperties");
    }
    prune_required(out, notes);
}

/// Translates an exclusive bound: to the next integer for integers, otherwise to the same bound
/// with a note.
fn translate_exclusive(
    map: &BTreeMap<&str, &Value>,
    out: &mut Map<String, Value>,
    notes: &mut Vec<String>,
    exclusive: &str,
    inclusive: &str,
    step: i64,
) {
    let Some(value) = map.get(exclusive) else { return };
    let whole = value.as_i64().filter(|_| out.get("type") == Some(&json!("integer")));
    let next = whole.and_then(|whole| whole.checked_add(step));
    if next.is_none() && **value != json!(false) {
        notes.push(keyword_note(exclusive, value));
    }
    if value.is_number() && !out.contains_key(inclusive) {
        out.insert(inclusive.to_owned(), next.map_or_else(|| (*value).clone(), |next| json!(next)));
    }
}

/// Permits these values only. Gemini's `enum` holds strings and numbers, so other values become
/// members of an `anyOf`.
fn restrict_values(values: &[Value], out: &mut Map<String, Value>, notes: &mut Vec<String>) {
    let plain: Vec<&Value> =
        values.iter().filter(|value| value.is_string() || value.is_number()).collect();
    let has = |name| values.iter().any(|value| type_of(value) == name);
    let has_nested = has("array") || has("object");
    if plain.len() == values.len() {
        return put_enum(&plain, out);
    }
    let is_any_boolean = values.contains(&json!(true)) && values.contains(&json!(false));
    let is_taken = out.contains_key("anyOf") || out.contains_key("$ref");
    if has_nested || is_taken || (has("boolean") && !is_any_boolean) {
        notes.push(keyword_note("enum", &json!(values)));
    }
    if has_nested || is_taken {
        return;
    }
    out.shift_remove("type");
    let mut options = Vec::new();
    if !plain.is_empty() {
        let mut option = Map::new();
        put_enum(&plain, &mut option);
        options.push(Value::Object(option));
    }
    let others = ["boolean", "null"].into_iter().filter(|kind| has(kind));
    options.extend(others.map(|kind| json!({"type": kind})));
    match options.as_slice() {
        [Value::Object(one)] => out.extend(one.clone()),
        _ => drop(out.insert("anyOf".to_owned(), json!(options))),
    }
}

fn put_enum(values: &[&Value], out: &mut Map<String, Value>) {
    if values.is_empty() {
        return;
    }
    if let Some(kind) = common_type(values).filter(|_| !out.contains_key("type")) {
        out.insert("type".to_owned(), json!(kind));
    }
    out.insert("enum".to_owned(), json!(values));
}

/// Returns the type that strings or numbers have in common.
fn common_type(values: &[&Value]) -> Option<&'static str> {
    let mut kinds = values.iter().map(|value| type_of(value));
    let first = kinds.next()?;
    kinds.try_fold(first, |common, kind| match (common, kind) {
        ("integer", "number") | ("number", "integer") => Some("number"),
        (common, kind) => (common == kind).then_some(kind),
    })
}

/// Permits `null` as well.
fn allow_null(out: &mut Map<String, Value>) {
    if let Some(options) = out.get_mut("anyOf").and_then(Value::as_array_mut) {
        let null = json!({"type": "null"});
        if !options.contains(&null) {
            options.push(null);
        }
        return;
    }
    if let Some(values) = out.shift_remove("enum") {
        let mut fixed = json!({"enum": values});
        if let Some(kind) = out.shift_remove("type") {
            fixed = json!({"type": without_null(&kind), "enum": values});
        }
        out.insert("anyOf".to_owned(), json!([fixed, {"type": "null"}]));
        return;
    }
    if let Some(reference) = out.shift_remove("$ref") {
        out.insert("anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
        return;
    }
    if let Some(Value::String(kind)) = out.get("type").filter(|kind| *kind != "null") {
        let kinds = json!([kind, "null"]);
        out.insert("type".to_owned(), kinds);
    }
}

/// Returns the value of `type` without `null`.
fn without_null(kind: &Value) -> Value {
    let Some(kinds) = kind.as_array() else { return kind.clone() };
    let rest: Vec<&Value> = kinds.iter().filter(|kind| *kind != "null").collect();
    match rest.as_slice() {
        [one] => (*one).clone(),
        rest => json!(rest),
    }
}

/// Removes names from `required` that are not among the properties, and repeated ones.
fn prune_required(out: &mut Map<String, Value>, notes: &mut Vec<String>) {
    let Some(names) = out.get("required").and_then(Value::as_array).cloned() else {
        out.shift_remove("required");
        return;
    };
    let fields = out.get("properties").and_then(Value::as_object);
    let is_known = |name: &Value| {
        name.as_str().is_some_and(|name| fields.is_some_and(|fields| fields.contains_key(name)))
    };
    let (mut names, missing): (Vec<Value>, Vec<Value>) = names.into_iter().partition(is_known);
    if !missing.is_empty() {
        notes.push(keyword_note("required", &json!(missing)));
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.as_str().unwrap_or_default().to_owned()));
    if names.is_empty() {
        out.shift_remove("required");
    } else {
        out.insert("required".to_owned(), json!(names));
    }
}
