//! What is rendered for Istio, in the listeners and clusters that Istio makes: the same Envoy with
//! the same answers.

use super::attempts::attempts;
use super::claims::*;
use super::tokens;
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};
use testkit::client::Request;
use testkit::envoy::{Gateway, Setup, marker};
use testkit::istio::{Proxy, UNPATCHED, objects};
use testkit::pod::Pod;
use testkit::programs::{attache, found};

const GATEWAY: &str = "istio-gateway";
const SIDECAR: &str = "istio-sidecar";

/// `unpatched.json` and `patched.json` are what Envoy's `/config_dump` held after Istio's control
/// plane (istio.io/istio at eed52ebb66ad, with Envoy's API at 1.39.0) had been given `objects.yaml`,
/// the first without its `EnvoyFilter`s. Istio's own filters had been turned off, which Envoy lacks.
#[test]
fn what_the_tests_take_for_istio_is_what_istio_does() {
    let given = Proxy { context: "GATEWAY", label: ("app", "attache") }
        .given(&objects(include_str!("istio/objects.yaml")));
    let mut made: Value = serde_json::from_str(include_str!("istio/patched.json")).unwrap();
    // Here it listens on this machine alone.
    made["listeners"][0]["address"]["socket_address"]["address"] = "127.0.0.1".into();
    assert_eq!(json!(given.listeners), made["listeners"]);
    let by_name = |clusters: &[Value]| {
        let mut clusters: Vec<Value> = clusters.to_vec();
        clusters.retain(|cluster| cluster["name"] != "BlackHoleCluster");
        clusters.iter_mut().for_each(|one| drop(one.as_object_mut().unwrap().remove("@type")));
        clusters.sort_by_key(|cluster| cluster["name"].to_string());
        clusters
    };
    assert_eq!(by_name(&given.clusters), by_name(made["clusters"].as_array().unwrap()));
    assert_ne!(UNPATCHED, include_str!("istio/patched.json"));
}

/// Two providers, one of which fails when it is told to, and an account with a limit.
fn yaml() -> String {
    let free = "visitor: {plan: free,";
    assert!(YAML.contains(free));
    let limited = YAML.replace(free, "visitor: {plan: paid, requests_per_minute: 2,");
    format!("{limited}\nplayground: true\n")
}

#[test]
fn a_gateway_of_istios_is_a_gateway() {
    let gateway = tokens::setup(&yaml()).in_pod(GATEWAY).start();
    assert_serves(&gateway);
    assert_eq!(gateway.eu().chat(&chat("european", "hi")).status, 200);
    assert_eq!(gateway.eu().chat(&chat("kimi", "hi")).status, 400);
    no_websocket_leads_to_a_provider(&gateway);
    tokens::a_token_or_a_key_names_the_account_in_a_pod_of_istios(&gateway);
    a_new_secret_counts_without_a_restart(&gateway);
    gateway.assert_unharmed();
}

#[test]
fn a_sidecar_that_fetches_the_module_is_a_gateway() {
    let gateway = Setup::new(&yaml()).in_pod_that_fetches(SIDECAR).start();
    assert_serves(&gateway);
    gateway.assert_unharmed();
}

/// Everything there is: answers of each API schema, streams, fallbacks, errors, limits, lists.
fn assert_serves(gateway: &Gateway) {
    for model in ["gpt", "claude", "gemini"] {
        let marker = marker();
        assert_eq!(gateway.us().chat(&chat(model, &marker)).status, 200);
        let sent = gateway.reached_once(&marker).to_json().to_string();
        let keys = gateway.secrets().filter(|(_, key)| sent.contains(key)).count();
        assert_eq!(keys, 1, "{model} is sent its own key and no other: {sent}");
        let stream =
            Streamed::read(&gateway.us().send(Request::chat(streamed(model, "hi").to_string())));
        assert!(stream.done && stream.text().ends_with("hi"), "{stream:#?}");
    }
    assert_falls_back(gateway);
    assert_limits(gateway);
    assert_error(&gateway.us().without_key().chat(&chat("gpt", "hi")), 401, "invalid_api_key");
    assert_eq!(gateway.us().send(Request::get("/v1/models")).status, 200);
    assert_eq!(gateway.us().without_key().send(Request::get("/playground")).status, 200);
    let numbers = gateway.admin("/stats/prometheus");
    let counted = r#"attache_requests{region="us",model="claude",status="200"} 2"#;
    assert!(numbers.contains(counted), "{numbers}");
}

