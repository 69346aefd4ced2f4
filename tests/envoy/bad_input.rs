//! Bad input of every kind: each is refused in the one shape, nothing reaches a provider, and the
//! module lives on.

use super::claims::*;
use serde_json::Value;
use testkit::client::{Client, Request};
use testkit::envoy::marker;

/// Sends a request that must be refused, by both protocols. `marker` is somewhere in it.
#[track_caller]
pub fn refused(request: &Request, marker: &str, status: u16, code: &str) -> Value {
    let mut body = Value::Null;
    for client in [shared().us(), shared().us().over_http2()] {
        let answer = client.send(request.clone());
        assert_eq!(answer.status, status, "{answer:?}");
        body = assert_error(&answer, status, code);
        assert!(shared().reached(marker).is_empty(), "it reached the provider: {request:?}");
    }
    body
}

/// The status line and the JSON of an answer in bytes.
#[track_caller]
pub fn read_raw(answer: &str) -> (u16, Value) {
    let (head, body) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: `{answer}`"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = serde_json::from_str(body).unwrap_or_default();
    (status.unwrap_or_else(|| panic!("no status: {answer}")), body)
}

/// A chat request in bytes, with more lines in its head.
pub fn raw(client: &Client, lines: &str, body: &str) -> Vec<u8> {
    let key = client.key.as_deref().expect("a key");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\n{lines}\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

pub fn length(body: &str) -> String {
    format!("content-length: {}\r\n", body.len())
}

#[test]
fn no_body() {
    refused(&Request::chat(""), &marker(), 400, "invalid_json");
    shared().assert_unharmed();
}

#[test]
fn a_body_that_is_no_utf8() {
    let marker = marker();
    let text = format!("{marker} \u{7f}");
    let mut body = chat("gpt", &text).to_string().into_bytes();
    let at = body.iter().position(|byte| *byte == 0x7f).unwrap();
    for bad in [0xff, 0xc0, 0x80, 0xf5] {
        body[at] = bad;
        refused(&Request::chat(body.clone()), &marker, 400, "invalid_json");
    }
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&Request::chat(utf16), &marker, 400, "invalid_json");
    shared().assert_unharmed();
}

#[test]
fn a_body_nested_200_levels_deep() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [129, 200, 100_000] {
            let marker = marker();
            let leaf = if open == "[" { "" } else { "1" };
            let deep = format!("{}{leaf}{}", open.repeat(depth), close.repeat(depth));
            let bodies = [
                format!("{{\"model\":\"gpt\",\"prompt\":\"{marker}\",\"metadata\":{deep}}}"),
                format!("{{\"model\":\"gpt\",\"prompt\":\"{marker}\",\"x\":{deep}}}"),
                deep,
            ];
            for body in bodies {
                refused(&Request::chat(body), &marker, 400, "invalid_json");
            }
        }
    }
    shared().assert_unharmed();
}

#[test]
fn a_body_of_11_megabytes() {
    let marker = marker();
    let request = Request::chat(chat("gpt", &(marker.clone() + &"x".repeat(11 << 20))).to_string());
    let error = refused(&request, &marker, 413, "request_too_large");
    assert!(error["message"].as_str().unwrap().contains("10485760"), "{error}");
    shared().assert_unharmed();
}

#[test]
fn a_body_longer_than_the_operator_allows() {
    let gateway = narrow();
    for client in [gateway.us(), gateway.us().over_http2()] {
        assert_eq!(client.chat(&chat("gpt", &"x".repeat(60_000))).status, 200);
        for size in [70_000, 2_000_000] {
            let marker = marker();
            let answer = client.chat(&chat("gpt", &(marker.clone() + &"x".repeat(size))));
            assert_eq!(answer.status, 413, "{size}: {answer:?}");
            let error = assert_error(&answer, 413, "request_too_large");
            assert!(error["message"].as_str().unwrap().contains("65536"), "{error}");
            assert!(gateway.reached(&marker).is_empty());
        }
    }
    gateway.assert_unharmed();
}

#[test]
fn a_body_that_is_cut_off() {
    for client in [shared().us(), shared().eu()] {
        let marker = marker();
        let body = chat("gpt", &marker).to_string();
        let half = &body[..body.len() - 2];
        let answer = client.raw_and_close(&raw(&client, &length(&body), half));
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        let chunked = format!("{:x}\r\n{half}", body.len());
        let answer =
            client.raw_and_close(&raw(&client, "transfer-encoding: chunked\r\n", &chunked));
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(shared().reached(&marker).is_empty());
    }
    shared().assert_unharmed();
}

