use super::*;
use crate::api_schema::anthropic::json_schema;

fn converted(schema: &Value) -> Option<(Value, bool)> {
    let raw = serde_json::value::to_raw_value(schema).unwrap();
    json_schema::to_strict(&raw).map(|converted| (converted.schema, converted.differs))
}

#[test]
fn what_can_be_held_to_is_kept() {
    let object = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
    let same = |schema: Value| (schema.clone(), schema, false);
    let cases = [
        same(json!({"type": "string", "description": "d", "title": "T", "format": "uuid"})),
        same(json!({"enum": ["a", 1, null]})),
        same(json!({"const": "a"})),
        same(json!({"type": "array", "items": {"type": "null"}, "minItems": 1})),
        same(object(
            json!({"title": {"type": "string"}, "type": {"type": "number"}, "$ref": {"type": "boolean"}}),
        )),
        same(json!({"anyOf": [{"type": "string"}, {"type": "null"}]})),
        same(
            json!({"$defs": {"P": {"type": "string"}}, "type": "array", "items": {"$ref": "#/$defs/P"}}),
        ),
        same(json!({"$defs": {"P": {"type": "string"}}, "$ref": "#/$defs/P"})),
        same(object(json!({}))),
    ];
    for (schema, expected, differs) in cases {
        assert_eq!(converted(&schema), Some((expected, differs)), "{schema}");
    }
}

#[test]
fn what_can_only_be_described_is_in_the_description() {
    let cases = [
        (json!({"type": "string", "enum": ["a"]}), json!({"enum": ["a"]}), false),
        (json!({"type": ["string"]}), json!({"type": "string"}), false),
        (json!({"$schema": "s", "$id": "i", "type": "string"}), json!({"type": "string"}), false),
        (
            json!({"type": ["string", "null"], "minLength": 1, "description": "d"}),
            json!({"anyOf": [{"type": "string", "description": "{minLength: 1}"}, {"type": "null"}], "description": "d"}),
            true,
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"const": 1}]}),
            json!({"anyOf": [{"type": "string"}, {"const": 1}]}),
            false,
        ),
        (
            json!({"type": "integer", "description": "d", "minimum": 1, "maximum": 5}),
            json!({"type": "integer", "description": "d\n\n{minimum: 1, maximum: 5}"}),
            true,
        ),
        (
            json!({"type": "string", "format": "color", "pattern": "^h", "default": "h"}),
            json!({"type": "string", "description": "{format: color, pattern: ^h, default: h}"}),
            true,
        ),
        (
            json!({"type": "string", "default": null}),
            json!({"type": "string", "description": "{default: null}"}),
            false,
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": true}),
            json!({"type": "array", "items": {"type": "string"}, "description": "{minItems: 2, uniqueItems: true}"}),
            true,
        ),
        (
            json!({"properties": {"a": {"type": "string"}}, "required": ["a", "b"], "additionalProperties": true}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false}),
            true,
        ),
        (
            json!({"definitions": {"P": {"type": "string"}}, "type": "array",
                "items": {"$ref": "#/definitions/P", "description": "d"}}),
            json!({"$defs": {"P": {"type": "string"}}, "type": "array",
                "items": {"anyOf": [{"$ref": "#/$defs/P"}], "description": "d"}}),
            false,
        ),
        (
            json!({"$defs": {"P": {"type": "string"}}, "allOf": [{"$ref": "#/$defs/P"}]}),
            json!({"$defs": {"P": {"type": "string"}}, "anyOf": [{"$ref": "#/$defs/P"}]}),
            false,
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b", "a"]}),
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "additionalProperties": false}),
            true,
        ),
    ];
    for (schema, expected, differs) in cases {
        assert_eq!(converted(&schema), Some((expected, differs)), "{schema}");
    }
}

