//! JSON Schema of `gateway.yaml`, generated from the field tables of the configuration. The schema
//! accepts every file that the gateway accepts. Rules that relate several values, such as names of
//! other entries, are left to `attache check`.

use attache::{
    config::{
        GATEWAY,
        table::{Field, ObjectTable, Presence, ValueType},
    },
    region::Region,
};
use serde_json::{Map, Value, json};

/// Returns the schema, in draft 2020-12.
pub fn json_schema() -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), "gateway.yaml".into());
    let nested = GATEWAY.with_nested().into_iter().skip(1);
    let definitions: Map<String, Value> =
        nested.map(|table| (table.name.to_owned(), Value::Object(object(table)))).collect();
    schema.extend(object(&GATEWAY));
    schema.insert("$defs".into(), Value::Object(definitions));
    Value::Object(schema)
}

/// Returns the schema as the text of a file.
pub fn text() -> String {
    format!("{:#}\n", json_schema())
}

/// Returns the schema of objects with the fields of a table.
fn object(table: &ObjectTable) -> Map<String, Value> {
    let is_required =
        |field: &&Field| matches!(field.presence, Presence::Required(_) | Presence::RequiredName);
    let required: Vec<&str> =
        table.fields.iter().filter(is_required).map(|field| field.key).collect();
    let properties: Map<String, Value> =
        table.fields.iter().map(|field| (field.key.to_owned(), property(field))).collect();
    let mut schema = Map::new();
    schema.insert("description".into(), table.description.trim().into());
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("additionalProperties".into(), false.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    if table.fields.iter().all(|field| Region::parse(field.key).is_some()) {
        schema.insert("minProperties".into(), 1.into());
    }
    for field in table.fields {
        if let Presence::RequiredUnless(other) = field.presence {
            let either = json!([{"required": [field.key]}, {"required": [other.0]}]);
            schema.insert("anyOf".into(), either);
        }
    }
    schema
}

/// Returns the schema of a field's value. A field that may be absent may also be `null`.
fn property(field: &Field) -> Value {
    let mut schema = Map::new();
    schema.insert("description".into(), field.description.trim().into());
    if let Presence::Default(literal) = field.presence {
        // A default that is not YAML is one that the reader refuses too.
        schema.insert("default".into(), serde_saphyr::from_str(literal).unwrap_or_default());
    }
    let own = value(field.value_type);
    match field.presence {
        Presence::Required(_) | Presence::RequiredName => schema.extend(own),
        _ => schema.extend(nullable(own)),
    }
    Value::Object(schema)
}

/// Returns the schema of values of a type.
fn value(value_type: ValueType) -> Map<String, Value> {
    let schema = match value_type {
        ValueType::Flag => json!({"type": "boolean"}),
        ValueType::Text | ValueType::Path | ValueType::Name(_) => {
            json!({"type": "string", "minLength": 1})
        }
        ValueType::IpAddress => {
            json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
        }
        ValueType::Url => json!({"type": "string", "pattern": URL}),
        ValueType::Origin => json!({"type": "string", "pattern": ORIGIN}),
        ValueType::Duration => json!({"type": "string", "pattern": DURATION}),
        ValueType::Date => json!({"type": "string", "format": "date", "pattern": DATE}),
        ValueType::UpstreamName => json!({"type": "string", "pattern": UPSTREAM_NAME}),
        ValueType::Number { least, most } => whole_number(least, most),
        ValueType::Decimal { least, most } => {
            json!({"type": "number", "minimum": least, "maximum": most})
        }
        ValueType::Rate { least } => {
            json!({"anyOf": [whole_number(least, u32::MAX), {"const": "unlimited"}]})
        }
        ValueType::Word(words) => json!({"type": "string", "enum": (words.0)()}),
        ValueType::Words(words) => {
            let item = json!({"type": "string", "enum": (words.0)()});
            json!({"type": "array", "items": item, "uniqueItems": true})
        }
        ValueType::List(item) => json!({"type": "array", "items": value(*item)}),
        ValueType::Object(table) => json!({"$ref": reference(table)}),
        ValueType::OneOrMore(table) => {
            let one = json!({"$ref": reference(table)});
            json!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
        }
        ValueType::Entries(table) => json!({
            "type": "object",
            "propertyNames": {"pattern": NAME},
            "additionalProperties": {"$ref": reference(table)},
            "minProperties": 1,
        }),
        ValueType::Names(_) => json!({
            "type": "object",
            "propertyNames": {"pattern": ALIAS},
            "additionalProperties": {"type": "string", "minLength": 1},
        }),
        ValueType::ByModel(table) => {
            json!({"type": "object", "additionalProperties": {"$ref": reference(table)}})
        }
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn whole_number(least: u32, most: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

fn reference(table: &ObjectTable) -> String {
    format!("#/$defs/{}", table.name)
}

/// Returns a schema that also accepts `null`.
fn nullable(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.push(Value::Null);
    }
    match schema.get("type").cloned() {
        Some(own) => {
            schema.insert("type".into(), json!([own, "null"]));
            schema
        }
        None => Map::from_iter([("anyOf".to_owned(), json!([schema, {"type": "null"}]))]),
    }
}

/// Pattern of names of entries.
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$";

/// Pattern of aliases.
const ALIAS: &str = "^[A-Za-z0-9_.:@/*-]{1,128}$";

/// Pattern of URLs: no user, no query and no fragment.
const URL: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[^/@?#][^@?#]*$";

/// Pattern of URLs without a path.
const ORIGIN: &str = "^[Hh][Tt][Tt][Pp][Ss]?://[^/@?#]+/*$";

/// Pattern of durations, with the units of the crate `humantime` that fit into 24 hours.
const DURATION: &str = "^\\s*([0-9]+(\\.[0-9]+)?\\s*\
    (nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\
    \\s*)+$";

/// Pattern of dates.
const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";

/// Pattern of the names of models in providers' APIs.
const UPSTREAM_NAME: &str = "^[A-Za-z0-9_.:@/-]+$";
