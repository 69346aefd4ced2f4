//! What mistakes, a crash and a drain cost: nothing, the streams of one worker, nothing.

use super::claims::*;
use super::quota::{a_crash_of_every_worker_loses_no_count, busy, limited, told};
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
fn a_refused_configuration_or_module_leaves_the_old_one_serving_and_says_why() {
    let gateway = Setup::new(&keyless(YAML)).with_own_module().start();
    a_refused_configuration_leaves_the_old_one_serving_and_says_why(&gateway);
    assert_takes_over_what_is_right(&gateway, "kimi", "brand-new");
    a_module_that_is_none_leaves_the_old_one_serving(&gateway);
    assert_takes_over_what_is_right(&gateway, "brand-new", "newest");
}

fn a_refused_configuration_leaves_the_old_one_serving_and_says_why(gateway: &Gateway) {
    let mut stream = gateway.us().open(Request::chat(streamed("kimi", SLOW).to_string()));
    assert!(stream.next_event().is_some());
    for (file, right, wrong, told) in MISTAKES {
        let path = format!("envoy/{file}");
        let text = fs::read_to_string(gateway.dir().join(&path)).expect("a file");
        assert!(text.contains(right), "{file}: {text}");
        let said = || gateway.logs().matches(told).count();
        let before = said();
        replace(gateway, &path, text.replace(right, wrong));
        until(|| said() > before);
        assert_serves(gateway, file);
        replace(gateway, &path, text);
    }
    assert_eq!(finish(&mut stream).as_deref(), Some("[DONE]"));
}

fn a_module_that_is_none_leaves_the_old_one_serving(gateway: &Gateway) {
    let module = fs::read(gateway.dir().join("attache.wasm")).expect("a module");
    replace(gateway, "attache.wasm", "no module");
    assert!(gateway.render_again().status.success());
    for role in ["provider", "gateway"] {
        until(|| gateway.logs().contains(&format!("Unable to create Wasm plugin {role}")));
    }
    assert_serves(gateway, "a module that is none");
    replace(gateway, "attache.wasm", module);
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
fn assert_takes_over_what_is_right(gateway: &Gateway, old: &str, new: &str) {
    assert_eq!(gateway.us().chat(&chat(new, "hi")).status, 400);
    render_with(gateway, &format!("  {old}:\n"), &format!("  {new}:\n"));
    until_everywhere(|| gateway.us().chat(&chat(new, "hi")).status == 200);
    assert_eq!(gateway.us().chat(&chat(old, "hi")).status, 400);
}

/// Renders the file again, with something in the place of something else.
pub fn render_with(gateway: &Gateway, old: &str, new: &str) {
    let yaml = fs::read_to_string(gateway.dir().join("gateway.yaml")).expect("a file");
    assert!(yaml.contains(old), "no `{old}` in {yaml}");
    replace(gateway, "gateway.yaml", yaml.replace(old, new));
    let output = gateway.render_again();
    assert!(output.status.success(), "{output:?}");
}

/// A stream of some seconds.
pub const SLOW: &str = "#script events=40 delay=100 text=one_word_after_the_other";

/// Reads a stream to its end, and gives its last event.
pub fn finish(stream: &mut Opened) -> Option<String> {
    std::iter::from_fn(|| stream.next_event()).last()
}

#[test]
fn a_crash_costs_the_streams_of_its_worker_and_nothing_else() {
    let gateway = Setup::new(&busy()).crashing().start();
    a_crash_costs_the_streams_of_its_worker_and_the_next_request_works(&gateway);
    a_crash_of_every_worker_loses_no_count(&gateway);
}

fn a_crash_costs_the_streams_of_its_worker_and_the_next_request_works(gateway: &Gateway) {
    let open = |_| gateway.us().open(Request::chat(streamed("gpt", SLOW).to_string()));
    let mut streams: Vec<Opened> = (0..12).map(open).collect();
    assert!(streams.iter_mut().all(|stream| stream.next_event().is_some()));
    let before = connections(gateway);
    let mut crashing = gateway.us().connect();
    until(|| connections(gateway) != before);
    let worker = before.iter().zip(connections(gateway)).position(|(one, now)| *one != now);
    let at_risk = worker.map_or(0, |worker| before[worker]);
    assert_eq!(crashing.send(Request::get("/debug/crash")).status, 503);
    assert_serves(gateway, "a crash");
    let ends = streams.iter_mut().map(finish);
    let lost = ends.filter(|end| end.as_deref() != Some("[DONE]")).count();
    assert!(lost <= at_risk, "{lost} lost, {at_risk} of {before:?} were at that worker");
    assert!(crashes(gateway) > 0);
}

/// How many connections each worker has of the US listener's.
fn connections(gateway: &Gateway) -> Vec<usize> {
    let port = gateway.us().address.port();
    let page = gateway.admin(&format!("/stats?filter={port}.worker_.*downstream_cx_active"));
    page.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
}

/// How often the gateway role was loaded again.
pub fn crashes(gateway: &Gateway) -> usize {
    let page = gateway.admin("/stats?filter=wasm.gateway.vm_reload_success");
    page.trim().rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[test]
fn neither_a_rendering_nor_a_drain_costs_a_stream_or_a_count() {
    let gateway = Setup::new(&limited(&[("frugal", 1, 3)])).start();
    a_rendering_that_changes_listeners_and_clusters_drops_no_stream(&gateway);
    a_rendering_keeps_the_counts(&gateway);
    a_drain_finishes_streams(&gateway);
    gateway.assert_unharmed();
}

/// And it counts without a restart.
fn a_rendering_that_changes_listeners_and_clusters_drops_no_stream(gateway: &Gateway) {
    let mut stream = gateway.us().open(Request::chat(streamed("kimi", SLOW).to_string()));
    assert!(stream.next_event().is_some());
    assert_takes_over_what_is_right(gateway, "kimi", "brand-new");
    assert_eq!(finish(&mut stream).as_deref(), Some("[DONE]"));
}

fn a_rendering_keeps_the_counts(gateway: &Gateway) {
    let client = gateway.us().with_key(gateway.secret("frugal-0"));
    assert_eq!(told(&client.chat(&chat("gpt", "hi"))), "3 2 60 gpt llmgw");
    render_with(gateway, "requests_per_minute: 3,", "requests_per_minute: 4,");
    assert_takes_over_what_is_right(gateway, "brand-new", "newest");
    assert!(told(&client.chat(&chat("gpt", "hi"))).starts_with("4 2 "));
}

fn a_drain_finishes_streams(gateway: &Gateway) {
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
}
