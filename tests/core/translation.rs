//! Requests to models with different abilities: what leaves for the provider, what the client is
//! told of parameters, and mistakes. The configuration is that of the tests with Envoy.

use std::rc::Rc;

use attache::{config::Config, gateway::Gateway, region::Region::Us};
use serde_json::{Value, json};
use testkit::play::{self, Got, Table, assert_error_shape, keys};

/// An answer of OpenAI's.
const ANSWER: &str = r#"{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}"#;

fn gateway() -> Rc<Gateway> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let text = include_str!("../envoy/gateway.yaml");
    let document: Value = serde_saphyr::from_str_with_options(text, options).unwrap();
    let config = Rc::new(Config::parse(&document).unwrap());
    Rc::new(Gateway::new(config, Us, Rc::new(Table::default())))
}

/// The answer that a client gets.
struct Answer(Got);

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.0.headers.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.body).unwrap()
    }
}

/// The body that leaves for a provider.
struct Leaving {
    body: Vec<u8>,
}

impl Leaving {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Plays a request that is answered.
#[track_caller]
fn exchange(request: &Value) -> (Answer, Leaving) {
    let (mut attempt, outgoing, _) = play::ask(&gateway(), request.to_string().as_bytes())
        .unwrap_or_else(|reply| panic!("refused: {reply:?}"));
    let got = play::receive(&mut attempt, play::head(&json!({})), &[ANSWER.as_bytes()]);
    assert_eq!(got.status, 200, "{got:?}");
    (Answer(got), Leaving { body: outgoing.body })
}

/// Plays a request that nobody receives, and returns the error with status 400.
#[track_caller]
fn refused(body: &str, code: &str) -> Value {
    let error = refused_somehow(body);
    assert_eq!(error["error"]["code"], code, "{body}: {error}");
    error
}

#[track_caller]
fn refused_somehow(body: &str) -> Value {
    let Err(reply) = play::ask(&gateway(), body.as_bytes()) else { panic!("answered: {body}") };
    assert_eq!(reply.status, 400, "{body}");
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_error_shape(&error, 400, error["error"]["code"].as_str().unwrap_or_default());
    error
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}],
        "fallback_config": {"retry": false}})
}

