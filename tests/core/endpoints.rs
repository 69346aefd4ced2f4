//! Played exchanges for models with several endpoints: the shares of the load, stickiness, failover
//! from one endpoint to another in both lanes, and endpoints that are passed over.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use attache::{
    attempt::{Attempt, Step},
    config::Config,
    endpoint_choice::cool_downs,
    failover::AttemptReason,
    gateway::{Exchange, Gateway, Input, Output, RequestHead},
    handoff::ticket::Ticket,
    quota::SharedStore,
    region::Region::Us,
    time::Timestamp,
};
use serde_json::{Value, json};

use testkit::play::{self, REQUEST_ID, ticket};

/// Returns gateways of as many workers, which share one store, with these endpoints of the model `m`.
fn workers(count: usize, endpoints: &Value, more: &Value) -> Vec<Rc<Gateway>> {
    let url = |name: &str| json!({"us": format!("https://{name}.example/v1")});
    let provider = |name: &str| json!({"api_schema": "openai", "base_url": url(name)});
    let mut model = json!({"name": "M", "context_length": 9000, "max_output_tokens": 900,
        "supported_parameters": ["n", "tools"], "regions": {"us": endpoints}});
    model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let only = json!({"name": "N", "context_length": 9000, "max_output_tokens": 900,
        "regions": {"us": {"provider": "d", "upstream_model": "n"}}});
    let mut pool = provider("pool");
    pool["key_files"] = json!(["one.key", "two.key"]);
    let document = json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"paid": {"requests_per_minute": "unlimited"}},
        "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"],
            "models": {"m": {"requests_per_minute": 1_000_000}}},
            "once": {"plan": "paid", "key_files": ["once.key"],
                "models": {"m": {"requests_per_minute": 1}}}},
        "providers": {"a": provider("a"), "b": provider("b"), "c": provider("c"), "d": provider("d"),
            "claude": {"api_schema": "anthropic", "base_url": url("claude")}, "pool": pool},
        "models": {"m": model, "n": only},
    });
    let config = Config::parse(&document).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let (config, store) = (Rc::new(config), Rc::new(play::Table::default()));
    let gateway = |_| {
        let store: Rc<dyn SharedStore> = store.clone();
        Rc::new(Gateway::new(Rc::clone(&config), Us, store))
    };
    (0..count).map(gateway).collect()
}

fn endpoint(provider: &str) -> Value {
    json!({"provider": provider, "upstream_model": "m"})
}

fn weighted(provider: &str, weight: u32) -> Value {
    json!({"provider": provider, "upstream_model": "m", "weight": weight})
}

fn at(millis: u64) -> Timestamp {
    play::sent().plus(Duration::from_millis(millis))
}

/// Begins an exchange of an account.
fn begin(gateway: &Rc<Gateway>, account: &str, body: &Value, now: Timestamp) -> (Exchange, Output) {
    let mut exchange = Exchange::new(Rc::clone(gateway), REQUEST_ID.to_owned());
    let head = RequestHead { account: Some(account.to_owned()), ..play::client_head() };
    exchange.on(Input::Head(head), || now);
    let output = exchange.on(Input::Body(body.to_string().into_bytes()), || now);
    (exchange, output)
}

/// Returns the cluster of the first attempt for a request.
fn cluster(gateway: &Rc<Gateway>, body: &Value, now: Timestamp) -> String {
    ticket(begin(gateway, "acme", body, now).1).target.cluster
}

fn request() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
}

/// Returns the clusters that the plan of a stream names, each attempt after the other.
fn planned(gateway: &Rc<Gateway>, parameters: &Value) -> Vec<String> {
    let mut body = request();
    body.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    body["stream"] = json!(true);
    let Ticket { target, rest, .. } = ticket(begin(gateway, "acme", &body, at(0)).1);
    [target].into_iter().chain(rest).map(|target| target.cluster).collect()
}