/// In both lanes.
fn assert_falls_back(gateway: &Gateway) {
    for is_stream in [false, true] {
        let request = json!({"model": "gpt", "stream": is_stream, "fallbacks": [{"model": "kimi"}],
            "fallback_config": {"retry": false},
            "messages": [{"role": "user", "content": "#script status=503 | text=fine"}]});
        let answer = gateway.us().chat(&request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(attempts(&answer), [("gpt".to_owned(), 503), ("kimi".to_owned(), 200)]);
    }
}

fn assert_limits(gateway: &Gateway) {
    let visitor = gateway.us().with_key(gateway.secret("visitor"));
    for left in ["1", "0"] {
        let answer = visitor.chat(&chat("gpt", "hi"));
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, Some(left)));
    }
    assert_error(&visitor.chat(&chat("gpt", "hi")), 429, "rate_limit_exceeded");
}

/// Istio lets connections become WebSockets.
fn no_websocket_leads_to_a_provider(gateway: &Gateway) {
    for method in ["GET", "POST"] {
        let key = gateway.secret("acme");
        let head = format!(
            "{method} /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        let answer = gateway.us().raw(head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4"), "{method}: {answer}");
    }
}

fn a_new_secret_counts_without_a_restart(gateway: &Gateway) {
    let fresh = |name: &str, key: &str| {
        fs::write(gateway.dir().join(format!("secrets/{name}.key")), key).expect("a file");
    };
    fresh("openai", "sk-of-tomorrow");
    fresh("acme", "client-of-tomorrow");
    gateway.pod().mount_secrets();
    let tomorrow = gateway.us().with_key("client-of-tomorrow");
    until(|| {
        let marker = marker();
        tomorrow.chat(&chat("gpt", &marker)).status == 200
            && gateway.reached_once(&marker).header("authorization")
                == Some(b"Bearer sk-of-tomorrow".as_slice())
    });
    assert_eq!(gateway.us().chat(&chat("gpt", "hi")).status, 401, "the old key");
}

/// The schemas are generated from the CustomResourceDefinitions that Istio publishes.
#[test]
fn the_objects_fit_istios_schemas() {
    for target in [GATEWAY, SIDECAR] {
        let mut rendered = Setup::new(&yaml()).in_pod(target).render().pod().unwrap().objects();
        rendered.extend(of_the_sample(target));
        assert_eq!(mistakes(&rendered), "", "{target}");
    }
    assert_eq!(mistakes(&objects(include_str!("../../envoy/istio/deployment.yaml"))), "");
    let mut wrong = Setup::new(YAML).in_pod(GATEWAY).render().pod().unwrap().objects();
    let rule = wrong.iter_mut().find(|object| object["kind"] == "DestinationRule").unwrap();
    rule["spec"]["trafficPolicy"]["outlierDetection"]["consecutive5xx"] = 1.into();
    assert!(mistakes(&wrong).contains("consecutive5xx"), "a field that is not there is found");
}

/// Of a file whose providers are asked themselves, in TLS.
fn of_the_sample(target: &str) -> Vec<Value> {
    let out = tempfile::tempdir().unwrap();
    let output = attache(&["render", "envoy/gateway.yaml", "--target", target])
        .args(["--workload", "app=attache", "--module", "oci://example.com/attache:1", "--out"])
        .arg(out.path().join("istio"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Pod { dir: out.path(), admin: 0, target }.objects()
}

/// What Node finds in `.build/istio`, which is the job of `just setup istio`.
fn mistakes(objects: &[Value]) -> String {
    let schemas = found(
        "ATTACHE_ISTIO",
        ".build/istio/node_modules/typescript/package.json",
        "no schemas of Istio at {}, fetch them with `.ci/setup istio`",
    );
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", include_str!("../istio/check.mjs")])
        .current_dir(schemas.ancestors().nth(3).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node starts");
    serde_json::to_writer(node.stdin.take().unwrap(), objects).unwrap();
    let output = node.wait_with_output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert_eq!(output.status.success(), told.is_empty(), "{told}");
    told
}

#[test]
fn no_object_holds_a_key() {
    for target in [GATEWAY, SIDECAR] {
        let rendered = Setup::new(YAML).in_pod(target).render();
        for name in ["clusters", "listeners"] {
            let path = rendered.dir.join(format!("istio/{name}.yaml"));
            let text = fs::read_to_string(path).expect("a file");
            assert!(text.len() > 10_000 && !text.contains("planted"), "{target} {name}");
        }
    }
}
