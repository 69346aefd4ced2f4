//! The check of an answer against the schema of its request. JSON Schema, 2020-12, *Validation*.
//!
//! The check covers the keywords that describe data: types, values, properties, items, lengths and
//! bounds, and their combinations. Other keywords, such as `pattern` and `format`, allow everything.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use crate::chat::tools::ResponseFormat;

/// Maximum depth of schemas inside of schemas. A schema that refers to itself without end is deeper.
const MAX_DEPTH: usize = 128;

/// Maximum number of schemas that are compared with values: a hostile schema multiplies them.
const MAX_STEPS: usize = 1 << 18;

/// Check of an answer's content. Beyond the limits above everything is accepted.
#[derive(Debug)]
pub(super) struct FormatCheck {
    schema: Value,
}

impl FormatCheck {
    /// Returns the check for a format, or `None` if it allows any text.
    pub(super) fn new(format: &ResponseFormat<'_>) -> Option<Self> {
        let schema = match format {
            ResponseFormat::Text => return None,
            ResponseFormat::JsonObject => json!({"type": "object"}),
            ResponseFormat::JsonSchema(own) => serde_json::from_str(own.schema?.get()).ok()?,
        };
        Some(Self { schema })
    }

    /// Returns true if a text is JSON that follows the schema.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let checker = SchemaChecker { root: &self.schema, steps: Cell::new(0) };
        serde_json::from_str(text).is_ok_and(|value| checker.accepts(&self.schema, &value, 0))
    }
}

/// Comparison of values with a schema.
struct SchemaChecker<'s> {
    root: &'s Value,
    /// Number of comparisons so far.
    steps: Cell<usize>,
}

impl SchemaChecker<'_> {
    fn accepts(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        self.steps.set(self.steps.get() + 1);
        if depth > MAX_DEPTH || self.steps.get() > MAX_STEPS {
            return true;
        }
        let Value::Object(schema) = schema else { return *schema != Value::Bool(false) };
        let inner = |schema: &Value, value: &Value| self.accepts(schema, value, depth + 1);
        accepts_type(schema, value)
            && accepts_listed(schema, value)
            && self.accepts_reference(schema, |schema| inner(schema, value))
            && accepts_combined(schema, |schema| inner(schema, value))
            && match value {
                Value::Object(members) => accepts_members(schema, members, inner),
                Value::Array(items) => accepts_items(schema, items, inner),
                Value::String(text) => {
                    is_within(schema, ["minLength", "maxLength"], text.chars().count())
                }
                Value::Number(_) => accepts_number(schema, value),
                Value::Null | Value::Bool(_) => true,
            }
    }

    /// Follows a reference within the document. Others are accepted.
    fn accepts_reference(
        &self,
        schema: &Map<String, Value>,
        inner: impl Fn(&Value) -> bool,
    ) -> bool {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.root.pointer(pointer)).is_none_or(inner)
    }
}

fn accepts_type(schema: &Map<String, Value>, value: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => is_of_type(name, value),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).any(|name| is_of_type(name, value))
        }
        _ => true,
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => {
            let is_whole = |number: f64| number.fract() == 0.0;
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(is_whole)
        }
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// Checks `enum` and `const`.
fn accepts_listed(schema: &Map<String, Value>, value: &Value) -> bool {
    let is_listed = match schema.get("enum") {
        Some(Value::Array(all)) => all.iter().any(|one| is_equal(one, value)),
        _ => true,
    };
    is_listed && schema.get("const").is_none_or(|one| is_equal(one, value))
}

/// Compares values: numbers by their value, so that `1` is `1.0`.
fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && other.is_number() && one.as_f64() == other.as_f64())
}

/// Checks `allOf`, `anyOf` and `oneOf`.
fn accepts_combined(schema: &Map<String, Value>, inner: impl Fn(&Value) -> bool) -> bool {
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    list("allOf").is_none_or(|all| all.iter().all(&inner))
        && list("anyOf").is_none_or(|all| all.iter().any(&inner))
        && list("oneOf").is_none_or(|all| all.iter().filter(|one| inner(one)).count() == 1)
}

fn accepts_members(
    schema: &Map<String, Value>,
    members: &Map<String, Value>,
    inner: impl Fn(&Value, &Value) -> bool,
) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional =
        schema.get("additionalProperties").filter(|_| !schema.contains_key("patternProperties"));
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    required.all(|key| members.contains_key(key))
        && is_within(schema, ["minProperties", "maxProperties"], members.len())
        && members.iter().all(|(key, value)| {
            let own = properties.and_then(|properties| properties.get(key));
            own.or(additional).is_none_or(|schema| inner(schema, value))
        })
}