fn with(mut request: Value, more: Value) -> Value {
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// Plays a request with more parameters.
#[track_caller]
fn sent(model: &str, more: Value) -> (Answer, Leaving) {
    exchange(&with(chat(model), more))
}

/// Returns the messages that leave for these.
#[track_caller]
fn told(model: &str, messages: Value) -> Value {
    exchange(&json!({"model": model, "messages": messages})).1.json()["messages"].take()
}

fn tool() -> Value {
    json!({"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}})
}

#[test]
fn a_prompt_is_a_message_of_the_user() {
    let (_, leaving) = exchange(&json!({"model": "gpt", "prompt": "Hello?"}));
    assert_eq!(leaving.json()["messages"], json!([{"role": "user", "content": "Hello?"}]));
}

#[test]
fn the_newer_name_of_the_limit_wins() {
    let cases = [
        (json!({}), 1000),
        (json!({"max_tokens": 7}), 7),
        (json!({"max_completion_tokens": 8}), 8),
        (json!({"max_tokens": 7, "max_completion_tokens": 8}), 8),
        (json!({"max_tokens": 7, "max_completion_tokens": null}), 7),
    ];
    for (more, limit) in cases {
        let (answer, leaving) = sent("gpt", more.clone());
        assert_eq!(leaving.json()["max_completion_tokens"], limit, "{more}");
        assert!(leaving.json().get("max_tokens").is_none(), "{more}");
        assert_eq!(answer.json()["request"], json!({"model": "gpt", "max_tokens": limit}));
        assert_eq!(answer.header("x-attache-params"), None, "{more}");
    }
}

#[test]
fn what_is_too_much_for_a_model_is_clamped_and_reported() {
    let cases = [
        (
            "gpt",
            json!({"max_tokens": 99_999}),
            "max_completion_tokens",
            json!(4096),
            "max_tokens:4096",
        ),
        ("kimi", json!({"temperature": 1.5}), "temperature", json!(1), "temperature:1"),
        ("oss", json!({"max_tokens": 1}), "max_completion_tokens", json!(16), "max_tokens:16"),
        (
            "qwen",
            json!({"reasoning_effort": "max"}),
            "reasoning_effort",
            json!("high"),
            "reasoning_effort:high",
        ),
    ];
    for (model, more, key, value, report) in cases {
        let (answer, leaving) = sent(model, more.clone());
        assert_eq!(leaving.json()[key], value, "{model} {more}");
        let expected = format!("clamped={report}");
        assert_eq!(answer.header("x-attache-params"), Some(expected.as_str()), "{model} {more}");
    }
    let (answer, _) = sent("kimi", json!({"temperature": 1.5}));
    assert_eq!(answer.json()["request"]["temperature"], 1);
}

#[test]
fn what_a_model_does_not_take_is_dropped_and_reported() {
    let more = json!({"seed": 7, "logit_bias": {"1": 1}, "frobnicate": {"a": [1]}, "store": true});
    let (answer, leaving) = sent("gpt", more);
    let report = answer.header("x-attache-params");
    assert_eq!(report, Some("dropped=seed,logit_bias,store,frobnicate"));
    assert_eq!(keys(&leaving.json()), ["max_completion_tokens", "messages", "model"].into());
    let (answer, _) = sent("gpt", json!({"fallback_config": {"depth": 0, "dept": 1}}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=fallback_config.dept"));
    // Qwen takes a temperature only while it does not think, and it thinks unless told otherwise.
    let (answer, leaving) = sent("qwen", json!({"temperature": 0.5}));
    assert_eq!(answer.header("x-attache-params"), Some("dropped=temperature"));
    assert!(leaving.json().get("temperature").is_none());
    let (answer, leaving) = sent("qwen", json!({"temperature": 0.5, "reasoning_effort": "none"}));
    assert_eq!(answer.header("x-attache-params"), None);
    assert_eq!(leaving.json()["temperature"], 0.5);
}

#[test]
fn null_is_as_good_as_absent() {
    let names = [
        "prompt",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "stream",
        "stream_options",
        "user",
        "reasoning_effort",
        "fallbacks",
        "model_region",
        "metadata",
    ];
    let nulls = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    let (answer, leaving) = sent("gpt", Value::Object(nulls));
    assert_eq!(answer.header("x-attache-params"), None);
    assert_eq!(keys(&leaving.json()), ["max_completion_tokens", "messages", "model"].into());
}

#[test]
fn what_a_model_takes_reaches_it_as_it_was() {
    let more = json!({
        "temperature": 0.25, "top_p": 0.5, "n": 2, "stop": ["a", "b"], "logprobs": true,
        "top_logprobs": 3, "user": "u", "parallel_tool_calls": false,
        "tools": [{"type": "function", "function": {
            "name": "look", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"z": {"type": "string"}, "a": {}}},
        }}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    });
    let (answer, leaving) = sent("gpt", more.clone());
    assert_eq!(answer.header("x-attache-params"), None);
    let body = leaving.json();
    for (name, value) in more.as_object().unwrap() {
        assert_eq!(body[name], *value, "{name}");
        assert_eq!(answer.json()["request"][name], *value, "{name}");
    }
    // A model writes the members of an object in the order of its schema.
    let text = String::from_utf8(leaving.body).unwrap();
    assert!(text.find("\"z\":") < text.find("\"a\":{}"), "{text}");
}

#[test]
fn a_whole_conversation_with_tools_reaches_the_provider() {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "name": "Ada", "content": [{"type": "text", "text": "The weather in "}, {"type": "text", "text": "Paris?"}]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"location\":\"Paris\"}"}},
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]);
    assert_eq!(told("gpt", messages.clone()), messages);
    let in_its_own_way = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Ada: The weather in Paris?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"location\":\"Paris\"}"}},
        ], "reasoning_content": " "},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]);
    assert_eq!(told("kimi", messages), in_its_own_way);
}

