//! Requests inside of requests, and headers inside of headers: what is one thing to Envoy must not be
//! another to anybody.

use super::bad_input::{length, raw, read_raw};
use super::claims::*;
use crate::support::frames::{Told, heads};
use testkit::envoy::marker;

#[test]
fn requests_cannot_be_smuggled() {
    let client = shared().us();
    let inner = marker();
    let body = chat("gpt", &inner).to_string();
    let key = client.key.clone().unwrap();
    let hidden = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n";
    let attempts = [
        raw(&client, both, &format!("0\r\n\r\n{hidden}")),
        raw(
            &client,
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            &format!("0\r\n\r\n{hidden}"),
        ),
        raw(&client, "transfer-encoding: chunked, identity\r\n", &format!("0\r\n\r\n{hidden}")),
        raw(&client, "transfer-encoding: xchunked\r\n", &format!("0\r\n\r\n{hidden}")),
        raw(&client, "transfer-encoding : chunked\r\n", &format!("0\r\n\r\n{hidden}")),
        raw(&client, "content-length: 0\r\ncontent-length: 4\r\n", &hidden),
        raw(&client, "content-length: 0, 4\r\n", &hidden),
        raw(&client, "content-length: +0\r\n", &hidden),
        raw(&client, "content-length: -1\r\n", &hidden),
        raw(&client, "x: a\0b\r\ncontent-length: 0\r\n", &hidden),
        // A line that goes on in the next, a bare CR or LF, a size that is none or too large for any.
        raw(&client, "transfer-encoding:\r\n chunked\r\ncontent-length: 5\r\n", &hidden),
        raw(&client, "x: a\r\n transfer-encoding: chunked\r\ncontent-length: 0\r\n\0", &hidden),
        raw(&client, "x: a\rtransfer-encoding: chunked\r\ncontent-length: 0\r\n", &hidden),
        raw(&client, "transfer-encoding: chunked\r\n", &format!("0x0\r\n\r\n{hidden}")),
        raw(&client, "transfer-encoding: chunked\r\n", &format!("-1\r\n\r\n{hidden}")),
        raw(&client, "transfer-encoding: chunked\r\n", &format!("fffffffffffffffff\r\n{hidden}")),
        raw(&client, "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", &hidden),
    ];
    for attempt in attempts {
        let answer = client.raw(&attempt);
        let told = String::from_utf8_lossy(&attempt).into_owned();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "two answers to {told}: {answer}");
        let (status, _) = read_raw(&answer);
        assert!([400, 501].contains(&status), "{told}: {answer}");
        assert!(shared().reached(&inner).is_empty(), "smuggled by {told}");
    }
    shared().assert_unharmed();
}

#[test]
fn http2_cannot_say_what_http1_would_read_otherwise() {
    let key = shared().secret("acme");
    let marker = marker();
    let body = chat("gpt", &marker).to_string();
    let bearer = format!("Bearer {key}");
    let proper = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", "/v1/chat/completions"),
        ("authorization", &bearer),
        ("content-type", "application/json"),
    ];
    let address = shared().us().address;
    assert_eq!(heads(address, &proper, &body), Told::Status(200), "the frames are wrong");
    assert_eq!(shared().reached(&marker).len(), 1);
    let injected = "x\r\nx-attache-account: acme";
    let more = [
        ("x-note", injected),
        ("x-note", "a\nb"),
        ("x-note", "a\0b"),
        ("x-note\r\nx-attache-account", "acme"),
        ("X-Upper", "a"),
        ("x note", "a"),
        ("", "a"),
        ("transfer-encoding", "chunked"),
        ("connection", "x-attache-account"),
        ("content-length", "5"),
        ("content-length", "0, 5"),
        (":path", "/v1/models"),
        (":status", "200"),
        (":attache", "acme"),
        (":scheme", "http"),
    ];
    let odd = more.iter().map(|field| [proper.as_slice(), &[*field]].concat());
    let replaced = [
        (":method", "POST /v1/models HTTP/1.1\r\nx: y\r\n\r\nPOST"),
        (":method", ""),
        (":path", "/v1/chat/completions HTTP/1.1\r\nx: y"),
        (":path", ""),
        (":authority", "gateway\r\nx-attache-account: acme"),
        ("authorization", "Bearer\r\nx-attache-account: acme"),
    ];
    let wrong = replaced.iter().map(|field| {
        let swap = |own: &(&'static str, _)| if own.0 == field.0 { *field } else { *own };
        proper.iter().map(|own| swap(&(own.0, own.1))).collect()
    });
    let missing = (0..4).map(|at| [&proper[..at], &proper[at + 1..]].concat());
    for fields in odd.chain(wrong).chain(missing) {
        let told = heads(address, &fields, &body);
        assert!(!matches!(told, Told::Status(200..=299)), "{told:?} to {fields:?}");
        assert_eq!(shared().reached(&marker).len(), 1, "{fields:?} got through");
    }
    shared().assert_unharmed();
}

#[test]
fn no_value_of_a_body_becomes_a_header() {
    let injected = "gpt\r\nx-injected: yes\r\n\r\n";
    let requests = [
        chat(injected, "hi"),
        with(chat("gpt", "hi"), serde_json::json!({injected: 1})),
        with(chat("gpt", "hi"), serde_json::json!({"fallbacks": [{"model": injected}]})),
        with(chat("gpt", "hi"), serde_json::json!({"model_region": injected})),
        with(
            chat("gpt", "hi"),
            serde_json::json!({"user": injected, "metadata": {injected: injected}}),
        ),
    ];
    for request in requests {
        let body = request.to_string();
        let client = shared().us();
        let answer = client.raw(&raw(&client, &length(&body), &body));
        let head = answer.split("\r\n\r\n").next().unwrap_or_default();
        assert!(!head.to_lowercase().contains("\nx-injected"), "{body}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "two answers to {body}: {answer}");
    }
    shared().assert_unharmed();
}
