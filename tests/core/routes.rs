//! Tickets and the rendered routes: each ticket matches the one route of its lane and deadline
//! profile, and the one cluster that the ticket names.

use std::time::Duration;

use attache::{
    chat::{attempt_log::AttemptLog, request_variant::RequestVariant},
    config::{Config, Deadlines},
    handoff::ticket::{AttemptTarget, EXHAUSTED_CLUSTER, Lane, Ticket},
    inlet::Inlet,
    quota::LimitStatus,
    region::Region,
    time::Timestamp,
};
use attache_cli::render::{RenderOptions, render};
use serde_json::{Value, json};

/// Returns a ticket in which every field has a value.
fn ticket(lane: Lane, deadlines: &Deadlines, cluster: &str) -> Ticket {
    let target = |variant: RequestVariant, cluster: &str| AttemptTarget {
        route: variant.into(),
        model: "qwen/qwen3-32B".to_owned(),
        cluster: cluster.to_owned(),
    };
    Ticket {
        lane,
        deadline_profile: deadlines.profile(),
        version: "c0ffee00".to_owned(),
        request_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        started: Timestamp::from_epoch(Duration::from_millis(1_750_000_000_000)),
        gateway_region: Region::Us,
        target: target(RequestVariant::OWN, cluster),
        rest: vec![
            target(RequestVariant::OWN, "openai-us"),
            target(RequestVariant::fallback(0), "anthropic-us"),
        ],
        due: Some(Timestamp::from_epoch(Duration::from_millis(1_750_000_000_500))),
        account: "demo".to_owned(),
        limit_status: LimitStatus::parse("30/29/1750000060000"),
        attempt_log: AttemptLog::default().with_attempt("gpt-5", 503, Duration::from_millis(20)),
        inlet: Inlet::Chat,
    }
}

/// Returns what Envoy's routes read of a ticket.
fn route_text(ticket: &Ticket) -> String {
    match ticket.lane {
        Lane::Answer => ticket.direct_route(),
        Lane::Stream => ticket.to_text(),
    }
}

/// Returns a configuration with models of several deadline profiles.
fn document() -> Value {
    let model = |deadlines: Value| {
        let openai = json!({"provider": "openai", "upstream_model": "m"});
        let bedrock = json!({"provider": "bedrock", "upstream_model": "m"});
        let regions = json!({"us": openai, "eu": bedrock});
        json!({
            "name": "M",
            "regions": regions,
            "context_length": 1000,
            "max_output_tokens": 100,
            "deadlines": deadlines,
        })
    };
    json!({
        "listeners": {"us": {"port": 8080}, "eu": {"port": 8081}},
        "admin": {"port": 9901},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"demo": {"plan": "paid", "key_files": ["demo.key"]}},
        "providers": {
            "openai": {"api_schema": "openai", "base_url": {"us": "https://us.example/v1"}},
            "bedrock": {"api_schema": "openai", "base_url": {"eu": "https://eu.example/v1"}},
        },
        "models": {
            "usual": model(json!({})),
            "quick": model(json!({"first_content": "2s", "total": "20s"})),
            "slow": model(json!({"first_content": "60s"})),
            "odd": model(json!({"first_content": "2500ms", "total": "100s", "stream": "90s"})),
        },
    })
}

/// Returns a configuration, and its routes in a region.
fn rendered(region: &str) -> (Config, Value) {
    let document = document();
    let config = Config::parse(&document).unwrap();
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("demo.key"), "key").unwrap();
    let options = RenderOptions { base: base.path().into(), ..RenderOptions::default() };
    let files = render(&config, &document, &options).unwrap();
    let name = format!("routes-{region}.yaml");
    let file = files.into_iter().find(|file| file.path == name).unwrap();
    let mut routes: Value = serde_saphyr::from_str(&file.text).unwrap();
    (config, routes["resources"][0].take())
}

/// Returns the timeouts of all routes that match a ticket, in Envoy's order.
fn matching_routes<'r>(routes: &'r Value, ticket: &str) -> Vec<&'r Value> {
    let routes = routes["virtual_hosts"][0]["routes"].as_array().unwrap();
    let matches = |route: &&Value| {
        let matcher = &route["match"]["filter_state"][0];
        let pattern = matcher["string_match"]["contains"].as_str();
        matcher["key"] == "wasm.attache_ticket" && pattern.is_some_and(|own| ticket.contains(own))
    };
    routes.iter().filter(matches).map(|route| &route["route"]).collect()
}

/// Returns the cluster that Envoy's `prefix_match_map` chooses: the longest prefix counts.
fn chosen_cluster<'r>(routes: &'r Value, ticket: &str) -> Option<&'r str> {
    let tree = "/cluster_specifier_plugins/0/extension/typed_config/cluster_matcher/matcher_tree";
    let tree = routes.pointer(tree).unwrap();
    assert_eq!(tree["input"]["typed_config"]["key"], "wasm.attache_ticket");
    let map = tree["prefix_match_map"]["map"].as_object().unwrap();
    let fitting = map.iter().filter(|(prefix, _)| ticket.starts_with(prefix.as_str()));
    let (_, action) = fitting.max_by_key(|(prefix, _)| prefix.len())?;
    action["action"]["typed_config"]["cluster"].as_str()
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

#[test]
fn a_ticket_matches_the_route_of_its_lane_and_its_deadlines_only() {
    let (config, routes) = rendered("us");
    let mut profiles = config.deadline_profiles();
    profiles.dedup_by_key(|deadlines| deadlines.profile());
    assert!(profiles.len() >= 4, "{profiles:?}");
    for deadlines in profiles {
        let per_try = json!(seconds(deadlines.first_content));
        let answer = json!(seconds(deadlines.answer.min(deadlines.total)));
        let stream = json!(seconds(deadlines.stream.max(deadlines.total) + deadlines.idle));
        for (lane, timeout) in [(Lane::Answer, answer), (Lane::Stream, stream)] {
            let text = route_text(&ticket(lane, &deadlines, "openai-us"));
            let found = matching_routes(&routes, &text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0]["timeout"], timeout, "{text}");
            let is_stream = lane == Lane::Stream;
            let retries = is_stream.then_some(&per_try);
            assert_eq!(found[0].pointer("/retry_policy/per_try_timeout"), retries, "{text}");
        }
    }
}

#[test]
fn a_ticket_leads_to_the_cluster_of_its_attempt_only() {
    let deadlines = Deadlines::default();
    for (region, reachable, other) in
        [("us", "openai-us", "bedrock-eu"), ("eu", "bedrock-eu", "openai-us")]
    {
        let (_, routes) = rendered(region);
        for lane in [Lane::Answer, Lane::Stream] {
            let chosen = |cluster: &str| {
                let text = route_text(&ticket(lane, &deadlines, cluster));
                chosen_cluster(&routes, &text).map(str::to_owned)
            };
            let expected = match lane {
                Lane::Answer => format!("{reachable}-direct"),
                Lane::Stream => reachable.to_owned(),
            };
            assert_eq!(chosen(reachable), Some(expected));
            assert_eq!(chosen(other), None, "{region}");
            assert_eq!(chosen(&format!("{reachable}-2")), None);
        }
        let exhausted = ticket(Lane::Stream, &deadlines, EXHAUSTED_CLUSTER).to_text();
        assert_eq!(chosen_cluster(&routes, &exhausted), Some(EXHAUSTED_CLUSTER));
    }
}
