//! The smallest JSON with the properties a schema names.

use serde_json::{Map, Value, json};

/// How deep references are followed: a schema may refer to itself.
const DEPTH: u8 = 16;

/// A value for `schema`: every property, `"x"` for a string, 1 for a number, `true`, and `[]`.
pub fn sample(schema: &Value) -> Value {
    at_depth(schema, schema, DEPTH)
}

fn at_depth(root: &Value, schema: &Value, depth: u8) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let found = root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null);
        return at_depth(root, found, depth);
    }
    if let Some(chosen) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return chosen.clone();
    }
    let alternatives = ["/anyOf/0", "/oneOf/0", "/allOf/0"];
    if let Some(first) = alternatives.iter().find_map(|path| schema.pointer(path)) {
        return at_depth(root, first, depth);
    }
    match type_of(schema).as_str() {
        "string" => json!("x"),
        "number" | "integer" => json!(1),
        "boolean" => json!(true),
        "array" => json!([]),
        "object" => object(root, schema, depth),
        _ => Value::Null,
    }
}

fn object(root: &Value, schema: &Value, depth: u8) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let members = properties.into_iter().flatten();
    let sampled = members.map(|(name, inner)| (name.clone(), at_depth(root, inner, depth)));
    Value::Object(sampled.collect::<Map<_, _>>())
}

/// The type in lower case (Gemini's own schemas write `STRING`), the first one of several.
fn type_of(schema: &Value) -> String {
    let named = schema.get("type").map(|named| named.get(0).unwrap_or(named));
    let implied = if schema.get("properties").is_some() { "object" } else { "null" };
    named.and_then(Value::as_str).unwrap_or(implied).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_gets_a_value() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" },
                "age": { "type": ["integer", "null"] },
                "grown": { "type": "BOOLEAN" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "colour": { "enum": ["red", "blue"] },
                "home": { "$ref": "#/$defs/place" },
                "work": { "anyOf": [{ "$ref": "#/$defs/place" }, { "type": "null" }] },
            },
            "$defs": { "place": { "properties": { "city": { "type": "string" } } } },
        });
        let place = json!({ "city": "x" });
        let expected = json!({
            "name": "x", "age": 1, "grown": true, "tags": [], "colour": "red",
            "home": place, "work": place,
        });
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        assert!(sample(&schema)["next"]["next"].is_object());
    }
}
