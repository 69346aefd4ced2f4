//! Played exchanges: who may ask, where a request goes, what Envoy's own replies come to, and that
//! there is one answer.

use std::{rc::Rc, time::Duration};

use attache::{
    attempt::ProviderClusters,
    chat::attempt_log::AttemptLog,
    config::Config,
    gateway::{
        Ejections, Exchange, Gateway, Input, Output, RequestHead, models, plan::PlanIndex,
        reply_source::ReplySource,
    },
    handoff::{response_facts::ResponseFacts, ticket::Ticket},
    http_call::CallResult,
    inlet::Inlet,
    metrics::Metrics,
    provider::{RecentConfigs, Start},
    region::Region::{Eu, Us},
    reply::Reply,
};
use serde_json::{Value, json};

use crate::{
    guard::{Numbers, gateway as guarded},
    limits,
};
use fastrand::Rng;
use testkit::play::{self, REQUEST_ID};

#[test]
fn who_asks_comes_before_what_is_asked() {
    let head = |account: Option<&str>| RequestHead {
        account: account.map(str::to_owned),
        content_type: Some("text/plain".to_owned()),
        end: true,
        ..play::client_head()
    };
    let in_json =
        |head: RequestHead| RequestHead { content_type: play::client_head().content_type, ..head };
    let cases = [
        (RequestHead { path: "/v1/nowhere".to_owned(), ..head(None) }, 404, "not_found"),
        (RequestHead { method: "PUT".to_owned(), ..head(None) }, 405, "method_not_allowed"),
        (head(None), 401, "invalid_api_key"),
        (head(Some("visitor")), 403, "model_not_allowed"),
        (head(Some("a stranger")), 403, "model_not_allowed"),
        (head(Some("acme")), 415, "unsupported_media_type"),
        (in_json(head(Some("acme"))), 400, "invalid_json"),
    ];
    for (head, status, code) in cases {
        let mut exchange = Exchange::new(play::gateway(Us), REQUEST_ID.to_owned());
        let output = exchange.on(Input::Head(head.clone()), play::sent);
        let Output::Reply(reply) = &output else { panic!("{head:?}: {output:?}") };
        let found = play::error(reply)["code"].as_str().map(str::to_owned);
        assert_eq!((reply.status, found.as_deref()), (status, Some(code)), "{head:?}");
        assert_eq!(exchange.on(Input::Body(b"{}".to_vec()), play::sent), Output::Wait, "{head:?}");
    }
}

#[test]
fn what_is_wrong_with_a_request_comes_before_where_it_may_go() {
    let body = json!({"model": "gpt-4.1", "model_region": "global", "prompt": "x", "n": 0,
        "fallbacks": [{"model": "stays-in-eu", "temperature": 9}]});
    let expected = [
        "n must be an integer from 1 to 128",
        "model_region global is not available in region eu",
        "model gpt-4.1 is not supported",
        "fallbacks[0]: temperature must be a number from 0 to 2",
    ];
    let output = play::exchange(&play::gateway(Eu), body.to_string().as_bytes());
    assert_eq!(play::errors(&output), expected);
}

#[test]
fn a_request_stays_in_its_region_unless_it_may_leave() {
    let us_only = "model gpt-5 is not supported";
    let forbidden = "model_region global is not available in region eu";
    let cases = [
        (Us, "gpt-4.1", false, Ok("openai-us")),
        (Us, "gpt-4.1", true, Ok("openai-global")),
        (Us, "gpt-5", true, Err("model gpt-5 cannot be used with model_region = 'global'")),
        (Us, "anywhere", true, Ok("openai-global")),
        (
            Us,
            "anywhere",
            false,
            Err("model anywhere can only be used with model_region = 'global'"),
        ),
        (Us, "stays-in-eu", false, Err("model stays-in-eu is not supported")),
        (Eu, "stays-in-eu", false, Ok("openai-eu")),
        (Eu, "STAYS-IN-EU", false, Ok("openai-eu")),
        (Eu, "gpt-5", false, Err(us_only)),
        (Eu, "anywhere", false, Err("model anywhere is not supported")),
        (Eu, "stays-in-eu", true, Err(forbidden)),
    ];
    for (region, model, global, expected) in cases {
        let mut body = json!({"model": model, "prompt": "Hi"});
        if global {
            body["model_region"] = json!("global");
        }
        match (play::exchange(&play::gateway(region), body.to_string().as_bytes()), expected) {
            (Output::Send { ticket, .. }, Ok(expected)) => {
                assert_eq!(ticket.target.cluster, expected);
            }
            (output, Err(expected)) => {
                assert_eq!(play::errors(&output), [expected], "{region:?} {body}");
            }
            (output, Ok(_)) => panic!("{region:?} {body}: {output:?}"),
        }
    }
}