#[test]
fn what_changes_the_meaning_is_refused_by_models_that_lack_it() {
    let image = json!([{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let cases = [
        ("kimi", json!({"tools": [tool()], "tool_choice": "required"}), "tool_choice"),
        ("kimi", json!({"n": 2}), "n"),
        ("kimi", json!({"logprobs": true}), "logprobs"),
        ("oss", json!({"response_format": {"type": "json_object"}}), "response_format"),
        ("qwen", json!({"tools": [tool()]}), "tools"),
        ("gpt", json!({"modalities": ["text", "audio"]}), "modalities"),
    ];
    for (model, more, param) in cases {
        let body = refused(&with(chat(model), more).to_string(), "unsupported_parameter");
        assert_eq!(body["message"], "invalid request body");
        assert_eq!(body["error"]["param"], param, "{model}");
        let expected = json!([format!("model {model} does not support {param}")]);
        assert_eq!(body["metadata"]["errors"], expected);
    }
    let message = json!([{"role": "user", "content": image}]);
    let kimi = json!({"model": "kimi", "messages": message});
    let body = refused(&kimi.to_string(), "unsupported_parameter");
    assert_eq!(body["error"]["param"], "messages[0].content[0]");
    assert!(body["error"]["message"].as_str().unwrap().contains("model kimi"), "{body}");
    assert_eq!(told("gpt", message.clone()), message);
}

#[test]
fn an_empty_object() {
    let error = refused("{}", "missing_required_parameter");
    assert_eq!(error["error"]["param"], "model");
    let expected = json!(["model is required", "one of messages or prompt required"]);
    assert_eq!(error["metadata"]["errors"], expected);
    assert_eq!(error["message"], "invalid request body");
}

#[test]
fn broken_json_names_the_place() {
    let valid = chat("gpt").to_string();
    let bodies = [
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "7".to_owned(),
        "not json".to_owned(),
        "{'model': 'gpt'}".to_owned(),
        "{\"model\": \"gpt\",}".to_owned(),
        "{\"model\": NaN}".to_owned(),
        valid[..valid.len() - 1].to_owned(),
        format!("{valid}x"),
        format!("{valid}{valid}"),
        format!("\u{feff}{valid}"),
        "\n\n\n".to_owned(),
    ];
    for body in bodies {
        let error = refused(&body, "invalid_json");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("line ") && message.contains("column "), "{body}: {message}");
    }
}

#[test]
fn every_field_with_a_wrong_type_is_reported_at_once() {
    let wrong = json!({
        "model": 7, "messages": {"text": "Hi"}, "max_tokens": "many",
        "max_completion_tokens": -1, "temperature": "hot", "top_p": 2, "top_k": -1, "n": 0, "stop": 7,
        "seed": 1.5, "frequency_penalty": 3, "presence_penalty": "x", "logit_bias": [],
        "logprobs": "yes", "top_logprobs": 99, "response_format": {"type": "xml"}, "tools": "all",
        "tool_choice": 7, "parallel_tool_calls": 1, "functions": {}, "stream": "yes",
        "stream_options": true, "reasoning_effort": "huge", "reasoning": {"effort": 7},
        "verbosity": 1, "modalities": "text", "audio": "loud", "prediction": 1,
        "web_search_options": 1, "prompt_cache_key": 1, "prompt_cache_retention": 1,
        "cache_control": 1, "service_tier": 1, "store": "no", "user": 1, "safety_identifier": 1,
        "fallbacks": {}, "fallback_config": 7, "post_processing_steps": "all", "transcript_id": 1,
        "model_region": "mars",
    });
    let error = refused(&wrong.to_string(), "invalid_value");
    let errors: Vec<&str> =
        error["metadata"]["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for name in keys(&wrong) {
        assert!(
            errors.iter().any(|told| told.starts_with(name)),
            "{name} is missing in {errors:#?}"
        );
    }
    let param = error["error"]["param"].as_str().unwrap();
    assert!(errors[0].starts_with(param), "{param} is not the first of {errors:#?}");
    assert_eq!(error["error"]["message"], errors.join("; "));
}

#[test]
fn half_of_a_character_is_replaced_wherever_it_stands() {
    let message = |content: &str| {
        format!(r#"{{"model":"MODEL","messages":[{{"role":"user","content":{content}}}]}}"#)
    };
    let call = r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":\"\\ud83d\"}"}}]},{"role":"tool","tool_call_id":"a","content":"\ude00"}]}"#;
    let bodies = [
        message(r#""cut \ud83d here""#),
        message(r#"[{"type":"text","text":"\ud83d"}]"#),
        call.to_owned(),
    ];
    for body in bodies {
        for model in ["gpt", "claude", "gemini"] {
            let body = body.replace("MODEL", model);
            let (_, outgoing, _) = play::ask(&gateway(), body.as_bytes())
                .unwrap_or_else(|reply| panic!("refused: {reply:?}"));
            let sent: Value = serde_json::from_slice(&outgoing.body).unwrap();
            assert!(sent.to_string().contains('\u{fffd}'), "{model}: {sent}");
        }
    }
    let body = message(r#""cut \ud83d here""#).replace("MODEL", "gpt");
    let (mut attempt, _, _) = play::ask(&gateway(), body.as_bytes()).unwrap();
    let got = play::receive(&mut attempt, play::head(&json!({})), &[ANSWER.as_bytes()]);
    assert_eq!(Answer(got).header("x-attache-params"), Some("corrected=lone_surrogates"));
}

#[test]
fn messages_that_are_none() {
    let cases = [
        (json!([7]), "messages[0]"),
        (json!([{}]), "messages[0]"),
        (json!([{"role": "user"}, {"role": "nobody", "content": "x"}]), "messages[1]"),
        (json!([{"role": "user", "content": 7}]), "messages[0]"),
        (json!([{"role": "tool", "content": "x"}]), "messages[0]"),
        (json!([{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0]"),
        (json!([{"role": "user", "content": [{"type": "smell"}]}]), "messages[0].content[0]"),
        (json!([{"role": "assistant", "tool_calls": [{"id": 7}]}]), "messages[0]"),
    ];
    for (messages, param) in cases {
        let body = json!({"model": "gpt", "messages": messages});
        let error = refused_somehow(&body.to_string());
        assert_eq!(error["error"]["param"], param, "{messages}");
    }
    let both =
        json!({"model": "gpt", "prompt": "a", "messages": [{"role": "user", "content": "b"}]});
    let error = refused(&both.to_string(), "invalid_value");
    assert_eq!(error["metadata"]["errors"], json!(["only one of messages or prompt allowed"]));
}

#[test]
fn a_key_that_comes_twice() {
    let message = r#"{"role":"user","content":"Hi"}"#;
    let bodies = [
        format!("{{\"model\":\"gpt\",\"model\":\"kimi\",\"messages\":[{message}]}}"),
        format!("{{\"model\":\"gpt\",\"mod\\u0065l\":\"kimi\",\"messages\":[{message}]}}"),
        format!("{{\"model\":\"gpt\",\"messages\":[],\"messages\":[{message}]}}"),
        format!("{{\"model\":\"gpt\",\"stream\":null,\"stream\":true,\"messages\":[{message}]}}"),
    ];
    for body in bodies {
        let error = refused(&body, "invalid_json");
        assert!(error["message"].as_str().unwrap().contains("duplicate key"), "{error}");
    }
    let inside = r#"{"model":"gpt","messages":[{"role":"user","role":"system","content":"Hi"}]}"#;
    refused_somehow(inside);
}
