//! What mistakes, a crash and a drain cost: nothing, the streams of one worker, nothing.

use super::claims::*;
use super::reload::replace;
use std::fs;
use testkit::client::{Opened, Request};
use testkit::envoy::{Gateway, Setup};

/// What may go wrong in a file of Envoy's: what stands there, what comes in its place, and what the
/// module or Envoy says to that.
const MISTAKES: [(&str, &str, &str, &str); 5] = [
    ("provider.yaml", r#"\"models\":"#, r#"\"modles\":"#, "configuration refused: modles: unknown"),
    (
        "gateway-us.yaml",
        r#"\"models\":"#,
        r#"\"modles\":"#,
        "configuration refused: modles: unknown",
    ),
    ("routes-us.yaml", "domains: [\"*\"]", "domains: []", "config update rejected"),
    ("clusters.yaml", "connect_timeout: 3s", "connect_timeout: soon", "connect_timeout"),
    ("listeners.yaml", "normalize_path: true", "normalize_path: perhaps", "normalize_path"),
];

#[test]
fn a_refused_configuration_leaves_the_old_one_serving_and_says_why() {
    let gateway = Setup::new(&keyless(YAML)).start();
    let mut stream = gateway.us().open(Request::chat(streamed("kimi", SLOW).to_string()));
    assert!(stream.next_event().is_some());
    for (file, right, wrong, told) in MISTAKES {
        let path = format!("envoy/{file}");
        let text = fs::read_to_string(gateway.dir().join(&path)).expect("a file");
        assert!(text.contains(right), "{file}: {text}");
        let said = || gateway.logs().matches(told).count();
        let before = said();
        replace(&gateway, &path, text.replace(right, wrong));
        until(|| said() > before);
        assert_serves(&gateway, file);
        replace(&gateway, &path, text);
    }
    assert_eq!(finish(&mut stream).as_deref(), Some("[DONE]"));
    assert_takes_over_what_is_right(&gateway);
}

#[test]
fn a_module_that_is_none_leaves_the_old_one_serving() {
    let gateway = Setup::new(&keyless(YAML)).with_own_module().start();
    let module = fs::read(gateway.dir().join("attache.wasm")).expect("a module");
    replace(&gateway, "attache.wasm", "no module");
    assert!(gateway.render_again().status.success());
    for role in ["provider", "gateway"] {
        until(|| gateway.logs().contains(&format!("Unable to create Wasm plugin {role}")));
    }
    assert_serves(&gateway, "a module that is none");
    replace(&gateway, "attache.wasm", module);
    assert_takes_over_what_is_right(&gateway);
}

fn assert_serves(gateway: &Gateway, after: &str) {
    for _ in 0..4 {
        for request in [chat("gpt", "hi"), streamed("claude", "hi")] {
            let answer = gateway.us().chat(&request);
            assert_eq!(answer.status, 200, "after {after}: {answer:?}");
        }
    }
}

/// A refusal is not for ever.
fn assert_takes_over_what_is_right(gateway: &Gateway) {
    let path = gateway.dir().join("gateway.yaml");
    let yaml = fs::read_to_string(&path).expect("a file");
    replace(gateway, "gateway.yaml", yaml.replace("  kimi:\n", "  brand-new:\n"));
    assert!(gateway.render_again().status.success());
    until(|| gateway.us().chat(&chat("brand-new", "hi")).status == 200);
}

/// A stream of some seconds.
const SLOW: &str = "#script events=40 delay=100 text=one_word_after_the_other";

/// Reads a stream to its end, and gives its last event.
fn finish(stream: &mut Opened) -> Option<String> {
    std::iter::from_fn(|| stream.next_event()).last()
}

#[test]
fn a_crash_costs_the_streams_of_its_worker_and_the_next_request_works() {
    let gateway = Setup::new(&keyless(YAML)).crashing().start();
    let open = |_| gateway.us().open(Request::chat(streamed("gpt", SLOW).to_string()));
    let mut streams: Vec<Opened> = (0..12).map(open).collect();
    assert!(streams.iter_mut().all(|stream| stream.next_event().is_some()));
    let before = connections(&gateway);
    let mut crashing = gateway.us().connect();
    until(|| connections(&gateway) != before);
    let worker = before.iter().zip(connections(&gateway)).position(|(one, now)| *one != now);
    let at_risk = worker.map_or(0, |worker| before[worker]);
    assert_eq!(crashing.send(Request::get("/debug/crash")).status, 503);
    assert_serves(&gateway, "a crash");
    let ends = streams.iter_mut().map(finish);
    let lost = ends.filter(|end| end.as_deref() != Some("[DONE]")).count();
    assert!(lost <= at_risk, "{lost} lost, {at_risk} of {before:?} were at that worker");
    assert!(crashes(&gateway) > 0);
}

/// How many connections each worker has of the US listener's.
fn connections(gateway: &Gateway) -> Vec<usize> {
    let port = gateway.us().address.port();
    let page = gateway.admin(&format!("/stats?filter={port}.worker_.*downstream_cx_active"));
    page.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

/// How often the gateway role was loaded again.
fn crashes(gateway: &Gateway) -> usize {
    let page = gateway.admin("/stats?filter=wasm.gateway.vm_reload_success");
    page.trim().rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[test]
fn a_drain_finishes_streams() {
    let gateway = Setup::new(&keyless(YAML)).start();
    for client in [gateway.us(), gateway.us().over_http2()] {
        let mut stream = client.open(Request::chat(streamed("gpt", SLOW).to_string()));
        assert!(stream.next_event().is_some());
        let mut kept = client.connect();
        assert!(kept.is_open());
        for page in ["/healthcheck/fail", "/drain_listeners?graceful"] {
            let answer = gateway.at_admin(Request::get(page).method("POST"));
            assert_eq!(answer.status, 200, "{page}: {answer:?}");
        }
        // Who is still there is served, and asked to leave.
        assert_eq!(kept.send(Request::chat(chat("gpt", "hi").to_string())).status, 200);
        until(|| !kept.is_open());
        assert_eq!(finish(&mut stream).as_deref(), Some("[DONE]"));
    }
    gateway.assert_unharmed();
}