#[test]
fn a_reply_of_envoy_says_what_happened_to_the_request() {
    let cases = [
        ("upstream_response_timeout", 504, Some((504, "timeout"))),
        ("upstream_max_stream_duration_reached", 408, Some((504, "timeout"))),
        ("no_healthy_upstream", 503, Some((502, "upstream_unreachable"))),
        ("upstream_reset_before_response_started{overflow}", 503, Some((503, "overloaded"))),
        (
            "upstream_reset_before_response_started{connection_termination}",
            503,
            Some((502, "upstream_unreachable")),
        ),
        (
            "upstream_reset_before_response_started{protocol_error}",
            502,
            Some((502, "upstream_error")),
        ),
        ("cluster_not_found", 503, Some((500, "misconfigured"))),
        ("failed_to_inject_credential", 401, Some((502, "provider_refused"))),
        ("request_payload_too_large", 413, None),
    ];
    for (details, status, expected) in cases {
        let mut exchange = Exchange::new(play::gateway(Us), REQUEST_ID.to_owned());
        exchange.on(Input::Head(play::client_head()), play::sent);
        let body = play::request(&json!({"fallback_config": {"retry": false}}));
        let forwarded = exchange.on(Input::Body(body), play::sent);
        assert!(play::is_sent(&forwarded), "{forwarded:?}");
        assert_eq!(exchange.model(), "gpt-4.1");
        let source = ReplySource::Envoy { details: details.to_owned(), ticket: None };
        let output = exchange.on(Input::Response { status, source }, play::answered);
        match (output, expected) {
            (Output::Pass, None) => {}
            (Output::Reply(reply), Some((status, code))) => {
                let found = play::error(&reply)["code"].as_str().map(str::to_owned);
                assert_eq!((reply.status, found.as_deref()), (status, Some(code)), "{details}");
                let attempts = ("x-attache-attempts", format!("gpt-4.1={status}/1250ms"));
                for header in [("x-attache-region", "us".to_owned()), attempts] {
                    assert!(reply.headers.contains(&header), "{details}: {header:?}");
                }
            }
            (output, _) => panic!("{details}: {output:?}"),
        }
    }
}

/// A reply of the provider role in the place of a response.
struct LocalReply(Reply);

impl ResponseFacts for LocalReply {
    fn details(&self) -> String {
        String::new()
    }

    fn header(&self, name: &str) -> Option<String> {
        let Reply { status, headers, .. } = &self.0;
        let found = headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
        found.or_else(|| (name == ":status").then(|| status.to_string()))
    }

    fn filter_state(&self, _name: &str) -> Option<String> {
        None
    }

