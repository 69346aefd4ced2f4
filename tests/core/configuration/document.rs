//! Documents to test the field tables with, and the places of fields in them.

use attache::config::{
    GATEWAY,
    table::{Field, ObjectTable, ValueType},
};
use serde_json::{Value, json};

/// Returns the smallest valid configuration.
pub fn smallest() -> Value {
    serde_json::from_str(include_str!("../../../src/config/tests/smallest.json")).unwrap()
}

/// Returns a valid configuration that contains every object.
pub fn complete() -> Value {
    let urls = json!({"us": "https://a.example/v1", "eu": "https://b.example/v1"});
    let mut all_urls = urls.clone();
    all_urls["global"] = json!("https://c.example/v1");
    let endpoint = json!({"provider": "p", "upstream_model": "m"});
    let deadlines = json!({"connect": "3s"});
    let budget = json!({"usd": 50, "per": "day"});
    let limits = json!({"m": {"requests_per_minute": 5, "tokens_per_minute": 500}});
    json!({
        "deadlines": deadlines,
        "plans": {"paid": {"requests_per_minute": 30, "models": limits, "budget": budget}},
        "jwt": {"issuer": "me", "jwks_url": "https://id.example/keys"},
        "accounts": {"demo": {
            "plan": "paid", "key_files": ["demo.key"], "models": limits, "budget": budget,
        }},
        "providers": {"p": {
            "api_schema": "openai",
            "base_url": all_urls,
            "circuit_breakers": {"max_requests": 100},
            "outlier_detection": {"consecutive_5xx": 5},
        },
        "aws": {
            "api_schema": "bedrock-converse",
            "base_url": urls,
            "auth": {"aws": {"region": "us-west-2"}},
        },
        "azure": {
            "api_schema": "openai",
            "base_url": urls,
            "auth": {"azure": {"tenant": "t", "client_id": "c", "client_secret_file": "s.key"}},
        }},
        "admin": {"port": 9902},
        "listeners": {
            "us": {"port": 8080, "tls": {"certificate_file": "a.pem", "private_key_file": "a.key"}},
            "eu": {"port": 8081},
        },
        "overload": {"connections": 5000},
        "rate_limit": {"service": "http://10.0.0.7:8081"},
        "models": {"m": {
            "name": "M",
            "regions": {"us": endpoint, "eu": endpoint, "global": endpoint},
            "context_length": 100_000,
            "max_output_tokens": 10_000,
            "deadlines": deadlines,
            "price": {"input": 1, "output": 2},
        }},
        "aliases": {"alias": "m", "m-*": "m"},
        "transcripts": {"base_url": urls, "key_file": "transcripts.key"},
        "guard": {"url": urls, "key_file": "guard.key"},
        "access_log": {"separate_fields": true},
        "metrics": {"per_account": false},
        "tracing": {"collector": "http://127.0.0.1:4318"},
    })
}

/// Field of the complete configuration.
pub struct FieldPlace {
    /// JSON pointer of its value.
    pub pointer: String,
    /// Entry in the field table.
    pub field: &'static Field,
}

/// Returns every field of every object in the complete configuration.
pub fn places() -> Vec<FieldPlace> {
    let (document, mut found, mut tables) = (complete(), Vec::new(), Vec::new());
    visit(&GATEWAY, "", &document, &mut |table, place| {
        found.push(place);
        tables.push(table.name);
    });
    for table in GATEWAY.with_nested() {
        assert!(tables.contains(&table.name), "no `{}` in the complete document", table.name);
    }
    found
}

fn visit(
    table: &'static ObjectTable,
    pointer: &str,
    document: &Value,
    found: &mut impl FnMut(&'static ObjectTable, FieldPlace),
) {
    for field in table.fields {
        let pointer = format!("{pointer}/{}", field.key);
        let value = document.pointer(&pointer);
        match field.value_type {
            ValueType::Object(nested) | ValueType::OneOrMore(nested) if value.is_some() => {
                visit(nested, &pointer, document, found);
            }
            ValueType::Entries(nested) | ValueType::ByModel(nested) => {
                for name in value.and_then(Value::as_object).into_iter().flat_map(|all| all.keys())
                {
                    visit(nested, &format!("{pointer}/{name}"), document, found);
                }
            }
            _ => {}
        }
        found(table, FieldPlace { pointer, field });
    }
}

/// Puts a value at a place of a document.
pub fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
}
