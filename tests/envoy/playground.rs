//! The playground: what Envoy serves, and the page in a browser.

use super::claims::*;
use super::resilience::render_with;
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::client::{Client, Request};
use testkit::envoy::{Gateway, Setup, marker};

/// A gateway that serves it, or that does not.
fn start(is_open: bool) -> Gateway {
    let transcripts = "{base_url: {us: https://api.example}, key_file: secrets/transcripts.key}";
    let more = format!("playground: {is_open}\ntranscripts: {transcripts}\n");
    Setup::new(&format!("{}\n{more}", keyless(YAML))).start()
}

#[test]
fn the_page_comes_and_goes_with_a_rendering() {
    let gateway = start(false);
    without_the_option_there_is_no_page(&gateway);
    let status = |client: Client| client.send(Request::get("/playground")).status;
    let all = |expected| {
        until_everywhere(|| [gateway.us(), gateway.eu()].map(status) == [expected; 2]);
    };
    render_with(&gateway, "playground: false", "playground: true");
    all(200);
    the_page_needs_no_key_and_opens_no_other_path(&gateway);
    render_with(&gateway, "playground: true", "playground: false");
    all(404);
    gateway.assert_unharmed();
}

fn the_page_needs_no_key_and_opens_no_other_path(gateway: &Gateway) {
    let page = fs::read_to_string(gateway.dir().join("envoy/playground.html")).expect("a page");
    for client in [gateway.us(), gateway.eu(), gateway.us().over_http2()] {
        let client = client.without_key();
        for path in ["/playground", "/playground?model=gpt"] {
            let answer = client.send(Request::get(path));
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            assert_eq!(answer.text(), page);
            assert_request_id(&answer);
            let head = client.send(Request::get(path).method("HEAD"));
            assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = client.send(Request::get("/playground").method(method));
            assert_error(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
        let marker = marker();
        let chat = Request::chat(chat("gpt", &marker).to_string());
        for path in ["/playground/", "/playground/v1/models", "/playgrounds", "/Playground"] {
            assert_error(&client.send(chat.clone().at(path)), 401, "invalid_api_key");
        }
        for path in ["/v1/chat/completions", "/playground/../v1/chat/completions"] {
            let spoofed = chat.clone().at(path).header("x-attache-account", "acme");
            assert_error(&client.send(spoofed), 401, "invalid_api_key");
        }
        assert_error(&client.send(chat.at("/playground")), 405, "method_not_allowed");
        assert!(gateway.reached(&marker).is_empty());
    }
}

fn without_the_option_there_is_no_page(gateway: &Gateway) {
    let page = || Request::get("/playground");
    assert_error(&gateway.us().send(page()), 404, "not_found");
    assert_error(&gateway.us().without_key().send(page()), 401, "invalid_api_key");
    assert!(!gateway.dir().join("envoy/playground.html").exists());
}

#[test]
#[ignore = "needs Chromium: `just browser`"]
fn the_page_works_in_a_browser() {
    let gateway = start(true);
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/playground.test.mjs");
    let client = gateway.us();
    let status = Command::new("node")
        .args(["--test", "--test-reporter=spec"])
        .arg(tests)
        .env("ATTACHE_URL", format!("http://{}", client.address))
        .env("ATTACHE_KEY", client.key.expect("a key"))
        .status();
    assert!(status.expect("node starts").success(), "see above");
    gateway.assert_unharmed();
}