    fn upstream_address(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn a_request_that_the_provider_role_refuses_is_counted_once() {
    let gateway = play::gateway(Us);
    let body = play::request(&json!({"stream": true}));
    let forwarded = || play::ticket(play::exchange(&gateway, &body));
    let elsewhere = Ticket { gateway_region: Eu, ..forwarded() };
    let mut unknown = forwarded();
    unknown.target.cluster = "gone-us".to_owned();
    let clusters = Rc::new(ProviderClusters::new(&gateway.config, &gateway.store));
    for ticket in [elsewhere, unknown] {
        let (text, host) = (ticket.to_text(), Numbers::default());
        let (metrics, recent) = (Metrics::new(host.clone()), RecentConfigs::default());
        let start = Start::new(&clusters, &recent, Some(&text), &body, &metrics, play::sent);
        let Start::Refuse(reply) = start else { panic!("{start:?}") };
        assert_eq!(play::error(&reply)["code"], "misconfigured");
        let mut exchange = Exchange::new(Rc::clone(&gateway), REQUEST_ID.to_owned());
        exchange.on(Input::Head(play::client_head()), play::sent);
        exchange.on(Input::Body(body.clone()), play::sent);
        let input = exchange.read_response(&LocalReply(reply), play::answered);
        assert_eq!(exchange.on(input, play::answered), Output::Pass);
        exchange.count_events(&metrics);
        exchange.record_pass(&metrics, play::answered);
        let counted = host.0.borrow().clone();
        let counters = counted.iter().filter(|(name, _)| name.starts_with("attache_"));
        let expected = [
            ("attache_requests_region_=_us_=_model_=_gpt-4.1_=_status_=_500_=".to_owned(), 1),
            ("attache_errors_reason_=_misconfigured_=".to_owned(), 1),
        ];
        assert_eq!(counters.cloned().collect::<Vec<_>>(), expected, "{text}");
    }
}

#[test]
fn an_answer_of_the_provider_passes_whatever_its_status() {
    for status in [200, 400, 429, 502, 0] {
        let mut exchange = Exchange::new(play::gateway(Us), REQUEST_ID.to_owned());
        exchange.on(Input::Head(play::client_head()), play::sent);
        exchange.on(Input::Body(play::request(&json!({"stream": true}))), play::sent);
        let input = Input::Response { status, source: ReplySource::Provider };
        let output = exchange.on(input, play::answered);
        let passes = matches!(output, Output::Pass | Output::Stream(_));
        assert!(passes, "{status}: {output:?}");
    }
}

#[test]
fn a_provider_whose_answers_make_no_sense_is_left_alone_after_a_while() {
    let gateway = play::gateway(Us);
    let ask = |parameters: Value| {
        let mut exchange = Exchange::new(Rc::clone(&gateway), REQUEST_ID.to_owned());
        exchange.on(Input::Head(play::client_head()), play::sent);
        let output = exchange.on(Input::Body(play::request(&parameters)), play::sent);
        (exchange, output)
    };
    let once = || json!({"fallback_config": {"retry": false}});
    for _ in 0..10 {
        let (mut exchange, output) = ask(once());
        assert!(play::is_sent(&output), "{output:?}");
        let output = play::respond(&mut exchange, 200, b"{\"error\":{}}", play::sent());
        assert!(matches!(&output, Output::Reply(reply) if reply.status == 502), "{output:?}");
    }
    let (_, output) = ask(once());
    let Output::Reply(reply) = output else { panic!("{output:?}") };
    assert_eq!(play::error(&reply)["code"], "upstream_unreachable");
    let (_, output) = ask(json!({"fallbacks": [{"model": "kimi-k2.5"}]}));
    assert_eq!(play::ticket(output).target.model, "kimi-k2.5");
}

/// Returns an input that may come at any time.
fn any_input(random: &mut Rng) -> Input {
    let good = play::request(&json!({}));
    let bodies: [&[u8]; 4] = [&good, b"{}", b"", b"\xff"];
    let paths = ["/v1/chat/completions", "/v1/models", "/healthz", "/x"];
    let accounts = [Some("acme"), Some("acme"), Some("visitor"), None];
    match random.usize(..10) {
        0 | 1 => Input::Head(RequestHead {
            path: (*random.choice(&paths).unwrap()).to_owned(),
            account: random.choice(&accounts).unwrap().map(str::to_owned),
            end: random.usize(..8) == 0,
            ..play::client_head()
        }),
        2 => Input::Body(bodies[random.usize(..bodies.len())].to_vec()),
        3 if random.usize(..4) == 0 => Input::Trailers,
        3 => Input::Body(good.clone()),
        4 => random.choice([Input::RetryDue, Input::HedgeDue]).unwrap(),
        5 => {
            let index = PlanIndex::new(random.usize(..4));
            Input::CallEnded { index, result: CallResult::Broken }
        }
        6 => Input::AnswerHead(play::head(&json!({"status": 503}))),
        7 => Input::AnswerPiece { bytes: b"{}".to_vec(), end: random.bool() },
        8 => Input::GuardDecided(play::called(200, br#"{"action": "admit"}"#)),
        _ => {
            let details = "no_healthy_upstream".to_owned();
            let envoy = ReplySource::Envoy { details, ticket: None };
            let source = random.choice([ReplySource::Provider, envoy]).unwrap();
            Input::Response { status: 503, source }
        }
    }
}

#[test]
fn there_is_one_answer_whatever_comes_in_whatever_order() {
    let mut random = Rng::with_seed(1);
    let gateways = [play::gateway(Us), guarded(json!({}))];
    for round in 0..8_000 {
        let gateway = &gateways[round % 2];
        let fresh = Gateway { ejections: Ejections::default(), ..(**gateway).clone() };
        let mut exchange = Exchange::new(Rc::new(fresh), REQUEST_ID.to_owned());
        let (mut forwarded, mut answered, mut story) = (false, false, Vec::new());
        for _ in 0..random.usize(..12) {
            let input = any_input(&mut random);
            let is_answer = matches!(input, Input::Response { .. });
            story.push(format!("{input:?}"));
            let output = exchange.on(input, play::sent);
            story.push(format!("{output:?}"));
            match output {
                // What failed is held while something else is under way.
                Output::FetchTranscript(fetch) => panic!("nothing was to be fetched: {fetch:?}"),
                Output::Wait => assert!(!is_answer || forwarded, "round {round}: {story:#?}"),
                Output::Send { .. } | Output::Forward { .. } => {
                    assert!(!forwarded && !answered, "round {round}: {story:#?}");
                    forwarded = true;
                }
                Output::Reply(_) => {
                    assert!(!answered, "round {round}: {story:#?}");
                    answered = true;
                }
                Output::AskGuard(_) => {
                    assert!(round % 2 == 1 && !answered, "round {round}: {story:#?}");
                }
                Output::AskRateLimit { .. } => panic!("there is no service to ask: {story:#?}"),
                Output::RetryAt(_) | Output::Call { .. } => {
                    assert!(forwarded && !answered, "round {round}: {story:#?}");
                }
                // The gateway's own reply passes here too, on its way out.
                Output::Pass | Output::Stream { .. } => {
                    assert!(is_answer, "round {round}: {story:#?}");
                    answered = true;
                }
            }
        }
    }
}

/// Returns a gateway whose streams have these times to their first content and to their end, and an
/// exchange of it that waits for a stream.
fn waiting_for_a_stream(total: Duration, stream: Duration) -> (Exchange, Output) {
    let gateway = play::gateway(Us);
    let mut config = (*gateway.config).clone();
    for model in config.models.values_mut() {
        (model.deadlines.total, model.deadlines.stream) = (total, stream);
    }
    let gateway = Rc::new(Gateway { config: Rc::new(config), ..(*gateway).clone() });
    let mut exchange = Exchange::new(gateway, REQUEST_ID.to_owned());
    exchange.on(Input::Head(play::client_head()), play::sent);
    let output = exchange.on(Input::Body(play::request(&json!({"stream": true}))), play::sent);
    (exchange, output)
}

#[test]
fn a_stream_without_content_ends_at_the_total_deadline() {
    let total = Duration::from_secs(30);
    let (mut exchange, output) = waiting_for_a_stream(total, total);
    let Output::Forward { ticket, deadline, .. } = output else { panic!("{output:?}") };
    assert_eq!(deadline, Some(total));
    // The first attempt has failed, and its retry is under way.
    let attempt_log = AttemptLog::default().with_attempt("gpt-4.1", 503, Duration::from_secs(9));
    let ticket = Ticket { rest: Vec::new(), attempt_log, ..ticket };
    let passed = Input::DeadlinePassed(Some(Box::new(ticket)));
    let output = exchange.on(passed, || play::sent().plus(total));
    let Output::Reply(reply) = output else { panic!("{output:?}") };
    assert_eq!((reply.status, &play::error(&reply)["code"]), (504, &json!("timeout")));
    let header = reply.headers.iter().find(|(name, _)| *name == "x-attache-attempts");
    assert_eq!(header.unwrap().1, "gpt-4.1=503/9000ms gpt-4.1=504/30000ms");
}

#[test]
fn a_model_for_which_no_time_is_left_is_neither_asked_nor_charged() {
    let gateway = play::gateway(Us);
    let mut request = limits::with_fallback(false);
    request["max_timeout"] = json!(10);
    let (mut exchange, _) = limits::ask(&gateway, &request, 0);
    let output = play::respond(&mut exchange, 503, b"{}", limits::later(1));
    let Output::Call { index, timeout, .. } = output else { panic!("{output:?}") };
    assert_eq!(timeout, Duration::from_millis(9_999));
    let timed_out = Input::CallEnded { index, result: play::called_by_envoy(504) };
    let reply = limits::reply(exchange.on(timed_out, || limits::later(10_000)));
    assert_eq!((reply.status, reply.reason.as_deref()), (504, Some("timeout")));
    let listed = &play::error(&reply)["metadata"]["attempts"];
    let models: Vec<_> = listed.as_array().unwrap().iter().map(|own| &own["model"]).collect();
    assert_eq!(models, ["gpt-4.1", "qwen3-32B"]);
    assert!(gateway.store.get("requests/frugal/kimi-k2.5").is_none());
}

#[test]
fn a_stream_that_has_begun_has_a_deadline_of_its_own() {
    let (total, stream) = (Duration::from_secs(600), Duration::from_secs(900));
    let (mut exchange, output) = waiting_for_a_stream(total, stream);
    // The attempts are given up before the deadline without help.
    assert!(matches!(output, Output::Forward { deadline: None, .. }), "{output:?}");
    let response = Input::Response { status: 200, source: ReplySource::Provider };
    let output = exchange.on(response, play::answered);
    let Output::Stream(limits) = output else { panic!("{output:?}") };
    assert_eq!((limits.deadline.limit, limits.deadline.due), (stream, play::sent().plus(stream)));
    let event = String::from_utf8(limits.deadline.event()).unwrap();
    let event = event.strip_prefix("data: ").and_then(|event| event.strip_suffix("\n\n")).unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!((&event["code"], &event["request_id"]), (&json!(504), &json!(REQUEST_ID)));
    assert_eq!(exchange.on(Input::DeadlinePassed(None), play::answered), Output::Wait);
}

#[test]
fn each_region_lists_the_models_it_reaches() {
    for (region, first, count) in [(Us, "anywhere", 29), (Eu, "stays-in-eu", 1)] {
        let mut exchange = Exchange::new(play::gateway(region), REQUEST_ID.to_owned());
        let head = RequestHead {
            method: "GET".to_owned(),
            path: "/v1/models".to_owned(),
            account: None,
            end: true,
            ..play::client_head()
        };
        let output = exchange.on(Input::Head(head), play::sent);
        let Output::Reply(reply) = output else { panic!("{output:?}") };
        let list: Value = serde_json::from_slice(&reply.body).unwrap();
        let data = list["data"].as_array().unwrap();
        assert_eq!((data.len(), data[0]["id"].as_str()), (count, Some(first)), "{list}");
        for model in data {
            let reached = model["available_regions"].as_array().unwrap();
            let may = |name: &Value| name == region.name() || (region == Us && name == "global");
            assert!(!reached.is_empty() && reached.iter().all(may), "{model}");
        }
    }
}

#[test]
fn a_listed_model_has_what_its_entry_says() {
    let listed = |fields: &Value| {
        let mut document: Value =
            serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
        let entry = document["models"]["gpt-4.1"].as_object_mut().unwrap();
        entry.extend(fields.as_object().unwrap().clone());
        let config = Rc::new(Config::parse(&document).unwrap());
        let gateway = Gateway { config, ..(*play::gateway(Us)).clone() };
        let list: Value = serde_json::from_slice(&models::list(&gateway, Inlet::Chat)).unwrap();
        let data = list["data"].as_array().unwrap().iter();
        data.clone().find(|model| model["id"] == "gpt-4.1").unwrap().clone()
    };
    let model = listed(&json!({"creator": "Maker", "description": "For tests."}));
    assert_eq!((&model["creator"], &model["description"]), (&json!("Maker"), &json!("For tests.")));
    let price = |input: f64| json!({"input": input, "output": 8, "cached_input": 0.5});
    let shown = |input: f64| {
        let global = json!({
            "prompt": input, "completions": 8.0, "input_cache_read": 0.5, "input_cache_write": input,
        });
        json!({"global": global})
    };
    let unknown = json!({"global": {"prompt": 0, "completions": 0}, "known": false});
    for (fields, pricing) in [
        (json!({"price": null, "list_price": null}), unknown),
        (json!({"price": null, "list_price": price(2.25)}), shown(2.25)),
        (json!({"price": price(1.5), "list_price": price(2.25)}), shown(1.5)),
    ] {
        assert_eq!(listed(&fields)["pricing"], pricing, "{fields}");
    }
    for (date, seconds) in [(json!("2027-06-30"), 1_814_313_600), (json!(null), 0)] {
        assert_eq!(listed(&json!({"retirement_date": date}))["retirement_date"], seconds);
    }
}

#[test]
fn one_model_is_what_the_list_has_of_it() {
    let read = |region, path: &str| {
        let mut exchange = Exchange::new(play::gateway(region), REQUEST_ID.to_owned());
        let head = RequestHead {
            method: "GET".to_owned(),
            path: path.to_owned(),
            account: None,
            end: true,
            ..play::client_head()
        };
        let output = exchange.on(Input::Head(head), play::sent);
        let Output::Reply(reply) = output else { panic!("{output:?}") };
        (reply.status, serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let (_, list) = read(Us, "/v1/models");
    for model in list["data"].as_array().unwrap() {
        let path = format!("/v1/models/{}", model["id"].as_str().unwrap().to_uppercase());
        assert_eq!(read(Us, &path), (200, model.clone()));
        for (key, kind) in [
            ("description", "s"),
            ("creator", "s"),
            ("retirement_date", "0"),
            ("default_parameters", "{"),
            ("top_provider", "{"),
            ("pricing", "{"),
            ("default_provider", "{"),
            ("providers", "["),
        ] {
            let value = &model[key];
            let is_right = match kind {
                "s" => value.as_str().is_some_and(|text| !text.is_empty()),
                "0" => value.is_u64(),
                "{" => value.is_object(),
                _ => value.as_array().is_some_and(|list| !list.is_empty()),
            };
            assert!(is_right, "{key} of {model}");
        }
    }
    for (region, name) in [(Us, "nobody"), (Us, "stays-in-eu"), (Eu, "gpt-4.1"), (Us, "a%2Fb")] {
        let (status, body) = read(region, &format!("/v1/models/{name}"));
        let told = (status, body["error"]["code"].as_str());
        assert_eq!(told, (404, Some("model_not_found")), "{name}");
    }
    assert_eq!(read(Us, "/v1/understanding").1["error"]["code"], "not_found");
}

#[test]
fn trailers_are_refused_while_the_body_is_awaited_and_ignored_after() {
    let mut exchange = Exchange::new(play::gateway(Us), REQUEST_ID.to_owned());
    exchange.on(Input::Head(play::client_head()), play::sent);
    let output = exchange.on(Input::Trailers, play::sent);
    assert!(matches!(output, Output::Reply(reply) if reply.status == 400));
    assert_eq!(exchange.on(Input::Trailers, play::sent), Output::Wait);
    assert_eq!(exchange.model(), "none");
}
