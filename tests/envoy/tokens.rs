//! Clients that come with a JSON Web Token: whom it names asks, and nobody else.

use super::claims::*;
use crate::support::access_log::Line;
use crate::support::shared::Shared;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use testkit::client::{Answer, Request};
use testkit::envoy::{Gateway, Setup, marker};

/// The public half of a key that is long gone.
const JWKS: &str = include_str!("jwt/jwks.json");

/// A token that it has signed.
fn token(name: &str) -> String {
    let tokens: Value = serde_json::from_str(include_str!("jwt/tokens.json")).expect("JSON");
    tokens[name].as_str().expect("a token").to_owned()
}

fn yaml(rest: &str, keys: &str) -> String {
    format!(
        "{rest}\njwt:\n  issuer: https://id.example\n  audiences: [attache]\n  \
         account_claim: account\n  {keys}\n"
    )
}

/// A gateway that has the issuer's keys from a file. Each test asks as it likes and changes nothing.
fn with_file() -> Arc<Gateway> {
    static GATEWAY: Shared<Gateway> = Shared::new();
    GATEWAY.get(|| setup(&keyless(YAML)).start())
}

/// Such a gateway with the rest from this file, about to be started.
pub fn setup(rest: &str) -> Setup {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/envoy/jwt/jwks.json");
    Setup::new(&yaml(rest, &format!("jwks_file: {file}")))
}

/// What a token asks, over the header.
fn ask(gateway: &Gateway, token: &str, text: &str) -> Answer {
    gateway.us().with_key(token).chat(&chat("gpt", text))
}

#[test]
fn a_token_or_a_key_names_the_account() {
    let (gateway, marker) = (with_file(), marker());
    let with_token = ask(&gateway, &token("good"), &marker);
    let with_key = gateway.us().chat(&chat("gpt", &marker));
    assert_eq!((with_token.status, with_key.status), (200, 200));
    for entry in gateway.reached(&marker) {
        let sent = entry.to_json().to_string();
        assert!(!sent.contains(&token("good")) && !sent.contains("x-attache"), "{sent}");
    }
    let head = Request::get("/v1/models");
    let without = gateway.us().without_key().send(head);
    assert_eq!(without.status, 200);
    let account = |answer: &Answer| Line::of(&gateway, answer).get("account").clone();
    let accounts = [&with_token, &with_key, &without].map(account);
    assert_eq!(accounts, [Value::from("acme"), Value::from("acme"), Value::Null]);
    assert!(!gateway.logs().contains(&token("good")));
}

pub fn a_token_or_a_key_names_the_account_in_a_pod_of_istios(gateway: &Gateway) {
    assert_eq!(ask(gateway, &token("good"), "hi").status, 200);
    assert_eq!(gateway.us().chat(&chat("gpt", "hi")).status, 200, "with a key");
    assert_error(&ask(gateway, &token("expired"), "hi"), 401, "invalid_api_key");
}

#[test]
fn an_account_without_a_plan_and_one_that_is_none_may_not_call() {
    let gateway = with_file();
    for name in ["visitor", "unknown"] {
        assert_error(&ask(&gateway, &token(name), "x"), 403, "model_not_allowed");
    }
}

#[test]
fn a_token_that_is_not_good_is_no_key_either() {
    let gateway = with_file();
    let named = ["expired", "issuer", "audience", "forged", "unsigned", "nameless", "empty"];
    let good = token("good");
    let cut = good[..good.len() - 9].to_owned();
    let named = named.map(token);
    for token in named.iter().chain([&cut, &String::new(), &"a.b.c".to_owned()]) {
        assert_error(&ask(&gateway, token, "x"), 401, "invalid_api_key");
        // Who claims to be named already is not.
        let forged =
            Request::chat(chat("gpt", "x").to_string()).header("x-attache-account", "acme");
        assert_eq!(gateway.us().with_key(token).send(forged).status, 401, "{token}");
    }
    let forged = Request::chat(chat("gpt", "x").to_string()).header("x-attache-account", "acme");
    assert_eq!(gateway.us().without_key().send(forged).status, 401);
}

#[test]
fn a_token_names_another_account_than_the_header_that_came_with_it() {
    let gateway = with_file();
    let forged = Request::chat(chat("gpt", "x").to_string()).header("x-attache-account", "acme");
    assert_error(&gateway.us().with_key(&token("visitor")).send(forged), 403, "model_not_allowed");
}

#[test]
fn the_issuers_keys_are_fetched() {
    let gateway = Setup::new(&yaml(
        &keyless(YAML),
        &format!("jwks_url: http://{}/jwks.json\n  allow_private: true", issuer()),
    ));
    let gateway = gateway.start();
    assert_eq!(ask(&gateway, &token("good"), "x").status, 200);
    assert_error(&ask(&gateway, &token("forged"), "x"), 401, "invalid_api_key");
}

/// Somebody who hands out the keys.
fn issuer() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 2048]);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{JWKS}",
                JWKS.len()
            );
        }
    });
    address
}
