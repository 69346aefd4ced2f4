//! What a client may say in headers and what not: keys, another's account, orders for Envoy, bytes
//! that are no text.

use super::bad_input::{length, raw, read_raw, refused};
use super::claims::*;
use hyper::header::HeaderValue;
use testkit::client::Request;
use testkit::envoy::marker;

#[test]
fn no_key_a_wrong_key_and_a_plan_without_access() {
    let key = shared().secret("acme").to_owned();
    let wrong = [
        "Bearer wrong".to_owned(),
        "wrong".to_owned(),
        String::new(),
        "Bearer ".to_owned(),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer {key}x"),
        format!("Basic {key}"),
        format!("Bearer {}", shared().secret("openai")),
    ];
    for value in wrong {
        let marker = marker();
        let request =
            Request::chat(chat("gpt", &marker).to_string()).header("authorization", value);
        let error = refused(&request, &marker, 401, "invalid_api_key");
        assert_eq!(error["message"], "Authentication error, API token missing/invalid");
    }
    let marker = marker();
    let body = chat("gpt", &marker);
    for client in [shared().us(), shared().eu(), shared().us().over_http2()] {
        assert_error(&client.without_key().chat(&body), 401, "invalid_api_key");
        let visitor = client.with_key(shared().secret("visitor"));
        let error = assert_error(&visitor.chat(&body), 403, "model_not_allowed");
        assert!(error["message"].as_str().unwrap().contains("does not have access"), "{error}");
    }
    assert!(shared().reached(&marker).is_empty());
    shared().assert_unharmed();
}

#[test]
fn nobody_speaks_for_another_account() {
    let marker = marker();
    for name in ["x-attache-account", "X-Attache-Account"] {
        let request = Request::chat(chat("gpt", &marker).to_string()).header(name, "acme");
        for client in [shared().us(), shared().us().over_http2()] {
            let answer = client.without_key().send(request.clone());
            assert_error(&answer, 401, "invalid_api_key");
            let visitor = client.with_key(shared().secret("visitor"));
            assert_error(&visitor.send(request.clone()), 403, "model_not_allowed");
            // Pages that need no key are no way in either.
            let page = request.clone().at("/v1/models");
            assert_error(&client.without_key().send(page), 405, "method_not_allowed");
        }
    }
    // Two of them, the second one after Envoy has looked.
    let client = shared().us().with_key(shared().secret("visitor"));
    let body = chat("gpt", &marker).to_string();
    let lines =
        "x-attache-account: acme\r\nx-attache-account: acme\r\n".to_owned() + &length(&body);
    assert_eq!(read_raw(&client.raw(&raw(&client, &lines, &body))).0, 403);
    assert!(shared().reached(&marker).is_empty());
    shared().assert_unharmed();
}

#[test]
fn no_header_of_the_client_steers_envoy() {
    let headers = [
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "1"),
        ("x-envoy-retry-on", "5xx,retriable-4xx,gateway-error"),
        ("x-envoy-retriable-status-codes", "500"),
        ("x-envoy-max-retries", "5"),
        ("x-envoy-original-path", "/v1/models"),
        ("x-envoy-internal", "true"),
        ("x-envoy-expected-rq-timeout-ms", "1"),
        ("x-envoy-upstream-alt-stat-name", "evil"),
        ("x-envoy-decorator-operation", "evil"),
        ("x-envoy-ip-tags", "evil"),
        ("x-envoy-attempt-count", "9"),
        ("x-gw-cluster", "openai-eu"),
        ("x-attache-cluster", "openai-eu"),
        ("x-attache-region", "eu"),
        ("attache_cluster", "openai-eu"),
        ("x-envoy-orignal-dst-host", "127.0.0.1:1"),
        ("x-forwarded-host", "eu.api.openai.example"),
        ("host", "eu.api.openai.example"),
        ("x-http-method-override", "GET"),
        ("te", "trailers"),
    ];
    let calm = marker();
    let mut requests = Vec::new();
    for (name, value) in headers {
        let text = format!("{calm} #script head-delay=100");
        requests.push(Request::chat(chat("gpt", &text).to_string()).header(name, value));
    }
    let all =
        headers.iter().fold(requests[0].clone(), |all, (name, value)| all.header(name, *value));
    requests.push(all.clone());
    for request in &requests {
        let answer = shared().us().send(request.clone());
        assert_eq!(answer.status, 200, "{request:?}: {answer:?}");
        assert_eq!(answer.header("x-attache-region"), Some("us"), "{request:?}");
    }
    let entries = shared().reached(&calm);
    assert_eq!(entries.len(), requests.len());
    for entry in entries {
        assert_eq!(entry.header("host"), Some(b"api.openai.example".as_slice()));
        let foreign =
            entry.headers.iter().find(|(name, _)| name.starts_with("x-") && name != "x-request-id");
        assert_eq!(foreign, None, "it reached the provider");
    }
    // A client cannot have its requests repeated.
    let failing = marker();
    let body = chat("gpt", &format!("{failing} #script status=400")).to_string();
    let answer = shared().us().send(Request { body: body.into(), ..all });
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(shared().reached(&failing).len(), 1);
    shared().assert_unharmed();
}

#[test]
fn header_values_that_are_no_text() {
    let bytes = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
    let bad = [bytes(b"\xff"), bytes(b"a\xffb"), bytes(b"\x80\xc3\x28")];
    let harmless =
        ["x-anything", "user-agent", "x-request-id", "accept", "cookie", "x-forwarded-for"];
    for value in &bad {
        for name in harmless {
            for client in [shared().us(), shared().us().over_http2()] {
                let request = Request::chat(chat("gpt", "hi").to_string());
                let answer = client.send(request.header(name, value.clone()));
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
                assert_request_id(&answer);
            }
        }
        let marker = marker();
        let request = Request::chat(chat("gpt", &marker).to_string());
        let typed = request.clone().header("content-type", value.clone());
        refused(&typed, &marker, 415, "unsupported_media_type");
        let keyed = request.clone().header("authorization", value.clone());
        refused(&keyed, &marker, 401, "invalid_api_key");
        let spoofed = request.header("x-attache-account", value.clone());
        let spoofed = spoofed.header("authorization", shared().secret("visitor"));
        refused(&spoofed, &marker, 403, "model_not_allowed");
    }
    shared().assert_unharmed();
}
