//! Played exchanges of the answer lane in which an attempt is made beside the first one.

use attache::{
    gateway::{Exchange, Input, Output},
    region::Region::Us,
};
use serde_json::{Value, json};
use testkit::play;

use crate::{
    endpoints::fail,
    limits::{ask, later},
};

/// A request that has an attempt beside its first one after 100 ms.
fn hedged(config: &Value) -> (Exchange, Output) {
    let gateway = play::gateway(Us);
    let mut body = json!({"model": "gpt-4.1", "fallbacks": [{"model": "qwen3-32b"}],
        "fallback_config": {"hedge_ms": 100, "retry": false}});
    body.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    ask(&gateway, &body, 0)
}

#[test]
fn two_attempts_that_fail_beside_each_other_are_both_listed() {
    for is_hedge_first in [false, true] {
        let (mut exchange, first) = hedged(&json!({}));
        let hedge = exchange.on(Input::HedgeDue, || later(100));
        let (one, other) = if is_hedge_first { (hedge, first) } else { (first, hedge) };
        assert_eq!(fail(&mut exchange, one, 429, later(120)), Output::Wait);
        let Output::Reply(reply) = fail(&mut exchange, other, 503, later(140)) else { panic!() };
        let error = play::error(&reply);
        let listed = error["metadata"]["attempts"].as_array().unwrap();
        let header = reply.headers.iter().find(|(name, _)| *name == "x-attache-attempts");
        assert_eq!(listed.len(), 2, "{error}");
        assert_eq!(header.unwrap().1.split(' ').count(), 2, "{header:?}");
    }
}

#[test]
fn a_hedge_that_comes_due_while_a_retry_waits_does_not_hasten_it() {
    let (mut exchange, first) = hedged(&json!({"fallback_config": {"hedge_ms": 100}}));
    assert_eq!(fail(&mut exchange, first, 503, later(90)), Output::RetryAt(later(590)));
    assert_eq!(exchange.on(Input::HedgeDue, || later(100)), Output::Wait);
    let retry = play::ticket(exchange.on(Input::RetryDue, || later(590)));
    assert_eq!(retry.target.model, "gpt-4.1");
}

#[test]
fn a_deadline_ends_both_attempts() {
    let (mut exchange, _) = hedged(&json!({"max_timeout": 1}));
    let hedge = exchange.on(Input::HedgeDue, || later(100));
    let Output::Call { index, .. } = hedge else { panic!("{hedge:?}") };
    assert_eq!(exchange.on(Input::DeadlinePassed(None), || later(1000)), Output::Wait);
    let timed_out = Input::CallEnded { index, result: play::called_by_envoy(504) };
    let output = exchange.on(timed_out, || later(1000));
    assert!(matches!(&output, Output::Reply(reply) if reply.status == 504), "{output:?}");
}