#[test]
fn requests_are_shared_by_weight_exactly_whichever_workers_take_them() {
    let cases = [
        (json!([weighted("a", 80), weighted("b", 20)]), vec![("a-us", 8000), ("b-us", 2000)]),
        (
            json!([endpoint("a"), endpoint("b"), endpoint("c")]),
            vec![("a-us", 3333), ("b-us", 3333), ("c-us", 3333)],
        ),
        (
            json!([weighted("pool", 60), weighted("b", 39), weighted("c", 1)]),
            vec![("b-us", 3900), ("c-us", 100), ("pool-us", 3000), ("pool-us-key2", 3000)],
        ),
        (json!([weighted("a", 0), weighted("b", 1)]), vec![("b-us", 10_000)]),
        (
            json!([{"provider": "a", "upstream_model": "m", "priority": 1}, weighted("b", 1),
                weighted("c", 3)]),
            vec![("b-us", 2500), ("c-us", 7500)],
        ),
        (endpoint("pool"), vec![("pool-us", 5000), ("pool-us-key2", 5000)]),
    ];
    for (endpoints, expected) in cases {
        // Of three workers, the second takes every other request.
        for turns in [vec![0], vec![0, 1, 2, 1], vec![0, 1, 2, 3, 4, 5, 6, 7]] {
            let gateways = workers(turns.len(), &endpoints, &json!({}));
            let mut shares = BTreeMap::new();
            for turn in 0..10_000 {
                let gateway = &gateways[turns[turn % turns.len()]];
                *shares.entry(cluster(gateway, &request(), at(0))).or_insert(0_i32) += 1;
            }
            assert_eq!(shares.len(), expected.len(), "{shares:?}");
            for (cluster, share) in &expected {
                let found = shares[*cluster];
                assert!((found - share).abs() <= 100, "{endpoints}: {found} {shares:?}");
            }
        }
    }
}

#[test]
fn the_load_of_an_endpoint_that_fails_goes_to_the_others_by_weight() {
    let endpoints = json!([weighted("a", 2), weighted("b", 3), endpoint("c")]);
    let gateway = &workers(1, &endpoints, &json!({}))[0];
    let mut shares = BTreeMap::new();
    for _ in 0..6000 {
        let plan = planned(gateway, &json!({}));
        if plan[0] == "a-us" {
            *shares.entry(plan[1].clone()).or_insert(0_i32) += 1;
        }
    }
    assert!(
        (shares["b-us"] - 1500).abs() < 100 && (shares["c-us"] - 500).abs() < 100,
        "{shares:?}"
    );
}

#[test]
fn models_and_fallbacks_take_turns_of_their_own() {
    let gateway = &workers(1, &json!([endpoint("a"), endpoint("b")]), &json!({}))[0];
    let mut body = request();
    body["model"] = json!("n");
    body["fallbacks"] = json!([{"model": "m"}]);
    let mut shares = BTreeMap::new();
    for _ in 0..1000 {
        *shares.entry(cluster(gateway, &request(), at(0))).or_insert(0_i32) += 1;
        assert_eq!(cluster(gateway, &body, at(0)), "d-us");
    }
    assert!((shares["a-us"] - 500).abs() <= 10, "{shares:?}");
}

#[test]
fn an_account_stays_at_its_endpoint_and_only_the_share_of_one_that_is_passed_over_moves() {
    let endpoints = json!([weighted("a", 2), endpoint("b"), endpoint("c")]);
    let gateways = workers(2, &endpoints, &json!({"hash_on": "account"}));
    let config = &gateways[0].config;
    let of = |gateway: &Rc<Gateway>, account: &str, now| {
        let mut config = (**config).clone();
        let own = config.accounts["acme"].clone();
        config.accounts.insert(account.to_owned(), own);
        let config = Rc::new(config);
        let gateway = Rc::new(Gateway { config, ..(**gateway).clone() });
        ticket(begin(&gateway, account, &request(), now).1).target.cluster
    };
    let accounts: Vec<String> = (0..400).map(|number| format!("account-{number}")).collect();
    let before: Vec<String> = accounts.iter().map(|own| of(&gateways[0], own, at(0))).collect();
    let again: Vec<String> = accounts.iter().map(|own| of(&gateways[1], own, at(0))).collect();
    assert_eq!(before, again);
    let share = |cluster: &str| before.iter().filter(|own| *own == cluster).count();
    assert!((150..250).contains(&share("a-us")), "{}", share("a-us"));
    assert!((60..140).contains(&share("b-us")), "{}", share("b-us"));
    pass_over(&gateways[0], "b-us");
    for (account, before) in accounts.iter().zip(&before) {
        let now = of(&gateways[1], account, at(1000));
        assert_eq!(now != *before, before == "b-us", "{account}: {before} {now}");
    }
}