#[test]
fn what_may_be_null_too_stays_so() {
    let cases = [
        (
            json!({"type": ["object", "null"], "properties": {"a": {"type": "string"}},
                "required": ["a"], "additionalProperties": false, "description": "d"}),
            json!({"anyOf": [{"type": "object", "properties": {"a": {"type": "string"}},
                "required": ["a"], "additionalProperties": false}, {"type": "null"}], "description": "d"}),
        ),
        (
            json!({"type": ["array", "null"], "items": {"type": ["string", "null"]}}),
            json!({"anyOf": [{"type": "array", "items":
                {"anyOf": [{"type": "string"}, {"type": "null"}]}}, {"type": "null"}]}),
        ),
    ];
    for (schema, expected) in cases {
        assert_eq!(converted(&schema), Some((expected, false)), "{schema}");
    }
}

#[test]
fn all_of_several_is_one_where_that_means_the_same() {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    let (a, b) = (json!({"a": {"type": "string"}}), json!({"b": {"type": "integer"}}));
    let both = |description: Option<&str>| {
        let mut both = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
            "required": ["a", "b"], "additionalProperties": false});
        if let Some(text) = description {
            both["description"] = json!(text);
        }
        both
    };
    let parts = json!([object(a.clone(), json!(["a"])), object(b.clone(), json!(["b"]))]);
    let defined = json!({"A": object(a.clone(), json!(["a"])), "AA": {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}});
    let cases = [
        (json!({"allOf": parts}), both(None)),
        (json!({"description": "d", "allOf": parts}), both(Some("d"))),
        (
            json!({"allOf": [parts[1]], "type": "object", "properties": a, "required": ["a"]}),
            both(None),
        ),
        (json!({"$defs": defined, "allOf": [{"$ref": "#/$defs/AA"}, parts[1]]}), both(None)),
    ];
    for (schema, expected) in cases {
        let (mut converted, differs) = converted(&schema).unwrap();
        converted.as_object_mut().unwrap().shift_remove("$defs");
        assert_eq!((converted, differs), (expected, false), "{schema}");
    }
}

#[test]
fn parts_of_parts_without_end_are_given_up() {
    let mut definitions = serde_json::Map::new();
    definitions
        .insert("D0".into(), json!({"type": "object", "properties": {"x": {"type": "string"}}}));
    for level in 1..60 {
        let below = json!({"$ref": format!("#/$defs/D{}", level - 1)});
        definitions.insert(format!("D{level}"), json!({"allOf": [below, below]}));
    }
    let schema = json!({"$defs": definitions, "type": "object", "properties": {"y": {"$ref": "#/$defs/D59"}}});
    assert_eq!(converted(&schema), None);
}

