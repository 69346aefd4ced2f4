//! Field tables of the configuration: the reader, the JSON Schema and the field reference in
//! `docs/configuration.md` agree. `UPDATE=1 cargo test --test core configuration` rewrites the generated
//! parts: `envoy/gateway.schema.json`, and the tables in the page.

mod document;
mod reference;

use std::{fs, path::Path};

use self::document::{FieldPlace, complete, places, put, smallest};
use attache::config::{
    Config, GATEWAY, Quirk,
    table::{Field, Presence},
};
use attache_cli::schema;
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// Compares a file with the text it should have, and writes the text if `UPDATE` is set.
fn assert_generated(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = fs::read_to_string(&file).unwrap_or_default();
    if found != expected && std::env::var_os("UPDATE").is_some() {
        return fs::write(file, expected).unwrap();
    }
    assert!(found == expected, "{path} differs: UPDATE=1 cargo test --test core configuration");
}

/// The printed schema, compiled: what checks that documents keep to it.
struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

impl Validator {
    /// Returns the validator of the printed schema, which must keep to JSON Schema itself.
    fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let location = "file:///gateway.schema.json";
        compiler.add_resource(location, schema::json_schema()).unwrap();
        let root = compiler.compile(location, &mut schemas).unwrap();
        Self { schemas, root }
    }

    /// Returns the paths and messages of a document's violations of the schema.
    fn violations(&self, document: &Value) -> Vec<String> {
        let refused = self.schemas.validate(document, self.root).err();
        refused.map(|error| format!("{error:#}")).into_iter().collect()
    }

    fn is_valid(&self, document: &Value) -> bool {
        self.schemas.validate(document, self.root).is_ok()
    }
}

/// Returns the document of a text, read as the command reads files.
fn parse_yaml(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).unwrap()
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    assert_generated("envoy/gateway.schema.json", &schema::text());
}

#[test]
fn the_field_reference_is_generated_from_the_tables() {
    let page = include_str!("../../docs/configuration.md");
    assert_generated("docs/configuration.md", &reference::fill(page));
    for table in GATEWAY.with_nested() {
        let name = table.name;
        assert!(page.contains(&reference::begin("fields", name)), "no field reference of `{name}`");
    }
    for (word, _) in Quirk::WORDS {
        assert!(page.contains(&format!("\n| `{word}` | ")), "no description of the quirk `{word}`");
    }
}

#[test]
fn the_schema_accepts_valid_files() {
    let validator = Validator::new();
    let text = include_str!("../../envoy/gateway.yaml");
    let first = text.lines().next();
    assert_eq!(first, Some("# yaml-language-server: $schema=gateway.schema.json"));
    assert_eq!(validator.violations(&parse_yaml(text)), [""; 0]);
    let sample = attache_cli::gateway_file::document(text).unwrap();
    let golden: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    for document in [sample, golden, smallest(), complete()] {
        assert_eq!(Config::parse(&document).err(), None);
        assert_eq!(validator.violations(&document), [""; 0]);
    }
}

#[test]
fn the_schema_refuses_wrong_files() {
    let validator = Validator::new();
    let cases = [
        ("/listeners", json!({})),
        ("/listeners/uk", json!({"port": 8082})),
        ("/listeners/us", json!({})),
        ("/listeners/us/port", json!(65536)),
        ("/deadlines", json!({"connect": 3})),
        ("/deadlines", json!({"connect": "3"})),
        ("/deadlines", json!({"first_token": "20s"})),
        ("/plans", json!({})),
        ("/plans/a b", json!({"requests_per_minute": 1})),
        ("/plans/paid", Value::Null),
        ("/plans/paid/requests_per_minute", json!("many")),
        ("/jwt", json!({"issuer": "https://id.example.com/"})),
        ("/providers/openai/api_schema", json!("open-ai")),
        ("/providers/openai/api_key", json!("sk-1")),
        ("/providers/openai/base_url/us", json!("api.openai.com")),
        ("/providers/openai/base_url/us", json!("https://user:password@example.com")),
        ("/providers/openai/quirks", json!(["max_tokens", "max_tokens"])),
        ("/rate_limit", json!({"service": "http://limits.internal/path"})),
        ("/aliases", json!({"a b": "gpt-4.1"})),
        ("/aliases", json!({"gpt-*": 4.1})),
        ("/models/gpt-4.1/regions/us/upstream_model", json!("m?key=1")),
        ("/models/gpt-4.1/input", json!(["text", "pdf"])),
        ("/models/gpt-4.1/max_temperature", json!(2.1)),
        ("/models/gpt-4.1/retirement_date", json!("soon")),
        ("/models/gpt-4.1/context_length", json!(0)),
        ("/models/gpt-4.1/prices", json!({})),
    ];
    for (pointer, value) in cases {
        let mut document = smallest();
        put(&mut document, pointer, value.clone());
        assert!(Config::parse(&document).is_err(), "the reader accepts {pointer} = {value}");
        assert!(!validator.is_valid(&document), "the schema accepts {pointer} = {value}");
    }
}

/// Returns whether the reader and the schema accept a value at a place of the complete document.
fn accepted(validator: &Validator, place: &FieldPlace, value: &Value) -> (bool, bool) {
    let mut document = complete();
    put(&mut document, &place.pointer, value.clone());
    (Config::parse(&document).is_ok(), validator.is_valid(&document))
}

#[test]
fn the_reader_and_the_schema_know_the_same_types() {
    let validator = Validator::new();
    let wrong_everywhere = [json!(-1), json!([{}]), json!({"nonsense": 1})];
    let wrong_somewhere = r#"[true, 0, 1.5, 1e12, "", "nonsense", "unlimited", "20s", "2026-01-31",
        "http://example.com", "https://example.com/v1", [], ["text"], [1], {}]"#;
    let wrong_somewhere: Vec<Value> = serde_json::from_str(wrong_somewhere).unwrap();
    for place in places() {
        for value in &wrong_everywhere {
            let refused = accepted(&validator, &place, value);
            assert_eq!(refused, (false, false), "{} = {value}", place.pointer);
        }
        for value in wrong_somewhere.iter().chain([&Value::Null]) {
            let (reader, schema) = accepted(&validator, &place, value);
            assert!(schema || !reader, "the schema refuses {} = {value}", place.pointer);
        }
        let is_required =
            matches!(place.field.presence, Presence::Required(_) | Presence::RequiredName);
        if is_required {
            let refused = accepted(&validator, &place, &Value::Null);
            assert_eq!(refused, (false, false), "{} = null", place.pointer);
        }
    }
}

#[test]
fn the_tables_have_the_readers_defaults() {
    let read = |place: &FieldPlace, value: Value| {
        let mut document = complete();
        put(&mut document, &place.pointer, value);
        let config = Config::parse(&document);
        format!("{:?}", config.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", place.pointer)))
    };
    let default = |field: &Field| match field.presence {
        Presence::Default(literal) => Some(parse_yaml(literal)),
        _ => None,
    };
    let mut count = 0;
    for place in places() {
        if let Some(value) = default(place.field) {
            assert_eq!(read(&place, Value::Null), read(&place, value), "{}", place.pointer);
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}