/// Passes over the endpoint of a cluster for half a minute.
fn pass_over(gateway: &Rc<Gateway>, cluster: &str) {
    let endpoints = gateway.config.models["m"].endpoints_in(Us);
    let endpoint = endpoints.iter().find(|own| own.cluster(Us) == cluster).unwrap();
    cool_downs::begin(&*gateway.store, endpoint, Us, Duration::from_secs(30), at(0));
}

#[test]
fn a_cool_down_is_not_shortened() {
    let endpoints = json!([weighted("a", 9), weighted("b", 1)]);
    let gateway = &workers(1, &endpoints, &json!({}))[0];
    let endpoint = &gateway.config.models["m"].endpoints_in(Us)[0];
    let store = &*gateway.store;
    let ends = |seconds| {
        cool_downs::begin(store, endpoint, Us, Duration::from_secs(seconds), at(0));
        cool_downs::end(store, endpoint, Us, at(0))
    };
    let until = |seconds: u64| Some(at(seconds * 1000));
    assert_eq!([30, 10, 40].map(ends), [until(30), until(30), until(40)]);
}

#[test]
fn endpoints_that_differ_in_their_api_share_sticky_requests() {
    let own = |schema: &str| json!({"provider": "a", "upstream_model": "m", "api_schema": schema});
    let endpoints = json!([own("openai"), own("openai-responses")]);
    let gateway = &workers(1, &endpoints, &json!({"hash_on": "prompt"}))[0];
    let schema = |number: usize| {
        let body = conversation("Be brief.", &[&format!("Question {number}?")]);
        let Output::Send { request, .. } = begin(gateway, "acme", &body, at(0)).1 else { panic!() };
        request.path
    };
    let paths: BTreeSet<String> = (0..50).map(schema).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
}

/// Returns the turn of a conversation in which the user has asked these questions. Clients of Claude
/// mark the last message for the cache, and write its content as parts for that.
fn conversation(system: &str, questions: &[&str]) -> Value {
    let mut messages = vec![json!({"role": "system", "content": system})];
    for (number, question) in questions.iter().enumerate() {
        let is_last = number + 1 == questions.len();
        let part =
            json!({"type": "text", "text": question, "cache_control": {"type": "ephemeral"}});
        let content = if is_last { json!([part]) } else { json!(question) };
        messages.push(json!({"role": "user", "content": content}));
        if !is_last {
            messages.push(json!({"role": "assistant", "content": "Yes."}));
        }
    }
    json!({"model": "m", "messages": messages})
}

#[test]
fn every_turn_of_a_conversation_goes_to_the_endpoint_of_the_first() {
    let endpoints = json!([endpoint("a"), endpoint("b"), endpoint("pool")]);
    let gateways = workers(2, &endpoints, &json!({"hash_on": "prompt"}));
    let mut shares = BTreeMap::new();
    for number in 0..200 {
        let first = format!("Question {number}?");
        let turns = [&first, "And now?", "Why?"];
        let found = |turns: &[&str]| {
            let body = conversation("Be brief.", turns);
            cluster(&gateways[turns.len() % 2], &body, at(0))
        };
        let expected = found(&turns[..1]);
        for count in 2..=3 {
            assert_eq!(found(&turns[..count]), expected, "{first}");
        }
        *shares.entry(expected).or_insert(0) += 1;
    }
    assert!(shares.len() == 4 && shares.values().all(|share| *share > 15), "{shares:?}");
    let tools = |name: &str| {
        let mut body = conversation("Be brief.", &["Hi"]);
        body["tools"] = json!([{"type": "function", "function": {"name": name}}]);
        cluster(&gateways[0], &body, at(0))
    };
    let by_tools: Vec<String> = (0..20).map(|number| tools(&format!("tool-{number}"))).collect();
    assert!(by_tools.iter().any(|other| *other != by_tools[0]), "{by_tools:?}");
}

