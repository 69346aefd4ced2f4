//! Requests as they are sent, and their reports.

mod closing;
mod reasoning_tags;
mod tools_and_effort;

use serde_json::{Value, json};

use crate::{
    api_schema::{self, PreparedRequest, translation::TranslationInput},
    chat::request::{Request, parameters},
    config::Config,
    inlet::Inlet,
    region::Region,
};

/// Returns the configuration of a model whose entry has these fields.
fn config(fields: &Value) -> Config {
    Config::parse(&document(fields)).unwrap()
}

/// Returns the document of a model whose entry has these fields.
fn document(fields: &Value) -> Value {
    let mut entry = json!({
        "name": "M",
        "regions": {"us": {"provider": "p", "upstream_model": "m"}},
        "context_length": 100_000,
        "max_output_tokens": 10_000,
        "supported_parameters": [
            "temperature", "tools", "tool_choice", "stream", "reasoning_effort", "reasoning"
        ],
        "reasoning_efforts": ["none", "low", "medium", "high"],
        "default_reasoning_effort": "medium",
        "sampling": "effort_none",
    });
    entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"]}},
        "providers": {"p": {"api_schema": "openai", "base_url": {"us": "https://example.com/v1"}}},
        "models": {"m": entry},
    })
}

/// Returns the body of a request to a model with these fields, and the value of `x-attache-params`.
fn sent(fields: &Value, request: &Value) -> (Value, String) {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let (body, config) = (body.to_string(), config(fields));
    let (request, mistakes) = Request::check(parameters(body.as_bytes()).unwrap());
    assert_eq!(mistakes, [], "{body}");
    let target = config.target("m", Region::Us).unwrap();
    let PreparedRequest { fit, schema_request } = api_schema::prepare(&request, &target);
    assert_eq!(fit.refused, [], "{body}");
    let (request_id, inlet) = ("id", Inlet::Chat);
    let input = TranslationInput { request: &request, fit: &fit, target, request_id, inlet };
    let (translated, _) = api_schema::translate(&input, &schema_request);
    (serde_json::from_slice(&translated.body).unwrap(), fit.report())
}
