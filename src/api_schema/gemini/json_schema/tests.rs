//! Translations of each keyword.

use super::*;

fn answer(schema: &str) -> String {
    let schema = SchemaTranslator::default().response_schema(schema).unwrap().unwrap_or_default();
    String::from_utf8(schema).unwrap()
}

fn parameters(schema: &str) -> Option<String> {
    SchemaTranslator::default()
        .parameters_schema(schema)
        .unwrap()
        .map(|schema| String::from_utf8(schema).unwrap())
}

#[test]
fn supported_keywords_stay_unchanged() {
    let schemas = [
        r#"{"type":"object","properties":{"title":{"type":"string","title":"T"},"$ref":{"type":"string"},"default":{"type":"integer","minimum":0,"maximum":9}},"required":["title"],"additionalProperties":false}"#,
        r#"{"type":"array","items":{"type":["string","null"],"format":"date-time"},"minItems":1,"maxItems":2}"#,
        r#"{"anyOf":[{"type":"string"},{"type":"null"}],"description":"d"}"#,
        r#"{"type":"string","enum":["a","b"]}"#,
        r#"{"type":"array","prefixItems":[{"type":"string"}]}"#,
        r#"{"type":"object","additionalProperties":{"type":"string"},"propertyOrdering":["b","a"]}"#,
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"string"}}}"##,
    ];
    for schema in schemas {
        assert_eq!(answer(schema), schema);
    }
}

