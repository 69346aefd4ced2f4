//! Played exchanges of an account with a budget: what is charged to it, and what the client is told when
//! it is used up.

use std::{rc::Rc, time::Duration};

use attache::{
    attempt::{Attempt, Step},
    config::Config,
    gateway::{Gateway, Input, Output},
    handoff::ticket::Ticket,
    quota::{
        SharedStore,
        budget::{BudgetStatus, SpendingReport, charge},
        service::RateLimitResponse,
    },
    region::Region::Us,
    time::Timestamp,
    usd::Usd,
};
use serde_json::{Value, json};

use super::limits::{
    answered, ask, attempt, good, later, leave_early, model, reply, with_fallback,
};
use testkit::play::{self, Table, ticket};

/// What an answer of [`good`] costs, in pico-USD: 60 tokens at 2, 40 at 8.
const COST: u64 = 440_000_000;

/// The test gateway, where gpt-4.1 has a price and the account `frugal` this budget, and no limits.
fn with_budget(usd: f64, per: &str) -> Rc<Gateway> {
    let mut document: Value = serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
    let budget = json!({"usd": usd, "per": per});
    document["accounts"]["frugal"] =
        json!({"plan": "paid", "key_files": ["frugal.key"], "budget": budget});
    document["models"]["gpt-4.1"]["price"] = json!({"input": 2, "output": 8});
    let config = Rc::new(Config::parse(&document).unwrap());
    Rc::new(Gateway { config, ..(*play::gateway(Us)).clone() })
}

fn status(gateway: &Gateway, now: Timestamp) -> BudgetStatus {
    BudgetStatus::read(&gateway.config, "frugal", &*gateway.store, now).unwrap()
}

fn spent(gateway: &Gateway) -> u64 {
    status(gateway, later(0)).spent.as_pico()
}