#[test]
fn the_order_of_properties_is_the_clients() {
    let schema = json!({"type": "object", "properties":
        {"z": {"type": "string"}, "a": {"type": "string"}, "m": {"type": "string"}}});
    let (converted, _) = converted(&schema).unwrap();
    let names: Vec<&String> = converted["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn what_no_model_can_be_held_to_is_found() {
    let cases = [
        json!(true),
        json!({}),
        json!({"description": "anything"}),
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        json!({"type": "object", "properties": {}, "additionalProperties": true}),
        json!({"type": "object", "properties": {"a": {}}}),
        json!({"type": "array", "items": true}),
        json!({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "null"}}),
        json!({"$ref": "https://x/y"}),
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/P"}),
        json!({"type": "date"}),
        json!({"$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"}),
        json!({"$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/B"}}, "B": {"anyOf": [{"$ref": "#/$defs/A"}]}}, "$ref": "#/$defs/A"}),
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false},
            {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": false},
        ]}),
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "integer"}}},
        ]}),
        json!({"type": "object", "properties": {"a": {"type": "string"}},
            "patternProperties": {"^x": {"type": "string"}}, "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"properties": {"b": {"type": "string"}}}]}),
        json!({"$defs": {"P": {"type": "string"}}, "type": "object",
            "properties": {"a": {"type": "string"}}, "oneOf": [{"$ref": "#/$defs/P"}]}),
        json!({"$defs": {"P": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "$ref": "#/$defs/P", "properties": {"b": {"type": "string"}}}),
    ];
    for schema in cases {
        assert_eq!(converted(&schema), None, "{schema}");
    }
}

#[test]
fn a_strict_tool_is_held_to_what_can_be_and_another_keeps_its_schema() {
    let tool = |strict: bool, parameters: &Value| json!({"tools": [{"type": "function", "function": {"name": "f", "strict": strict, "parameters": parameters}}]});
    let bounded = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]});
    let held = json!({"type": "object", "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}},
        "required": ["a"], "additionalProperties": false});
    let map = json!({"type": "object", "properties": {"m": {"type": "object", "additionalProperties": {"type": "string"}}}});
    let cases = [
        (true, &bounded, json!({"name": "f", "input_schema": held, "strict": true})),
        (false, &bounded, json!({"name": "f", "input_schema": bounded})),
        (true, &map, json!({"name": "f", "input_schema": map})),
    ];
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let none = json!({"name": "f", "input_schema": none, "strict": true});
    assert_eq!(sent(&tool(true, &Value::Null))["tools"][0], none);
    for (strict, parameters, expected) in cases {
        assert_eq!(sent(&tool(strict, parameters))["tools"][0], expected, "{strict} {parameters}");
    }
}

#[test]
fn a_tools_schema_is_an_object_at_the_top() {
    let tool = |parameters: &Value| json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]});
    let a = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let b = json!({"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]});
    let both = json!({"a": {"type": "string"}, "b": {"type": "string"}});
    let kinds =
        json!(["a", "b", "c", "b"].map(|kind| json!({"properties": {"kind": {"const": kind}}})));
    let cases = [
        (json!({}), json!({"type": "object", "properties": {}})),
        (
            json!({"$schema": "s", "type": "object", "properties": {}}),
            json!({"type": "object", "properties": {}}),
        ),
        (
            json!({"properties": {"a": {"type": "string"}}}),
            json!({"properties": {"a": {"type": "string"}}, "type": "object"}),
        ),
        (
            json!({"anyOf": [a, b]}),
            json!({"type": "object", "properties": both, "description": format!("{{anyOf: {}}}", json!([a, b]))}),
        ),
        (
            json!({"oneOf": kinds}),
            json!({"type": "object", "properties": {"kind": {"anyOf": [{"const": "a"}, {"const": "b"}, {"const": "c"}]}},
                "description": format!("{{oneOf: {kinds}}}")}),
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "string"}}, "anyOf": kinds}),
            json!({"type": "object", "properties": {"kind": {"type": "string"}},
                "description": format!("{{anyOf: {kinds}}}")}),
        ),
        (
            json!({"allOf": [a, b], "description": "d"}),
            json!({"description": format!("d\n\n{{allOf: {}}}", json!([a, b])), "type": "object", "properties": both, "required": ["a", "b"]}),
        ),
        (
            json!({"$ref": "#/$defs/A", "$defs": {"A": a}}),
            json!({"$defs": {"A": a}, "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ),
    ];
    for (parameters, expected) in cases {
        assert_eq!(sent(&tool(&parameters))["tools"][0]["input_schema"], expected, "{parameters}");
    }
}

#[test]
fn the_form_of_an_answer_is_held_to_or_told() {
    let format = |schema: &Value| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}});
    let held = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let body = sent(&format(&held));
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": held}}));
    assert_eq!(body.get("system"), None);
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    for told in [format(&map), json!({"response_format": {"type": "json_object"}})] {
        let body = sent(&told);
        assert_eq!(body.get("output_config"), None, "{told}");
        assert!(body["system"][0]["text"].as_str().unwrap().contains("JSON object"), "{told}");
    }
    let text = json!({"response_format": {"type": "text"}});
    assert_eq!(sent(&text).get("system"), None);
}
