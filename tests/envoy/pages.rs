//! What stands under which path, and in which region.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::Request;
use testkit::envoy::marker;

#[test]
fn health_needs_no_key() {
    for client in [shared().us(), shared().eu(), shared().us().over_http2()] {
        let answer = client.without_key().send(Request::get("/healthz"));
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok"})));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_request_id(&answer);
    }
}

#[test]
fn what_can_be_read_can_be_asked_for_its_head() {
    for client in [shared().us(), shared().us().over_http2()] {
        for path in ["/healthz", "/v1/models", "/models", "/v1/models/gpt", "/models/gpt"] {
            let answer = client.without_key().send(Request::get(path).method("HEAD"));
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        }
    }
}

#[test]
fn the_models_of_a_region_are_listed_with_what_they_can_do() {
    let list = |client: testkit::client::Client, path: &str| {
        let answer = client.without_key().send(Request::get(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_request_id(&answer);
        answer.json()
    };
    let names = |list: &Value| -> Vec<String> {
        let data = list["data"].as_array().expect("data");
        data.iter().map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
    };
    let us = list(shared().us(), "/v1/models");
    assert_eq!(us["object"], "list");
    let both = ["vertex-claude", "vertex-gemini"];
    let here = ["claude", "gemini", "gpt", "kimi", "nova", "oss", "qwen", "responses", "router"];
    let vectors = ["vectors", "vectors-gemini"];
    assert_eq!(names(&us), [&here[..], &vectors, &both, &["worldly"]].concat());
    let eu = list(shared().eu(), "/v1/models?limit=1");
    assert_eq!(names(&eu), [&["european", "gpt"][..], &both].concat());
    assert_eq!(list(shared().us(), "/models"), us);
    let gpt = &us["data"][2];
    assert_eq!(gpt["object"], "model");
    assert_eq!(gpt["created"], 0);
    assert_eq!(gpt["owned_by"], "openai");
    assert_eq!(gpt["name"], "Takes nearly everything");
    assert_eq!(
        (&gpt["context_length"], &gpt["max_output_tokens"]),
        (&json!(128_000), &json!(4096))
    );
    assert_eq!(gpt["input_modalities"], json!(["text", "image"]));
    assert_eq!(gpt["retirement_date"], 1_814_313_600);
    let supported = gpt["supported_parameters"].as_array().expect("parameters");
    assert!(supported.contains(&json!("tools")) && supported.contains(&json!("max_tokens")));
    assert!(!us.to_string().contains("upstream"), "a provider's name for a model: {us}");
}

#[test]
fn one_model_is_read_as_it_is_listed() {
    let list = shared().us().without_key().send(Request::get("/v1/models")).json();
    for path in ["/v1/models/gpt", "/models/gpt", "/v1/models/GPT?x=1", "/v1/models/g%70t"] {
        for client in [shared().us(), shared().us().over_http2()] {
            let answer = client.without_key().send(Request::get(path));
            assert_eq!((answer.status, answer.json()), (200, list["data"][2].clone()), "{path}");
            assert_request_id(&answer);
        }
    }
    let cases = [
        (shared().us(), "nobody", "nobody"),
        (shared().us(), "european", "european"),
        (shared().eu(), "kimi", "kimi"),
        (shared().us(), "gpt-upstream", "gpt-upstream"),
        (shared().us(), "some/model", "some/model"),
        (shared().us(), "some%2Fmodel", "some/model"),
        (shared().us(), "..%2fchat%2fcompletions", "../chat/completions"),
    ];
    for (client, path, name) in cases {
        let request = Request::get(format!("/v1/models/{path}").as_str());
        // The account that a client names is not one.
        let request = request.header("x-attache-account", "acme");
        let error = assert_error(&client.without_key().send(request), 404, "model_not_found");
        let told = error["error"]["message"].as_str().expect("a message");
        assert!(told.starts_with(&format!("model {name} is not supported")), "{told}");
        assert_eq!(error["error"]["param"], "model");
    }
    shared().assert_unharmed();
}

#[test]
fn voice_platforms_may_append_to_the_path() {
    let paths = [
        "/v1/chat/completions",
        "/chat/completions",
        "/chat/completions/chat/completions",
        "/v1/chat/completions/chat/completions",
        "/v1/chat/completions?api-version=1",
    ];
    for path in paths {
        let marker = marker();
        let answer = shared().us().send(Request::chat(chat("gpt", &marker).to_string()).at(path));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(shared().reached_once(&marker).path, "/v1/chat/completions", "{path}");
    }
}

#[test]
fn a_path_that_is_none_is_not_found() {
    let paths = [
        "/",
        "/v1",
        "/v1/completions",
        "/v1/images/generations",
        "/v1/chat/completions/",
        "/v1/models/",
        "/v1/understanding",
        "/v1/understanding/validate",
        "/v1/v1/chat/completions",
        "/V1/chat/completions",
        "/v1/healthz",
        "/v1/chat/completions%2f",
        "/v1/chat%2fcompletions",
        "/v1/models%2f..%2fchat%2fcompletions",
        "/v1/chat/completions;a=b",
        "/__journal",
        "/stats",
    ];
    for path in paths {
        let marker = marker();
        for method in ["GET", "POST"] {
            let request = Request::chat(chat("gpt", &marker).to_string()).at(path).method(method);
            assert_error(&shared().us().send(request.clone()), 404, "not_found");
            assert_error(&shared().us().over_http2().send(request), 404, "not_found");
        }
        assert!(shared().reached(&marker).is_empty(), "{path}");
    }
    shared().assert_unharmed();
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    for (path, right) in [
        ("/v1/chat/completions", "POST"),
        ("/chat/completions", "POST"),
        ("/v1/models", "GET, HEAD"),
        ("/models", "GET, HEAD"),
        ("/v1/models/gpt", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
            if right.contains(method) {
                continue;
            }
            let answer = shared().us().send(Request::get(path).method(method));
            assert_eq!(answer.header("allow"), Some(right), "{method} {path}: {answer:?}");
            if method == "HEAD" {
                assert_eq!((answer.status, answer.body.len()), (405, 0), "{path}: {answer:?}");
            } else {
                assert_error(&answer, 405, "method_not_allowed");
            }
        }
    }
    shared().assert_unharmed();
}

#[test]
fn a_path_written_otherwise_is_the_same_path() {
    let paths = [
        "/v1/../v1/chat/completions",
        "//v1//chat/completions",
        "/v1/./chat/completions",
        "/v1/models/../chat/completions",
        "/v1/%63hat/completions",
    ];
    for path in paths {
        let marker = marker();
        let request = Request::chat(chat("gpt", &marker).to_string()).at(path);
        let answer = shared().us().send(request.clone());
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(shared().reached(&marker).len(), 1, "{path}");
        // Without a key none of them is a way in, whoever the request says it comes from.
        let request = request.header("x-attache-account", "acme");
        let refused = shared().us().without_key().send(request);
        assert_error(&refused, 401, "invalid_api_key");
        assert_eq!(shared().reached(&marker).len(), 1, "{path}");
    }
}

#[test]
fn every_request_stays_in_its_region() {
    let cases = [
        (shared().us(), "us", "api.openai.example", "gpt-upstream"),
        (shared().eu(), "eu", "eu.api.openai.example", "gpt-upstream-eu"),
    ];
    for (client, region, host, upstream) in cases {
        for request in [chat("gpt", "x"), streamed("gpt", "x")] {
            let marker = marker();
            let prompt = json!({"messages": [{"role": "user", "content": marker}]});
            let answer = client.chat(&with(request, prompt));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("x-attache-region"), Some(region));
            let entry = shared().reached_once(&marker);
            assert_eq!(entry.header("host"), Some(host.as_bytes()));
            assert_eq!(entry.json()["model"], upstream);
        }
    }
}

#[test]
fn a_model_of_another_region_is_not_supported() {
    let cases = [
        (shared().us(), "european"),
        (shared().eu(), "kimi"),
        (shared().eu(), "oss"),
        (shared().eu(), "worldly"),
        (shared().us(), "nobody"),
        (shared().us(), "gpt-upstream"),
        (shared().us(), "../gpt"),
    ];
    for (client, model) in cases {
        let marker = marker();
        let answer = client.chat(&chat(model, &marker));
        let error = assert_error(&answer, 400, "model_not_found");
        assert_eq!(error["message"], "invalid request body");
        let told = format!("model {model} is not supported");
        assert_eq!(error["metadata"]["errors"], json!([told]));
        assert_eq!(error["error"]["message"], told);
        assert_eq!(error["error"]["param"], "model");
        assert!(shared().reached(&marker).is_empty(), "{model}");
    }
}

#[test]
fn only_the_us_gateway_goes_global_and_only_when_asked_to() {
    let marker = marker();
    let request = with(chat("worldly", &marker), json!({"model_region": "global"}));
    let answer = shared().us().chat(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-attache-region"), Some("global"));
    let entry = shared().reached_once(&marker);
    assert_eq!(entry.header("host"), Some(b"global.api.openai.example".as_slice()));
    assert!(entry.json().get("model_region").is_none());

    let refused = |client: testkit::client::Client, model, region: Value| {
        let marker = testkit::envoy::marker();
        let answer = client.chat(&with(chat(model, &marker), json!({"model_region": region})));
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(shared().reached(&marker).is_empty());
        answer.json()["error"]["param"].as_str().map(str::to_owned)
    };
    let param = |name: &str| Some(name.to_owned());
    assert_eq!(refused(shared().eu(), "worldly", json!("global")), param("model_region"));
    assert_eq!(refused(shared().eu(), "gpt", json!("global")), param("model_region"));
    assert_eq!(refused(shared().us(), "gpt", json!("global")), param("model"));
    assert_eq!(refused(shared().us(), "gpt", json!("eu")), param("model_region"));
    assert_eq!(refused(shared().us(), "worldly", Value::Null), param("model"));
}