fn pay(gateway: &Gateway, store: &dyn SharedStore, cost: u64, now: Timestamp) {
    charge(&gateway.config, "frugal", Usd::from_pico(cost), store, || now);
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[test]
fn a_budget_is_spent_by_answers_and_then_refuses_in_both_lanes() {
    for stream in [false, true] {
        let gateway = with_budget(0.0005, "day");
        let request = json!({"stream": stream});
        for answers in 1..=2 {
            let ticket = ticket(ask(&gateway, &request, 0).1);
            let step = answered(&mut attempt(&gateway, &ticket, &request), 200, &good(), 1_000);
            let (Step::Answer(reply) | Step::Begin(reply)) = step else { panic!("{step:?}") };
            let limits = reply.headers.iter().filter(|(name, _)| name.starts_with("x-ratelimit"));
            assert_eq!(limits.count(), 0);
            assert_eq!(spent(&gateway), answers * COST);
        }
        let reply = reply(ask(&gateway, &request, 2_000).1);
        assert_eq!(reply.status, 429);
        let midnight = "2026-11-19T00:00:00Z";
        let left = moment(midnight).since(later(2_000)).as_secs();
        assert!(reply.headers.contains(&("retry-after", left.to_string())), "{reply:?}");
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        play::assert_error_shape(&body, 429, "insufficient_quota");
        let message = format!(
            "the budget of this account is used up: 0.0005 USD per day, renewed at {midnight}, try \
             again in {left} s"
        );
        assert_eq!(body["message"], message);
        let attempts = json!([{"model": "gpt-4.1", "status": 429, "duration_ms": 0}]);
        let expected = json!({"budget_usd": 0.0005, "per": "day", "renewed_at": midnight,
            "attempts": attempts});
        assert_eq!(body["metadata"], expected);
        // The next day, nothing is spent.
        ticket(ask(&gateway, &request, left * 1_000 + 2_000).1);
    }
}

#[test]
fn a_budget_is_for_all_models_and_leaves_other_accounts_alone() {
    let gateway = with_budget(0.0001, "hour");
    pay(&gateway, &*gateway.store, COST, later(0));
    for request in [with_fallback(false), with_fallback(true), model("kimi-k2.5")] {
        let reply = reply(ask(&gateway, &request, 0).1);
        assert_eq!(
            (reply.status, &play::error(&reply)["code"]),
            (429, &json!("insufficient_quota"))
        );
        let log = reply.headers.iter().find(|(name, _)| *name == "x-attache-attempts");
        assert_eq!(log.unwrap().1, format!("{}=429/0ms", request["model"].as_str().unwrap()));
    }
    ticket(play::exchange(&gateway, &play::request(&json!({}))));
}

#[test]
fn a_budget_that_ends_between_two_attempts_ends_the_exchange_with_the_first_error() {
    for status in [429, 503] {
        let gateway = with_budget(0.0001, "hour");
        let (mut exchange, output) = ask(&gateway, &with_fallback(false), 0);
        let streamed = ticket(ask(&gateway, &with_fallback(true), 0).1);
        assert!(matches!(output, Output::Send { .. }), "{output:?}");
        pay(&gateway, &*gateway.store, COST, later(0));
        let reply = reply(play::respond(&mut exchange, status, b"{}", later(1)));
        assert_eq!(reply.status, status);
        assert_eq!(play::error(&reply)["metadata"]["budget_usd"], Value::Null);
        let mut attempt = attempt(&gateway, &streamed, &with_fallback(true));
        let step = answered(&mut attempt, status, &json!({}), 1);
        assert!(matches!(&step, Step::Answer(reply) if reply.status == status), "{step:?}");
        let refused = attempt.take_refused();
        assert!(matches!(&refused[..], [(model, _)] if model == "qwen3-32B"), "{refused:?}");
    }
}

#[test]
fn an_answer_without_a_price_or_without_usage_costs_nothing() {
    let gateway = with_budget(0.0001, "hour");
    for (name, body) in [("kimi-k2.5", good()), ("gpt-4.1", json!({"choices": good()["choices"]}))]
    {
        let ticket = ticket(ask(&gateway, &model(name), 0).1);
        answered(&mut attempt(&gateway, &ticket, &model(name)), 200, &body, 1);
        assert_eq!((spent(&gateway), gateway.store.get("budget/frugal")), (0, None), "{name}");
    }
}

#[test]
fn an_answer_that_the_client_does_not_get_has_its_cost() {
    let gateway = with_budget(1.0, "month");
    let request = json!({"post_processing_steps": [{"type": "json-repair"}]});
    let ticket = ticket(ask(&gateway, &request, 0).1);
    let step = answered(&mut attempt(&gateway, &ticket, &request), 200, &good(), 1);
    assert!(matches!(step, Step::Fail(..)), "{step:?}");
    assert_eq!(spent(&gateway), COST);
    // A call that comes when another attempt has answered.
    let (mut exchange, _) = ask(&gateway, &with_fallback(false), 0);
    let again = json!({"fallback_config": {"retry": false}, "fallbacks": [
        {"model": "gpt-4.1", "temperature": 0}]});
    let (mut late, _) = ask(&gateway, &again, 0);
    let output = play::respond(&mut late, 503, b"{}", later(1));
    let Output::Call { index, .. } = output else { panic!("{output:?}") };
    let called = play::called(200, good().to_string().as_bytes());
    late.on_abandoned_call(index, &called, later(2));
    assert_eq!(spent(&gateway), 2 * COST);
    exchange.on(Input::RetryDue, || later(3));
}

#[test]
fn a_stream_that_cannot_be_repaired_has_its_cost() {
    let gateway = with_budget(1.0, "month");
    let request = json!({"model": "claude-sonnet-4-5", "stream": true,
        "post_processing_steps": [{"type": "json-repair"}]});
    let events = json!([
        {"type": "message_start", "message": {"id": "m", "usage":
            {"input_tokens": 100, "output_tokens": 1}}},
        {"type": "content_block_delta", "index": 0, "delta":
            {"type": "text_delta", "text": "No JSON."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage":
            {"output_tokens": 20}},
        {"type": "message_stop"},
    ]);
    let ticket: Ticket = ticket(ask(&gateway, &request, 0).1);
    let mut attempt: Attempt = attempt(&gateway, &ticket, &request);
    attempt.head(play::stream_head());
    let events = play::provider_stream(&events);
    let step = attempt.body(events.as_bytes(), true, || later(1));
    assert!(matches!(&step, Step::Yield(..)), "{step:?}");
    assert_eq!(spent(&gateway), 100 * 3_000_000 + 20 * 15_000_000);
}

#[test]
fn a_cost_of_nothing_begins_no_period() {
    let gateway = with_budget(1.0, "month");
    pay(&gateway, &*gateway.store, 0, later(0));
    assert!(gateway.store.get("budget/frugal").is_none());
    pay(&gateway, &*gateway.store, 1, later(0));
    assert!(gateway.store.get("budget/frugal").is_some());
}

#[test]
fn a_stream_that_is_cut_off_has_the_cost_that_is_known() {
    let gateway = with_budget(1.0, "month");
    let request = json!({"model": "claude-sonnet-4-5", "stream": true});
    let start = json!({"type": "message_start", "message": {"id": "m", "usage":
        {"input_tokens": 100, "cache_creation_input_tokens": 10, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "index": 0, "delta":
        {"type": "text_delta", "text": "Hi"}});
    let last = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage":
        {"output_tokens": 20}});
    let prompt = 100 * 3_000_000 + 10 * 3_750_000;
    let mut before = 0;
    for (events, cost) in [
        (json!([start, text]), prompt + 15_000_000),
        (json!([start, text, last]), prompt + 20 * 15_000_000),
    ] {
        let ticket: Ticket = ticket(ask(&gateway, &request, 0).1);
        let mut attempt: Attempt = attempt(&gateway, &ticket, &request);
        attempt.head(play::stream_head());
        attempt.body(play::provider_stream(&events).as_bytes(), false, || later(1));
        assert_eq!(spent(&gateway), before);
        attempt.on_cut_off("downstream_remote_disconnect", None, later(2));
        before += cost;
        assert_eq!(spent(&gateway), before, "{events}");
    }
}

#[test]
fn a_stream_whose_client_leaves_before_its_first_content_has_the_cost_that_is_known() {
    let gateway = with_budget(1.0, "month");
    leave_early(&gateway);
    assert_eq!(spent(&gateway), 41 * 3_000_000 + 15_000_000);
}

#[test]
fn a_period_ends_with_the_calendars() {
    for (per, last, next) in [
        ("minute", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z"),
        ("hour", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z"),
        ("day", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z"),
        ("month", "2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"),
    ] {
        let gateway = with_budget(1.0, per);
        let found = |now: &str| {
            let status = status(&gateway, moment(now));
            (status.spent.as_pico(), status.until.to_rfc3339())
        };
        pay(&gateway, &*gateway.store, 7, moment(last));
        pay(&gateway, &*gateway.store, 5, moment(last));
        assert_eq!(found(last), (12, next.to_owned()), "{per}");
        assert_eq!(found(next).0, 0, "{per}");
        pay(&gateway, &*gateway.store, 3, moment(next));
        assert_eq!(found(next).0, 3, "{per}");
        // A thread that has read the clock a moment before adds to the period that has begun.
        pay(&gateway, &*gateway.store, 1, moment(last));
        assert_eq!(found(next).0, 4, "{per}");
    }
}

#[test]
fn a_period_of_a_clock_that_went_back_is_forgotten() {
    let gateway = with_budget(1.0, "day");
    let (day, next) = (moment("2026-03-01T12:00:00Z"), moment("2026-03-02T00:00:00Z"));
    pay(&gateway, &*gateway.store, 9, next);
    assert_eq!(status(&gateway, day).spent, Usd::default());
    pay(&gateway, &*gateway.store, 2, day);
    assert_eq!(status(&gateway, day).spent, Usd::from_pico(2));
    for garbage in [&b""[..], &[0; 12], &[0xff; 16], &[7; 17]] {
        let (_, version) = gateway.store.get("budget/frugal").unwrap();
        gateway.store.set("budget/frugal", garbage, Some(version)).unwrap();
        assert_eq!(status(&gateway, day).spent, Usd::default(), "{garbage:?}");
    }
}

#[test]
fn a_budget_that_changes_keeps_what_was_spent_in_its_period() {
    let day = with_budget(1.0, "day");
    let month = Gateway { store: Rc::clone(&day.store), ..(*with_budget(1.0, "month")).clone() };
    let noon = moment("2026-03-05T12:00:00Z");
    pay(&day, &*day.store, 5, noon);
    assert_eq!(status(&month, noon).spent, Usd::from_pico(5));
    pay(&month, &*month.store, 5, noon.plus(Duration::from_secs(86_400)));
    assert_eq!(status(&month, moment("2026-03-31T00:00:00Z")).spent, Usd::from_pico(10));
    assert_eq!(status(&day, moment("2026-03-31T00:00:00Z")).spent, Usd::default());
}

#[test]
fn a_cost_beyond_all_bounds_uses_up_a_budget() {
    let (gateway, table) = (with_budget(1_000_000.0, "month"), Table::default());
    pay(&gateway, &table, u64::MAX, later(0));
    pay(&gateway, &table, u64::MAX, later(0));
    let status = BudgetStatus::read(&gateway.config, "frugal", &table, later(0)).unwrap();
    assert!(status.is_used_up());
    assert_eq!(status.spent, Usd::from_pico(u64::MAX));
}

/// Gateways with a budget of 5 cents a day, tables of their own, and one rate limit service.
fn with_service(count: usize) -> Vec<Gateway> {
    let gateway = |_| {
        let mut document: Value =
            serde_json::from_str(include_str!("../golden/gateway.json")).unwrap();
        document["accounts"]["frugal"]["budget"] = json!({"usd": 0.05, "per": "day"});
        document["rate_limit"] = json!({"service": "http://limits.internal:8081"});
        let (config, store) = (Config::parse(&document).unwrap(), Table::default());
        let gateway = (*play::gateway(Us)).clone();
        Gateway { config: Rc::new(config), store: Rc::new(store), ..gateway }
    };
    (0..count).map(gateway).collect()
}

/// Charges a cost, and returns the report and the units that it counts.
fn report(gateway: &Gateway, cost: u64) -> Option<(SpendingReport, u8)> {
    let (config, store) = (&gateway.config, &*gateway.store);
    let report = charge(config, "frugal", Usd::from_pico(cost), store, || later(0))?;
    // The last field, `hits_addend`: Protocol Buffers, *Encoding*.
    let [.., 0x18, hits] = report.message[..] else { panic!("{:?}", report.message) };
    Some((report, hits))
}

/// An answer of envoyproxy/ratelimit with a limit of 50.
fn service_answer(used: u8) -> RateLimitResponse {
    let (code, left) = if used <= 50 { (1, 50 - used) } else { (2, 0) };
    let status = [0x08, code, 0x12, 4, 0x08, 50, 0x10, 4, 0x18, left];
    let message = [&[0x08, code, 0x12, 10][..], &status].concat();
    RateLimitResponse::parse(&message).unwrap()
}

#[test]
fn gateways_with_one_service_spend_one_budget() {
    let gateways = with_service(2);
    let mut used = 0;
    for round in 0..57 {
        let own = &gateways[round % 2];
        // Less than half a unit: every third answer of a gateway completes one.
        if let Some((report, hits)) = report(own, COST) {
            used += hits;
            report.apply(&service_answer(used), &*own.store, later(0));
        }
    }
    // 29 and 28 answers.
    assert_eq!(used, 12 + 12);
    let spent = gateways.iter().map(|own| spent(own) / 1_000_000_000).collect::<Vec<_>>();
    assert_eq!(spent, [23, 24]);
    // What one spends alone ends the budget of both, at the next answer of the other.
    let (report_of_first, hits) = report(&gateways[0], 30_000_000_000).unwrap();
    used += hits;
    report_of_first.apply(&service_answer(used), &*gateways[0].store, later(0));
    let is_used_up = |index: usize| status(&gateways[index], later(0)).is_used_up();
    assert_eq!((used, is_used_up(0), is_used_up(1)), (54, true, false));
    let (report_of_other, hits) = report(&gateways[1], 1_000_000_000).unwrap();
    report_of_other.apply(&service_answer(used + hits), &*gateways[1].store, later(0));
    assert!(is_used_up(1));
}

#[test]
fn a_report_names_the_account_the_period_and_the_budget() {
    let gateways = with_service(1);
    assert_eq!(report(&gateways[0], 999_999_999), None);
    let (report, hits) = report(&gateways[0], 1).unwrap();
    let fields = b"\x0a\x07attache\x12\x47\x0a\x11\x0a\x07account\x12\x06frugal\
        \x0a\x0d\x0a\x06budget\x12\x03day\
        \x0a\x1d\x0a\x05begin\x12\x142026-11-18T00:00:00Z\x12\x04\x08\x32\x10\x04\x18\x01";
    assert_eq!((hits, report.message.as_slice()), (1, &fields[..]));
    assert_eq!(report.timeout, Duration::from_millis(20));
}

#[test]
fn an_answer_of_the_service_changes_only_its_own_period_and_never_lowers_a_count() {
    let gateway = &with_service(1)[0];
    let (report, _) = report(gateway, 20_500_000_000).unwrap();
    for (used, expected) in [(3, 20_500_000_000), (20, 20_500_000_000), (31, 31_500_000_000)] {
        report.apply(&service_answer(used), &*gateway.store, later(0));
        assert_eq!(spent(gateway), expected, "{used}");
    }
    let tomorrow = later(86_400_000);
    report.apply(&service_answer(51), &*gateway.store, tomorrow);
    assert_eq!(status(gateway, tomorrow).spent, Usd::default());
    let silent = RateLimitResponse::parse(b"\x08\x01").unwrap();
    report.apply(&silent, &*gateway.store, later(0));
    assert_eq!(spent(gateway), 31_500_000_000);
}

/// The costs of all threads add up, whichever of them comes first.
#[test]
#[cfg(not(target_family = "wasm"))]
fn threads_together_spend_exactly_what_each_of_them_does() {
    use super::quota::SharedTable;
    use std::sync::Arc;

    let shared = Arc::new(SharedTable::default());
    let spend = |thread: u64| {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || {
            let gateway = with_budget(1.0, "month");
            for cost in 1..=500 {
                pay(&gateway, &*shared, cost * thread, later(cost));
            }
        })
    };
    let threads: Vec<_> = (1..=4).map(spend).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let gateway = with_budget(1.0, "month");
    let status = BudgetStatus::read(&gateway.config, "frugal", &*shared, later(0)).unwrap();
    assert_eq!(status.spent.as_pico(), 500 * 501 / 2 * (1 + 2 + 3 + 4));
}
