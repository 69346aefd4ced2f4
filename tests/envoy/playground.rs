//! The playground: what Envoy serves, and the page in a browser.

use super::claims::*;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::client::Request;
use testkit::envoy::{Setup, marker};

/// A gateway that serves it.
fn open() -> Setup {
    let transcripts = "{base_url: {us: https://api.example}, key_file: secrets/transcripts.key}";
    Setup::new(&format!("{}\nplayground: true\ntranscripts: {transcripts}\n", keyless(YAML)))
}

#[test]
fn the_page_needs_no_key_and_opens_no_other_path() {
    let gateway = open().start();
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
    gateway.assert_unharmed();
}

#[test]
fn without_the_option_there_is_no_page_and_it_comes_and_goes_with_a_rendering() {
    let gateway = Setup::new(&format!("{}\nplayground: false\n", keyless(YAML))).start();
    let status = || gateway.us().send(Request::get("/playground")).status;
    assert_error(&gateway.us().send(Request::get("/playground")), 404, "not_found");
    assert_error(
        &gateway.us().without_key().send(Request::get("/playground")),
        401,
        "invalid_api_key",
    );
    assert!(!gateway.dir().join("envoy/playground.html").exists());
    let file = gateway.dir().join("gateway.yaml");
    for (was, is, expected) in [("false", "true", 200), ("true", "false", 404)] {
        let yaml = fs::read_to_string(&file).expect("a file");
        let yaml = yaml.replace(&format!("playground: {was}"), &format!("playground: {is}"));
        fs::write(&file, yaml).expect("a file");
        assert!(gateway.render_again().status.success());
        let started = Instant::now();
        while status() != expected {
            assert!(started.elapsed() < PATIENCE, "still {}", status());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    gateway.assert_unharmed();
}

#[test]
#[ignore = "needs Chromium: `just browser`"]
fn the_page_works_in_a_browser() {
    let gateway = open().start();
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