fn accepts_items(
    schema: &Map<String, Value>,
    items: &[Value],
    inner: impl Fn(&Value, &Value) -> bool,
) -> bool {
    let (first, rest) = match (schema.get("prefixItems"), schema.get("items")) {
        (Some(Value::Array(first)), rest) => (first.as_slice(), rest),
        // Tuples until draft 2019-09.
        (_, Some(Value::Array(first))) => (first.as_slice(), schema.get("additionalItems")),
        (_, rest) => (&[][..], rest),
    };
    let schemas = first.iter().map(Some).chain(std::iter::repeat(rest));
    is_within(schema, ["minItems", "maxItems"], items.len())
        && items.iter().zip(schemas).all(|(item, own)| own.is_none_or(|own| inner(own, item)))
}

/// Checks a length against its bounds.
fn is_within(schema: &Map<String, Value>, [least, most]: [&str; 2], length: usize) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let length = length as f64;
    bound(least).is_none_or(|least| length >= least)
        && bound(most).is_none_or(|most| length <= most)
}

fn accepts_number(schema: &Map<String, Value>, value: &Value) -> bool {
    let Some(number) = value.as_f64() else { return true };
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    bound("minimum").is_none_or(|least| number >= least)
        && bound("maximum").is_none_or(|most| number <= most)
        && bound("exclusiveMinimum").is_none_or(|least| number > least)
        && bound("exclusiveMaximum").is_none_or(|most| number < most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_accepted(schema: &Value, accepted: &[Value], refused: &[Value]) {
        let check = FormatCheck { schema: schema.clone() };
        for value in accepted {
            assert!(check.accepts(&value.to_string()), "{schema} accepts {value}");
        }
        for value in refused {
            assert!(!check.accepts(&value.to_string()), "{schema} refuses {value}");
        }
    }

    #[test]
    fn each_keyword_refuses_other_values() {
        let cases = [
            (json!({"type": "object"}), json!([{}]), json!([[], "x", null])),
            (json!({"type": ["integer", "null"]}), json!([1, 2.0, null]), json!([1.5, "1"])),
            (json!({"type": "number"}), json!([1, 1.5]), json!(["1", true])),
            (json!({"enum": ["a", 1]}), json!(["a", 1.0]), json!(["A", 2, null])),
            (json!({"const": true}), json!([true]), json!([false])),
            (json!({"minLength": 2, "maxLength": 3}), json!(["éé", 1]), json!(["é", "aaaa"])),
            (json!({"minimum": 1, "exclusiveMaximum": 2}), json!([1, 1.9]), json!([0.9, 2])),
            (
                json!({"items": {"type": "string"}, "maxItems": 2}),
                json!([["a"], []]),
                json!([[1], ["a", "b", "c"]]),
            ),
            (
                json!({"prefixItems": [{"type": "null"}], "items": false}),
                json!([[null]]),
                json!([[1], [null, 1]]),
            ),
            (
                json!({"anyOf": [{"type": "null"}, {"minimum": 3}]}),
                json!([null, 3, "x"]),
                json!([2]),
            ),
            (json!({"oneOf": [{"minimum": 1}, {"maximum": 3}]}), json!([0, 4]), json!([2])),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 3}]}), json!([2]), json!([0, 4])),
            (json!({"pattern": "^a$", "format": "date", "x": 1}), json!(["b", 1]), json!([])),
            (json!(true), json!([1, {}]), json!([])),
            (json!(false), json!([]), json!([1, {}])),
        ];
        for (schema, accepted, refused) in &cases {
            assert_accepted(schema, accepted.as_array().unwrap(), refused.as_array().unwrap());
        }
    }

    #[test]
    fn properties_are_checked_by_name() {
        let schema = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}, "tags": {"$ref": "#/$defs/tags"}},
            "required": ["name"],
            "additionalProperties": false,
            "$defs": {"tags": {"type": "array", "items": {"type": "string"}}},
        });
        let accepted = [json!({"name": "a"}), json!({"tags": ["b"], "name": "a"})];
        let refused = [
            json!({}),
            json!({"name": 1}),
            json!({"name": "a", "tags": [1]}),
            json!({"name": "a", "other": 1}),
        ];
        assert_accepted(&schema, &accepted, &refused);
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let list = json!({
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
            "required": ["next"],
        });
        let refused = [json!({}), json!({"next": {"next": 1}})];
        assert_accepted(&list, &[json!({"next": {"next": null}})], &refused);
        let hostile = [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
            json!({"$ref": "#/missing"}),
            json!({"$ref": "https://example.com/schema"}),
        ];
        hostile.iter().for_each(|schema| assert_accepted(schema, &[json!({"a": 1})], &[]));
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        let check = FormatCheck::new(&ResponseFormat::JsonObject).unwrap();
        assert!(check.accepts("{}") && !check.accepts("{") && !check.accepts("[]"));
        assert!(FormatCheck::new(&ResponseFormat::Text).is_none());
    }
}
