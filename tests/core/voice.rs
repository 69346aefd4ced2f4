//! Voice platforms as callers: what of their requests leaves for a provider, in every API schema.
//! `UPDATE=1 cargo test --test core voice::` writes it anew.

use attache::region::Region;
use serde_json::{Map, Value, json};

use testkit::{
    play,
    voice::{CASES, body},
};

const MODELS: [&str; 3] = ["gpt-4.1", "claude-sonnet-4-6", "gemini-2.5-flash"];

#[test]
fn every_body_of_a_voice_platform_becomes_a_providers_request() {
    let mut wrong = Vec::new();
    for (name, text) in CASES {
        let mut case: Value = serde_json::from_str(text).unwrap();
        let sent = MODELS.map(|model| (model.to_owned(), sent(&body(text, model, ""))));
        case["sent"] = Value::Object(Map::from_iter(sent));
        let played = format!("{case:#}\n");
        if played != *text && !play::update(&format!("voice/{name}"), &played) {
            wrong.push(format!("{name} gives:\n{played}"));
        }
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} cases differ\n{}", wrong.join("\n"));
}

#[test]
#[cfg(not(target_family = "wasm"))]
fn every_file_is_a_case() {
    for platform in ["assemblyai", "vapi"] {
        let folder = format!("{}/tests/voice/{platform}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(folder).unwrap() {
            let name = format!("{platform}/{}", file.unwrap().file_name().to_str().unwrap());
            let name = name.strip_suffix(".json").unwrap();
            assert!(CASES.iter().any(|(known, _)| *known == name), "{name} is not in voice.rs");
        }
    }
}

#[test]
fn nothing_of_a_call_but_the_conversation_leaves() {
    for (name, text) in CASES {
        for model in MODELS {
            let body = body(text, model, "");
            let (_, outgoing, _) = play::ask(&play::gateway(Region::Us), body.as_bytes()).unwrap();
            let sent = String::from_utf8(outgoing.body).unwrap();
            for word in ["confidential-", "phoneNumber", "customer", "+15550100777", "\"call\""] {
                assert!(!sent.contains(word), "{name} sends {word} to {model}: {sent}");
            }
        }
    }
}

#[test]
fn the_conversation_arrives_whole() {
    for (name, text) in CASES {
        let case: Value = serde_json::from_str(text).unwrap();
        let messages = case["body"]["messages"].as_array().unwrap();
        let said = messages.iter().filter_map(|message| message["content"].as_str());
        let said: Vec<String> =
            said.map(|said| json!(said.replace("#SAY ", "")).to_string()).collect();
        for model in MODELS {
            let body = body(text, model, "");
            let (_, outgoing, _) = play::ask(&play::gateway(Region::Us), body.as_bytes()).unwrap();
            let sent = String::from_utf8(outgoing.body).unwrap();
            for words in said.iter().map(|words| words.trim_matches('"')) {
                assert!(sent.contains(words), "{name} lost `{words}` for {model}: {sent}");
            }
        }
    }
}

/// What leaves for the provider, or what the platform is told.
fn sent(body: &str) -> Value {
    let gateway = play::gateway(Region::Us);
    match play::ask(&gateway, body.as_bytes()) {
        Ok((_, outgoing, _)) => serde_json::from_slice(&outgoing.body).unwrap(),
        Err(reply) => play::error(&reply)["message"].clone(),
    }
}