#[test]
fn other_keywords_are_translated_or_become_notes() {
    let cases = [
        (r#"{"$schema":"x","$comment":"c","x-own":1,"type":"string"}"#, r#"{"type":"string"}"#),
        (r#"{"oneOf":[{"type":"string"},{}]}"#, r#"{"anyOf":[{"type":"string"},{}]}"#),
        (r#"{"const":"a"}"#, r#"{"type":"string","enum":["a"]}"#),
        (r#"{"const":3}"#, r#"{"type":"integer","enum":[3]}"#),
        (r#"{"const":null}"#, r#"{"type":"null"}"#),
        (r#"{"const":true}"#, r#"{"type":"boolean","description":"(enum: [true])"}"#),
        (r#"{"enum":[true,false]}"#, r#"{"type":"boolean"}"#),
        (r#"{"enum":[]}"#, ""),
        (
            r#"{"enum":["a",true]}"#,
            r#"{"anyOf":[{"type":"string","enum":["a"]},{"type":"boolean"}],"description":"(enum: [\"a\",true])"}"#,
        ),
        (
            r#"{"type":["string","null"],"enum":["a",null]}"#,
            r#"{"anyOf":[{"type":"string","enum":["a"]},{"type":"null"}]}"#,
        ),
        (r#"{"enum":["a",1,{}]}"#, r#"{"description":"(enum: [\"a\",1,{}])"}"#),
        (
            r#"{"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":9}"#,
            r#"{"type":"integer","minimum":2,"maximum":8}"#,
        ),
        (
            r#"{"type":"number","exclusiveMinimum":0,"description":"d"}"#,
            r#"{"type":"number","description":"d (exclusiveMinimum: 0)","minimum":0}"#,
        ),
        (
            r#"{"type":"integer","minimum":1,"exclusiveMinimum":true}"#,
            r#"{"type":"integer","minimum":1,"description":"(exclusiveMinimum: true)"}"#,
        ),
        (
            r#"{"type":"string","pattern":"^a","minLength":1,"default":"a"}"#,
            r#"{"type":"string","description":"(pattern: \"^a\", minLength: 1, default: \"a\")"}"#,
        ),
        (r#"{"type":"string","nullable":true}"#, r#"{"type":["string","null"]}"#),
        (
            r#"{"items":[{"type":"string"},true],"type":"array"}"#,
            r#"{"prefixItems":[{"type":"string"},{}],"type":"array"}"#,
        ),
        (
            r#"{"properties":{"a":true,"b":false},"required":["a","c"]}"#,
            r#"{"properties":{"a":{},"b":{"description":"(no value is valid)"}},"required":["a"],"description":"(required: [\"c\"])"}"#,
        ),
        (
            r#"{"anyOf":[{"type":"string"}],"oneOf":[{"type":"null"}]}"#,
            r#"{"anyOf":[{"type":"string"}],"description":"(oneOf: [{\"type\":\"null\"}])"}"#,
        ),
        (
            r#"{"properties":{"a":{}},"patternProperties":{"^x":{}},"additionalProperties":false}"#,
            r#"{"properties":{"a":{}},"description":"(patternProperties: {\"^x\":{}})"}"#,
        ),
    ];
    for (schema, translated) in cases {
        assert_eq!(answer(schema), translated, "{schema}");
    }
}

#[test]
fn references_have_no_neighbours_and_point_to_definitions() {
    let cases = [
        (
            r##"{"properties":{"a":{"$ref":"#/definitions/A","description":"d"}},"definitions":{"A":{"type":"string"}}}"##,
            r##"{"properties":{"a":{"description":"d","anyOf":[{"$ref":"#/$defs/A"}]}},"$defs":{"A":{"type":"string"}}}"##,
        ),
        (
            r##"{"type":"object","properties":{"a":{"type":"string"},"b":{"$ref":"#/properties/a"}}}"##,
            r##"{"type":"object","properties":{"a":{"type":"string"},"b":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string"}}}"##,
        ),
        (
            r##"{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#"}}}}"##,
            r##"{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/_"}}},"$defs":{"_":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/_"}}}}}}"##,
        ),
        (
            r#"{"properties":{"a":{"$ref":"https://example.com/a"}}}"#,
            r#"{"properties":{"a":{"description":"($ref: \"https://example.com/a\")"}}}"#,
        ),
        (
            r##"{"allOf":[{"$ref":"#/$defs/A"}],"title":"T","$defs":{"A":{"type":"string"}}}"##,
            r##"{"title":"T","anyOf":[{"$ref":"#/$defs/A"}],"$defs":{"A":{"type":"string"}}}"##,
        ),
        (
            r##"{"allOf":[{"$ref":"#/$defs/A"},{"properties":{"b":{}},"required":["b"]}],"$defs":{"A":{"type":"object","properties":{"a":{}},"required":["a"]}}}"##,
            r#"{"type":"object","properties":{"a":{},"b":{}},"required":["a","b"]}"#,
        ),
        (
            r##"{"properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/x/A"}},"$defs":{"A":{}},"x":{"A":{"type":"string"}}}"##,
            r##"{"properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A_2"}},"$defs":{"A":{},"A_2":{"type":"string"}}}"##,
        ),
    ];
    for (schema, translated) in cases {
        assert_eq!(answer(schema), translated, "{schema}");
    }
}

#[test]
fn a_function_without_parameters_needs_no_schema() {
    for none in ["{}", r#"{"type":"object"}"#, r#"{"type":"object","properties":{},"title":"T"}"#] {
        assert_eq!(parameters(none), None, "{none}");
    }
    let some = [
        (r#"{"properties":{"a":{}}}"#, r#"{"properties":{"a":{}},"type":"object"}"#),
        (
            r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
            r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
        ),
    ];
    for (schema, translated) in some {
        assert_eq!(parameters(schema).as_deref(), Some(translated));
    }
}

#[test]
fn recursive_schemas_are_bounded() {
    let part = r##"{"$ref":"#/$defs/A"}"##;
    let parts = [part; 300].join(",");
    let bomb = format!(
        r#"{{"properties":{{"a":{part}}},"$defs":{{"A":{{"allOf":[{parts}],"properties":{{"x":{{"allOf":[{parts}]}}}}}}}}}}"#
    );
    assert_eq!(SchemaTranslator::default().response_schema(&bomb), Err(TooLarge));
    let two = r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}],"properties":{"a":{"$ref":"#"}}}"##;
    assert!(SchemaTranslator::default().response_schema(two).unwrap().is_some());
    let long = format!(r#"{{"description":"{}"}}"#, "d".repeat(MAX_LENGTH));
    assert_eq!(SchemaTranslator::default().response_schema(&long), Err(TooLarge));
}

#[test]
fn a_schema_has_no_more_nodes_than_its_text_tells() {
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let cases = [
        object(json!({})),
        object(json!({"a": {"type": "array", "items": object(json!({"b": {"const": 1}}))}})),
        json!({"$defs": {"n": object(json!({"n": {"$ref": "#/$defs/n"}, "r": {"$ref": "#"}}))},
            "anyOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n/properties/n"}]}),
    ];
    for schema in cases.map(|schema| schema.to_string()) {
        let mut translator = SchemaTranslator::default();
        translator.translate(&schema).unwrap();
        assert!((1..=most_nodes(&schema)).contains(&translator.nodes), "{schema}");
    }
    let merged = json!({"allOf": [{}, {}]}).to_string();
    let escaped = merged.replace("allOf", "all\\u004ff");
    for schema in [&merged, &escaped] {
        assert_eq!(most_nodes(schema), usize::MAX, "{schema}");
        assert!(!are_small([schema.as_str()].into_iter()), "{schema}");
    }
    let [small, large] = [10, MAX_NODES].map(|count| "{}".repeat(count));
    assert!(are_small([small.as_str(), &small].into_iter()));
    assert!(!are_small([small.as_str(), &large].into_iter()));
}
