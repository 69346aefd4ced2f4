//! Whole requests, answers and streams: `tests/golden/<schema>/<case>.json`, each with `input` and
//! `output`, or a list of such pairs. `UPDATE=1 cargo test --test core golden::` writes the outputs anew.
//!
//! - `request`: what a client sends; the output is what leaves for the provider.
//! - `answer`: what a provider says in one piece; the output is what the client gets.
//! - `stream`: what a provider streams; the output is what the client gets, and with
//!   `in_one_piece` the same answer unstreamed, which must say the same.
//!
//! `asked` are parameters of the request behind an answer or a stream, whose `framing` may be `aws`.
//! With `path`, the request is
//! one of another client API, with these `headers`.

use attache::{
    api_schema::translation::TranslatedRequest, attempt::Attempt, region::Region, reply::Reply,
};
use serde_json::{Map, Value, json};

use testkit::{
    golden::CASES,
    play::{self, Got, REQUEST_ID},
};

#[test]
fn every_case_gives_its_output() {
    let mut wrong = Vec::new();
    for (name, text) in CASES {
        let played = play_file(text);
        if played != *text && !play::update(&format!("golden/{name}"), &played) {
            wrong.push(format!("{name} gives:\n{played}"));
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} cases differ\n{}", wrong.join("\n"));
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn every_file_is_a_case() {
    let named: Vec<String> = CASES.iter().map(|(name, _)| format!("{name}.json")).collect();
    let folders = ["openai", "openai-responses", "anthropic", "gemini", "bedrock-converse"];
    let inlets = ["messages", "responses", "embeddings"];
    for schema in folders.into_iter().chain(inlets) {
        let folder = format!("{}/tests/golden/{schema}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let name = format!("{schema}/{}", file.unwrap().file_name().to_str().unwrap());
            assert!(named.contains(&name), "{name} is not in golden.rs");
        }
    }
}

#[test]
fn only_what_the_chat_api_has_leaves_for_a_provider() {
    let ours = ["prompt", "fallbacks", "fallback_config", "transcript_id", "model_region"];
    for (name, text) in CASES {
        for case in pairs(&serde_json::from_str(text).unwrap()) {
            let body = case["output"]["body"].to_string();
            if case["input"].get("request").is_none() || case["output"].get("status").is_some() {
                continue;
            }
            for key in ours {
                assert!(!body.contains(&format!("\"{key}\":")), "{name} sends {key}: {body}");
            }
            assert!(!body.contains(REQUEST_ID), "{name} sends the request's id: {body}");
        }
    }
}

/// The file as it should be.
fn play_file(text: &str) -> String {
    let mut document: Value = serde_json::from_str(text).unwrap();
    match &mut document {
        Value::Array(pairs) => pairs.iter_mut().for_each(play_pair),
        pair => play_pair(pair),
    }
    format!("{document:#}\n")
}

fn pairs(document: &Value) -> Vec<Value> {
    document.as_array().cloned().unwrap_or_else(|| vec![document.clone()])
}

fn play_pair(pair: &mut Value) {
    let input = &pair["input"];
    let parts = ["request", "answer", "stream"].map(|part| input.get(part));
    pair["output"] = match parts {
        [Some(request), None, None] => play_request(input, request),
        [None, Some(answer), None] => play_answer(input, answer),
        [None, None, Some(stream)] => play_stream(input, stream),
        _ => panic!("not one of request, answer and stream: {input}"),
    };
}

/// Sends a request with these parameters by the path of the case.
fn ask(input: &Value, parameters: &Value) -> Result<(Attempt, TranslatedRequest, String), Reply> {
    let gateway = play::gateway(Region::Us);
    match input["path"].as_str() {
        None => play::ask(&gateway, &play::request(parameters)),
        Some(path) => {
            let head = play::head_for(path, &input["headers"]);
            play::ask_at(&gateway, head, &play::request_for(path, parameters))
        }
    }
}

fn play_request(input: &Value, request: &Value) -> Value {
    let (mut attempt, outgoing, cluster) = match ask(input, request) {
        Ok(asked) => asked,
        Err(reply) => return Got::from(reply).show(),
    };
    let mut shown = Map::new();
    let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    show("cluster", json!(cluster));
    show("authority", json!(outgoing.authority));
    show("path", json!(outgoing.path));
    show("accept", json!(outgoing.accept));
    for (name, value) in outgoing.headers {
        show(name, json!(value));
    }
    let sent: Value = serde_json::from_slice(&outgoing.body).unwrap();
    let answer = json!({"body": any_answer(&sent)});
    show("body", sent);
    let pieces = [answer["body"].to_string()];
    let got = play::receive(&mut attempt, play::head(&answer), &[pieces[0].as_bytes()]);
    if let Some((_, report)) = got.headers.iter().find(|(name, _)| *name == "x-attache-params") {
        show("x-attache-params", json!(report));
    }
    if !got.is_stream() && input.get("path").is_none() {
        show("echo", got.show()["body"]["request"].clone());
    }
    Value::Object(shown)
}

/// An answer in every API schema at once: a call, which no format of the content excludes, or a
/// vector for each input.
fn any_answer(sent: &Value) -> Value {
    let inputs = [&sent["input"], &sent["requests"]].into_iter().find_map(Value::as_array);
    let inputs = inputs.filter(|inputs| !inputs[0].is_number()).map_or(1, Vec::len);
    json!({
        "data": vec![json!({"embedding": [0.5]}); inputs],
        "embeddings": vec![json!({"values": [0.5]}); inputs],
        "choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "f"}}]}}],
        "status": "completed",
        "output": output_for(sent),
        "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
        "candidates": [{"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}],
    })
}

/// The output of OpenAI's Responses, or of Converse.
fn output_for(sent: &Value) -> Value {
    if sent.get("inferenceConfig").is_some() {
        let call = json!({"toolUse": {"toolUseId": "c", "name": "f", "input": {}}});
        return json!({"message": {"content": [call]}});
    }
    json!([{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}])
}

fn play_answer(input: &Value, answer: &Value) -> Value {
    let (mut attempt, ..) = ask(input, &input["asked"]).unwrap();
    let said = answer["body"].as_str().map_or_else(|| answer["body"].to_string(), str::to_owned);
    play::receive(&mut attempt, play::head(answer), &[said.as_bytes()]).show()
}

fn play_stream(input: &Value, stream: &Value) -> Value {
    let mut asked = input["asked"].clone();
    asked["stream"] = json!(true);
    let (mut attempt, ..) = ask(input, &asked).unwrap();
    let (head, said) = match input["framing"].as_str() {
        Some("aws") => (play::aws_stream_head(), play::aws_stream(stream)),
        _ => (play::stream_head(), play::provider_stream(stream).into_bytes()),
    };
    play::receive(&mut attempt, head, &[&said]).show()
}