#[test]
fn a_plan_lists_siblings_before_a_retry_and_fallbacks_after_both() {
    let many = json!([weighted("a", 1000), weighted("b", 0), weighted("c", 0), weighted("d", 0)]);
    let two = json!([weighted("a", 1), weighted("b", 0)]);
    let mixed = json!([weighted("a", 1), weighted("claude", 0)]);
    let fallback = json!([{"model": "n"}]);
    let cases = [
        (&two, json!({}), "a-us b-us b-us"),
        (&two, json!({"fallback_config": {"retry": false}}), "a-us b-us"),
        (&two, json!({"fallbacks": fallback}), "a-us b-us b-us d-us"),
        (&two, json!({"fallbacks": fallback, "fail_fast": true}), "a-us"),
        (&many, json!({"fallbacks": fallback}), "a-us b-us c-us d-us"),
        (&two, json!({"model": "n", "fallbacks": [{"model": "m"}]}), "d-us d-us a-us b-us"),
        (
            &two,
            json!({"model": "n", "fallbacks": [{"model": "m"}, {"model": "n"}],
                "fallback_config": {"depth": 2, "retry": false}}),
            "d-us a-us b-us d-us",
        ),
        // A request goes only to endpoints whose API has what it asks for.
        (&mixed, json!({}), "a-us claude-us claude-us"),
        (&mixed, json!({"n": 2}), "a-us a-us"),
    ];
    for (endpoints, parameters, expected) in cases {
        let gateway = &workers(1, endpoints, &json!({}))[0];
        assert_eq!(planned(gateway, &parameters).join(" "), expected, "{endpoints} {parameters}");
    }
    let first_refuses = json!([weighted("claude", 1), weighted("a", 0)]);
    let gateway = &workers(1, &first_refuses, &json!({}))[0];
    assert_eq!(planned(gateway, &json!({"n": 2})), ["a-us", "a-us"]);
    assert_eq!(planned(gateway, &json!({"stream": true})), ["claude-us", "a-us", "a-us"]);
    let only_claude = json!([weighted("claude", 1)]);
    let gateway = &workers(1, &only_claude, &json!({}))[0];
    let refused = begin(gateway, "acme", &json!({"model": "m", "prompt": "x", "n": 2}), at(0)).1;
    assert_eq!(play::errors(&refused).len(), 1, "{refused:?}");
}

/// Returns the cluster of the attempt that an output makes.
fn asked(output: &Output) -> &str {
    match output {
        Output::Send { ticket, .. } | Output::Call { ticket, .. } => &ticket.target.cluster,
        other => panic!("no attempt: {other:?}"),
    }
}

/// Gives an attempt of the answer lane an error of its provider, and returns what follows.
pub fn fail(exchange: &mut Exchange, output: Output, status: u16, now: Timestamp) -> Output {
    match output {
        Output::Call { index, .. } => {
            let result = play::called(status, b"{}");
            exchange.on(Input::CallEnded { index, result }, || now)
        }
        _ => play::respond(exchange, status, b"{}", now),
    }
}

