//! Changes under load: a new file, new keys, a new module, each while requests of all lanes are on
//! their way. None is lost.

use super::claims::*;
use super::lanes::{cases, loaded};
use crate::support::load::Load;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::Client;
use testkit::envoy::Gateway;
use testkit::programs::module;

/// How many clients ask at a time.
const CLIENTS: u64 = 128;

/// What an operator changes in the file: what stands there, and what is to. Each is undone again.
const EDITS: [&[(&str, &str)]; 8] = [
    &[("paid: {requests_per_minute: 100000000}", "paid: {requests_per_minute: 90000000}")],
    &[("answer: 60s", "answer: 61s")],
    &[("total: 120s", "total: 121s")],
    &[("timeout: 30s", "timeout: 31s")],
    &[(
        "models:\n",
        "models:\n  zeroth: {name: New, regions: {us: {provider: one, upstream_model: x}}, context_length: 9000, max_output_tokens: 100}\n",
    )],
    // To another provider, which has to be found again in every attempt under way.
    &[("provider: one, upstream_model: first", "provider: two, upstream_model: first")],
    &[("  three:\n", "  drei:\n"), ("provider: three", "provider: drei")],
    &[("consecutive_5xx: 4294967295}", "consecutive_5xx: 4294967294}")],
];

/// Puts a file in the place of another, in one step.
pub fn replace(gateway: &Gateway, name: &str, content: impl AsRef<[u8]>) {
    let path = gateway.dir().join(name);
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, content).expect("a file");
    fs::rename(&fresh, &path).expect("a file");
}

pub fn render(gateway: &Gateway) {
    let output = gateway.render_again();
    assert!(output.status.success(), "{output:?}");
}

/// Makes an edit, or undoes it if it is made.
fn edit(gateway: &Gateway, edit: &[(&str, &str)]) {
    let yaml = fs::read_to_string(gateway.dir().join("gateway.yaml")).expect("a file");
    let change = |yaml: String, (one, other): &(&str, &str)| match yaml.contains(other) {
        true => yaml.replace(other, one),
        false => yaml.replace(one, other),
    };
    let changed = edit.iter().fold(yaml.clone(), change);
    assert_ne!(changed, yaml, "{edit:?} changes nothing");
    replace(gateway, "gateway.yaml", changed);
    render(gateway);
}

/// Gives the account another key beside the one it has, has every client take it, and takes the old
/// one away.
fn rotate_account(gateway: &Gateway, load: &Load, name: &str) {
    let fresh = format!("sk-planted-{}", marker_word());
    replace(gateway, &format!("secrets/{name}.key"), &fresh);
    render(gateway);
    let client = gateway.us().with_key(&fresh);
    let is_known = || client.chat(&chat("first", "hi")).status == 200;
    // A connection comes to any of the workers, and each takes the key over by itself.
    until(|| (0..16).all(|_| is_known()));
    thread::sleep(Duration::from_secs(1));
    let old = load.change_key(&fresh);
    // The file of the old key is next to change, so no request may be on its way with it.
    until(|| Arc::strong_count(&old) == 1);
}

fn marker_word() -> String {
    testkit::envoy::marker().replace('.', "")
}

/// Gives a provider another key.
fn rotate_provider(gateway: &Gateway) {
    replace(gateway, "secrets/one.key", format!("sk-planted-one-{}", marker_word()));
}

/// The module with a few bytes more, which mean nothing: a custom section (WebAssembly, *Binary
/// Format*, 5.5.3).
fn renew_module(gateway: &Gateway) {
    let name = marker_word();
    let length = u8::try_from(name.len()).expect("a short word");
    let mut module = fs::read(module()).expect("the module");
    module.extend([0, length + 1, length]);
    module.extend(name.as_bytes());
    replace(gateway, "attache.wasm", module);
    render(gateway);
}

/// Everything an operator may change, one after the other.
fn change_everything(gateway: &Gateway, load: &Load) {
    let go_on = || !load.is_over();
    for one in EDITS.iter().filter(|_| go_on()) {
        edit(gateway, one);
    }
    for name in ["acme-next", "acme"] {
        rotate_account(gateway, load, name);
    }
    rotate_provider(gateway);
    renew_module(gateway);
}

/// Changes everything over and over, until so many requests are answered.
fn change_under_load(requests: usize) {
    let gateway = loaded().with_own_module().start();
    let Client { address, key, .. } = gateway.us();
    let load = Load::new(address, &key.expect("a key"), cases(), requests);
    let (load, begun) = (Arc::new(load), Instant::now());
    let mut rounds = 0;
    thread::scope(|scope| {
        let running = scope.spawn(|| load.run(CLIENTS));
        while !load.is_over() {
            change_everything(&gateway, &load);
            rounds += 1;
        }
        running.join().expect("a load");
    });
    let report = load.report();
    println!("{} requests in {:?}, {rounds} rounds of changes", report.total(), begun.elapsed());
    println!("{:#?}", report.good);
    assert_eq!(report.bad, 0, "{report:#?}");
    assert_eq!(report.good.len(), cases().len(), "{report:#?}");
    assert_eq!(told(&gateway, "rejected"), 0);
    gateway.assert_unharmed();
}

/// The sum of what Envoy tells of its updates.
fn told(gateway: &Gateway, what: &str) -> u64 {
    let stats = gateway.admin(&format!("/stats?filter=update_{what}$"));
    let counts = stats.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

#[test]
fn changes_under_load_lose_no_request() {
    change_under_load(6_000);
}

#[test]
#[ignore = "takes minutes: `just reloads`"]
fn changes_under_load_lose_none_of_fifty_thousand_requests() {
    change_under_load(50_000);
}