#[test]
fn http2_trailers() {
    let marker = marker();
    for name in ["x-trailer", "x-attache-account", "x-gw-cluster"] {
        let request = Request::chat(chat("gpt", &marker).to_string()).trailer(name, "openai-us");
        let answer = shared().us().over_http2().send(request);
        assert_error(&answer, 400, "invalid_request");
    }
    // A message that is already whole when the trailers come, and one that never was.
    for body in ["", "{"] {
        let request = Request::chat(body).trailer("x-trailer", "1");
        let answer = shared().us().over_http2().send(request);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert!(shared().reached(&marker).is_empty());
    shared().assert_unharmed();
}

#[test]
fn a_chunked_body_is_as_good_as_one_with_a_length() {
    let client = shared().us();
    let marker = marker();
    let body = chat("gpt", &marker).to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let chunks =
        format!("{:x}\r\n{first}\r\n{:X}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let answer = client.raw(&raw(&client, "transfer-encoding: chunked\r\n", &chunks));
    assert_eq!(read_raw(&answer).0, 200, "{answer}");
    let entry = shared().reached_once(&marker);
    let length = entry.body.len().to_string();
    assert_eq!(entry.header("content-length"), Some(length.as_bytes()));
    assert_eq!(entry.header("transfer-encoding"), None);
    shared().assert_unharmed();
}

#[test]
fn trailers_of_a_chunked_body() {
    let client = shared().us();
    let marker = marker();
    let body = chat("gpt", &marker).to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\nx-attache-account: acme\r\n\r\n", body.len());
    let answer = client.raw(&raw(&client, "transfer-encoding: chunked\r\n", &chunks));
    // Envoy drops trailers of HTTP/1.1 unless told to keep them.
    let (status, _) = read_raw(&answer);
    assert!([200, 400].contains(&status), "{answer}");
    assert!(shared().reached(&marker).len() <= 1);
    shared().assert_unharmed();
}

#[test]
fn a_body_that_is_broken_in_its_chunks() {
    for chunks in ["zz\r\n{}\r\n0\r\n\r\n", "-1\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}\r\n"]
    {
        let client = shared().us();
        let answer = client.raw(&raw(&client, "transfer-encoding: chunked\r\n", chunks));
        assert_eq!(read_raw(&answer).0, 400, "{chunks}: {answer}");
    }
    shared().assert_unharmed();
}

#[test]
fn another_content_type() {
    let types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json-patch+json",
        "json",
        "",
    ];
    for kind in types {
        let marker = marker();
        let request = Request::chat(chat("gpt", &marker).to_string()).header("content-type", kind);
        refused(&request, &marker, 415, "unsupported_media_type");
    }
    shared().assert_unharmed();
}

#[test]
fn a_packed_body() {
    for coding in ["gzip", "br", "gzip, identity"] {
        let marker = marker();
        let request =
            Request::chat(chat("gpt", &marker).to_string()).header("content-encoding", coding);
        let error = refused(&request, &marker, 415, "unsupported_media_type");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(&format!("content-encoding `{coding}`")), "{error}");
    }
    let plain = Request::chat(chat("gpt", &marker()).to_string());
    assert_eq!(shared().us().send(plain.header("content-encoding", "identity")).status, 200);
    shared().assert_unharmed();
}

#[test]
fn a_protocol_of_the_last_century_is_told_what_to_use() {
    let answer = shared().us().raw(b"GET /healthz HTTP/1.0\r\nhost: x\r\n\r\n");
    let (status, error) = read_raw(&answer);
    assert_eq!((status, error["error"]["code"].as_str()), (426, Some("invalid_request")));
    assert!(error["message"].as_str().unwrap().contains("use HTTP/1.1"), "{error}");
    shared().assert_unharmed();
}

#[test]
fn heads_that_are_no_http() {
    let client = shared().us();
    let attempts = [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/chat/completions HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        "GET /\u{1}healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ];
    for attempt in attempts {
        let answer = client.raw_and_close(attempt.as_bytes());
        assert!(!answer.starts_with("HTTP/1.1 2"), "{attempt:?}: {answer}");
    }
    let long = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(read_raw(&client.raw(long.as_bytes())).0, 431);
    let many = "x-one: more\r\n".repeat(101);
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert_eq!(read_raw(&client.raw(many.as_bytes())).0, 431);
    let fine = client.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(fine.starts_with("HTTP/1.1 200"), "{fine}");
    shared().assert_unharmed();
}

#[test]
fn paths_that_are_no_paths() {
    let client = shared().us();
    let key = client.key.clone().unwrap();
    for path in [
        "/v1/%",
        "/v1/%zz",
        "/%00",
        "/../../etc/passwd",
        "/v1/\u{fe}",
        "*",
        "http://x/y",
        "/#/v1/models",
    ] {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\nconnection: close\r\n\r\n"
        );
        let (status, body) = read_raw(&client.raw(head.as_bytes()));
        assert!([400, 404].contains(&status), "{path}: {status}");
        if body != Value::Null {
            let code = body["error"]["code"].as_str().unwrap_or_default();
            assert_error_shape(&body, status, code);
        }
    }
    shared().assert_unharmed();
}