#[test]
fn in_the_answer_lane_a_sibling_is_called_at_once_and_the_same_endpoint_after_a_pause() {
    let mut body = request();
    body["fallbacks"] = json!([{"model": "n"}]);
    for (status, shown) in [(503, 503), (429, 429), (401, 502), (404, 502)] {
        let gateway = &workers(1, &json!([weighted("a", 1), weighted("b", 0)]), &json!({}))[0];
        let (mut exchange, output) = begin(gateway, "acme", &body, at(0));
        let output = fail(&mut exchange, output, status, at(20));
        assert_eq!(asked(&output), "b-us", "{status}");
        let Output::Call { reason: AttemptReason::Retry, .. } = output else {
            panic!("{output:?}")
        };
        let output = fail(&mut exchange, output, 503, at(40));
        assert_eq!(output, Output::RetryAt(at(540)), "{status}");
        let output = exchange.on(Input::RetryDue, || at(540));
        assert_eq!(asked(&output), "b-us", "{status}");
        let output = fail(&mut exchange, output, 503, at(560));
        assert_eq!(asked(&output), "d-us", "{status}");
        let Output::Reply(reply) = fail(&mut exchange, output, 503, at(580)) else { panic!() };
        let made = format!("m@a={shown}/20ms m@b=503/20ms m@b=503/20ms n=503/20ms");
        assert!(reply.headers.contains(&("x-attache-attempts", made)), "{:?}", reply.headers);
        let attempts = &play::error(&reply)["metadata"]["attempts"];
        let shown = |index: usize| [&attempts[index]["model"], &attempts[index]["endpoint"]];
        assert_eq!([shown(0), shown(3)], [[&json!("m"), &json!("a")], [&json!("n"), &Value::Null]]);
    }
}

/// Returns the next ticket of the stream lane after an error of the provider.
fn yielded(gateway: &Rc<Gateway>, ticket: &Ticket, body: &Value, status: u16, now: u64) -> Ticket {
    let cluster = play::site(gateway, &ticket.target.cluster);
    let body = body.to_string();
    let ticket = Ticket::parse(&ticket.to_text()).unwrap();
    let (mut attempt, _) = Attempt::new(&cluster, ticket, body.as_bytes(), at(now)).unwrap();
    attempt.head(play::head(&json!({"status": status})));
    match attempt.body(b"{}", true, || at(now + 20)) {
        Step::Yield(_, ticket) => *ticket,
        other => panic!("no other attempt: {other:?}"),
    }
}

#[test]
fn in_the_stream_lane_the_ticket_names_the_endpoint_and_only_a_retry_at_the_same_waits() {
    // Two endpoints have the same cluster, and other models there.
    let own = |model: &str, weight: u32| json!({"provider": "a", "upstream_model": model, "weight": weight});
    let endpoints = json!([own("old", 5), own("new", 0), weighted("pool", 0)]);
    let gateway = &workers(1, &endpoints, &json!({}))[0];
    let mut body = request();
    body["stream"] = json!(true);
    for status in [503, 429] {
        let first = ticket(begin(gateway, "acme", &body, at(0)).1);
        let second = yielded(gateway, &first, &body, status, 0);
        let third = yielded(gateway, &second, &body, status, 20);
        let due = [&first, &second, &third].map(|ticket| ticket.due);
        assert_eq!(due, [None; 3], "{status}");
        let found = [&second, &third].map(|ticket| ticket.target.cluster.as_str());
        // After 429, the endpoint is passed over, and the pool has its turn.
        assert_eq!(found, ["a-us", "pool-us"], "{status}");
        // The sibling's account was admitted with the first.
        assert_eq!(second.limit_status, first.limit_status, "{status}");
        let made = third.attempt_log.to_string();
        assert_eq!(made, format!("m@a/old={status}/20ms m@a/new={status}/20ms"));
        let sent = |ticket: &Ticket| {
            let cluster = play::site(gateway, &ticket.target.cluster);
            let body = body.to_string();
            Attempt::new(&cluster, ticket.clone(), body.as_bytes(), at(0)).unwrap().1.body
        };
        let model =
            |ticket| serde_json::from_slice::<Value>(&sent(ticket)).unwrap()["model"].clone();
        assert_eq!([model(&first), model(&second), model(&third)], ["old", "new", "m"]);
    }
}

