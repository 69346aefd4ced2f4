//! The bound on bodies that a worker holds: requests are refused beyond it, and admitted again once
//! others have their answers.

use std::rc::Rc;

use attache::{
    config::Config,
    gateway::{Exchange, Gateway, Input, Output, RequestHead, reply_source::ReplySource},
    region::Region::Us,
    reply::Reply,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID};

const KIB: usize = 1024;

/// A gateway for bodies up to 400 KiB, of which a worker holds 800 KiB.
fn gateway() -> Rc<Gateway> {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    document["request_body_bytes"] = json!(400 * KIB);
    document["overload"] = json!({"held_body_bytes": 800 * KIB});
    let config = Rc::new(Config::parse(&document).unwrap());
    Rc::new(Gateway { config, ..(*play::gateway(Us)).clone() })
}

/// An exchange whose client has announced a body of so many bytes, and its output.
fn begin(gateway: &Rc<Gateway>, announced: Option<usize>) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    let head = RequestHead { content_length: announced, ..play::client_head() };
    let output = exchange.on(Input::Head(head), play::sent);
    (exchange, output)
}

/// An exchange of which so many bytes have come.
fn coming(gateway: &Rc<Gateway>, size: usize) -> Exchange {
    let (mut exchange, output) = begin(gateway, None);
    assert_eq!(output, Output::Wait);
    assert_eq!(exchange.on(Input::Received(size), play::sent), Output::Wait);
    exchange
}

fn refusal(output: Output) -> Reply {
    let Output::Reply(reply) = output else { panic!("not refused: {output:?}") };
    reply
}

#[test]
fn a_body_is_refused_at_its_head_if_it_does_not_fit() {
    let gateway = gateway();
    let _held = [coming(&gateway, 400 * KIB), coming(&gateway, 200 * KIB)];
    assert_eq!(begin(&gateway, Some(200 * KIB)).1, Output::Wait);
    let reply = refusal(begin(&gateway, Some(200 * KIB + 1)).1);
    assert_eq!((reply.status, reply.reason.as_deref()), (503, Some("gateway_overloaded")));
    let error = play::error(&reply);
    assert_eq!((&error["code"], &error["type"]), (&json!("overloaded"), &json!("server_error")));
    assert!(reply.headers.contains(&("retry-after", "1".to_owned())), "{:?}", reply.headers);
    // A body that can never be accepted is not asked for again.
    assert_eq!(refusal(begin(&gateway, Some(400 * KIB + 1)).1).status, 413);
}

#[test]
fn a_body_of_unknown_length_is_refused_as_it_comes() {
    let gateway = gateway();
    let _held = [coming(&gateway, 400 * KIB), coming(&gateway, 200 * KIB)];
    let mut growing = coming(&gateway, 100 * KIB);
    assert_eq!(growing.on(Input::Received(200 * KIB), play::sent), Output::Wait);
    let output = growing.on(Input::Received(200 * KIB + 1), play::sent);
    assert_eq!(refusal(output).status, 503);
    // What it held is free again, although its client has not left.
    assert_eq!(begin(&gateway, Some(200 * KIB)).1, Output::Wait);
}

#[test]
fn a_length_that_is_only_announced_takes_no_place() {
    let gateway = gateway();
    let mut waiting: Vec<Exchange> = (0..50).map(|_| begin(&gateway, Some(400 * KIB)).0).collect();
    for exchange in &mut waiting {
        assert_eq!(exchange.on(Input::Received(1), play::sent), Output::Wait);
    }
}

#[test]
fn small_bodies_are_admitted_when_large_ones_are_not() {
    let gateway = gateway();
    let _held = [coming(&gateway, 400 * KIB), coming(&gateway, 400 * KIB)];
    assert_eq!(refusal(begin(&gateway, Some(64 * KIB + 1)).1).status, 503);
    let _small = coming(&gateway, 64 * KIB);
    assert_eq!(begin(&gateway, Some(36 * KIB)).1, Output::Wait);
    assert_eq!(refusal(begin(&gateway, Some(36 * KIB + 1)).1).status, 503);
}

#[test]
fn a_body_is_held_until_its_answer_begins() {
    for stream in [false, true] {
        let gateway = gateway();
        let _held = coming(&gateway, 400 * KIB);
        let fits = || begin(&gateway, Some(400 * KIB)).1 == Output::Wait;
        let mut exchange = coming(&gateway, 10);
        let text = "x".repeat(300 * KIB);
        let request = json!({"stream": stream, "messages": [{"role": "user", "content": text}]});
        let output = exchange.on(Input::Body(play::request(&request)), play::sent);
        assert!(play::is_sent(&output) || matches!(output, Output::Forward { .. }), "{output:?}");
        assert!(!fits(), "the provider may fail, and the body is then needed");
        let output = match stream {
            true => {
                let response = Input::Response { status: 200, source: ReplySource::Provider };
                exchange.on(response, play::answered)
            }
            false => play::respond(&mut exchange, 500, b"", play::answered()),
        };
        assert_eq!(fits(), stream, "a retry is due after a failure: {output:?}");
        drop(exchange);
        assert!(fits());
    }
}

#[test]
fn a_new_configuration_counts_the_bodies_of_the_old_one() {
    let old = gateway();
    let _held = [coming(&old, 400 * KIB), coming(&old, 400 * KIB)];
    let new = Rc::new(Gateway { config: Rc::clone(&old.config), ..(*old).clone() });
    assert_eq!(refusal(begin(&new, Some(400 * KIB)).1).status, 503);
}