#[test]
fn a_sibling_needs_no_admission_and_a_model_above_its_limit_is_asked_at_no_endpoint() {
    for stream in [false, true] {
        let gateway = &workers(1, &json!([weighted("a", 1), weighted("b", 0)]), &json!({}))[0];
        let mut body = request();
        body["stream"] = json!(stream);
        // The one request that the account `once` has a minute.
        let (mut exchange, output) = begin(gateway, "once", &body, at(0));
        if stream {
            let next = yielded(gateway, &ticket(output), &body, 429, 0);
            assert_eq!(next.target.cluster, "b-us");
        } else {
            let output = fail(&mut exchange, output, 429, at(20));
            assert_eq!(asked(&output), "b-us");
        }
        (body["model"], body["fallbacks"]) = (json!("n"), json!([{"model": "m"}]));
        body["fallback_config"] = json!({"retry": false});
        let (mut exchange, output) = begin(gateway, "once", &body, at(100));
        let reply = if stream {
            let (cluster, text) = (play::site(gateway, "d-us"), body.to_string());
            let (mut attempt, _) =
                Attempt::new(&cluster, ticket(output), text.as_bytes(), at(100)).unwrap();
            attempt.head(play::head(&json!({"status": 503})));
            let step = attempt.body(b"{}", true, || at(120));
            let Step::Answer(reply) = step else { panic!("{step:?}") };
            assert_eq!(attempt.take_refused().len(), 1);
            reply
        } else {
            let output = fail(&mut exchange, output, 503, at(120));
            let Output::Reply(reply) = output else { panic!("{output:?}") };
            reply
        };
        assert_eq!(reply.status, 503);
    }
}

#[test]
fn an_endpoint_that_limits_or_refuses_is_passed_over_by_all_workers_until_its_time() {
    // Status and time in the response, and the seconds for which the endpoint is passed over.
    let cases = [
        (429, Some("7"), 7),
        (429, None, 10),
        (429, Some("3600"), 60),
        (401, Some("7"), 10),
        (402, None, 10),
        (410, None, 10),
        (403, None, 0),
        (404, None, 0),
    ];
    for (status, retry_after, seconds) in cases {
        for stream in [false, true] {
            let endpoints = json!([weighted("a", 9), weighted("b", 1)]);
            let gateways = workers(2, &endpoints, &json!({}));
            let mut body = request();
            body["stream"] = json!(stream);
            let (mut exchange, output) = begin(&gateways[0], "acme", &body, at(0));
            let mut head = play::head(&json!({"status": status}));
            head.retry_after = retry_after.map(|text| Duration::from_secs(text.parse().unwrap()));
            if stream {
                let ticket = ticket(output);
                let cluster = play::site(&gateways[0], "a-us");
                let body = body.to_string();
                let (mut attempt, _) =
                    Attempt::new(&cluster, ticket, body.as_bytes(), at(0)).unwrap();
                attempt.head(head);
                attempt.body(b"{}", true, || at(0));
            } else {
                assert_eq!(asked(&output), "a-us");
                exchange.on(Input::AnswerHead(head), || at(0));
                exchange.on(Input::AnswerPiece { bytes: b"{}".to_vec(), end: true }, || at(0));
            }
            let end: u64 = seconds * 1000;
            for gateway in &gateways {
                for now in [0, end / 2, end.saturating_sub(1)].into_iter().filter(|now| *now < end)
                {
                    assert_eq!(
                        cluster(gateway, &request(), at(now)),
                        "b-us",
                        "{status} {retry_after:?}"
                    );
                }
                let later: Vec<String> =
                    (0..5).map(|_| cluster(gateway, &request(), at(end))).collect();
                assert!(later.contains(&"a-us".to_owned()), "{status} {retry_after:?} {later:?}");
            }
        }
    }
}

#[test]
fn where_all_endpoints_are_passed_over_the_one_whose_time_ends_first_is_asked() {
    let endpoints = json!([weighted("a", 9), endpoint("b"), weighted("c", 0)]);
    let gateway = &workers(1, &endpoints, &json!({}))[0];
    let all = gateway.config.models["m"].endpoints_in(Us);
    let begin = |position: usize, seconds| {
        let length = Duration::from_secs(seconds);
        cool_downs::begin(&*gateway.store, &all[position], Us, length, at(0));
    };
    begin(0, 30);
    assert_eq!(planned(gateway, &json!({})), ["b-us", "c-us", "a-us"]);
    begin(1, 20);
    begin(2, 40);
    assert_eq!(planned(gateway, &json!({})), ["b-us", "a-us", "c-us"]);
    // What no gateway has written passes over no endpoint.
    for garbage in [&b""[..], b"soon", &[255; 8]] {
        let key = "cool-down/b-us/m";
        let version = gateway.store.get(key).map(|(_, version)| version);
        gateway.store.set(key, garbage, version).unwrap();
        assert_eq!(planned(gateway, &json!({}))[0], "b-us");
    }
}

#[test]
fn a_model_with_one_endpoint_has_no_entry_in_the_store() {
    let gateway = &workers(1, &endpoint("a"), &json!({}))[0];
    let mut body = request();
    body["fallback_config"] = json!({"retry": false});
    let (mut exchange, _) = begin(gateway, "acme", &body, at(0));
    let output = play::respond(&mut exchange, 429, b"{}", at(0));
    assert!(matches!(output, Output::Reply(_)), "{output:?}");
    assert_eq!(gateway.store.get("cool-down/a-us/m"), None);
    assert_eq!(cluster(gateway, &request(), at(1)), "a-us");
}

#[test]
fn a_hedge_goes_to_another_endpoint_before_any_fallback() {
    let gateway = &workers(1, &json!([weighted("a", 1), weighted("b", 0)]), &json!({}))[0];
    let mut body = request();
    body["fallbacks"] = json!([{"model": "n"}]);
    body["fallback_config"] = json!({"hedge_ms": 100});
    let (mut exchange, first) = begin(gateway, "acme", &body, at(0));
    assert_eq!(asked(&first), "a-us");
    let hedge = exchange.on(Input::HedgeDue, || at(100));
    let Output::Call { reason: AttemptReason::Hedge, .. } = hedge else { panic!("{hedge:?}") };
    assert_eq!(asked(&hedge), "b-us");
    assert_eq!(fail(&mut exchange, first, 503, at(120)), Output::Wait);
    assert_eq!(fail(&mut exchange, hedge, 503, at(140)), Output::RetryAt(at(640)));
    assert_eq!(asked(&exchange.on(Input::RetryDue, || at(640))), "b-us");
}

#[test]
fn requests_of_every_api_are_shared() {
    let cases = [
        ("/v1/messages", "chat", json!({"messages": [{"role": "user", "content": "Hi"}]})),
        ("/v1/responses", "chat", json!({"input": "Hi"})),
        ("/v1/embeddings", "embeddings", json!({"input": "Hi"})),
    ];
    for (path, kind, mut body) in cases {
        (body["model"], body["max_tokens"]) = (json!("m"), json!(9));
        // Inputs for embeddings are no prompt, and are shared by weight all the same.
        let hash_on = if kind == "chat" { Value::Null } else { json!("prompt") };
        let more = json!({"kind": kind, "hash_on": hash_on});
        let gateway = &workers(1, &json!([endpoint("a"), endpoint("pool")]), &more)[0];
        let mut shares = BTreeMap::new();
        for _ in 0..100 {
            let head = play::head_for(path, &json!({}));
            let output = play::exchange_at(gateway, head, body.to_string().as_bytes());
            *shares.entry(ticket(output).target.cluster).or_insert(0) += 1;
        }
        let expected = [("a-us", 50), ("pool-us", 25), ("pool-us-key2", 25)];
        for (cluster, share) in expected {
            assert!(i32::abs(shares[cluster] - share) <= 3, "{path}: {shares:?}");
        }
    }
}
