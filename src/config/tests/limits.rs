//! Rate limits and prices.

use super::*;
use crate::config::budget::BudgetPeriod;

#[test]
fn every_field_of_limits_is_checked() {
    assert_messages(
        r#"
/rate_limit = {"service": "http://10.0.0.7:8081"}
/rate_limit = {"service": "https://limits.internal", "timeout": "5ms", "unreachable": "refuse"}
/rate_limit = {"domain": "", "unreachable": "deny"}
  rate_limit.service: missing, allowed: the URL of a rate limit service
  rate_limit.domain: found `""`, allowed: a string
  rate_limit.unreachable: found `deny`, allowed: `local`, `refuse`
/rate_limit = {"service": "http://limits.internal/rls"}
  rate_limit.service: found `http://limits.internal/rls`, allowed: a URL without a path, such as
    `http://ratelimit.internal:8081`
/rate_limit = {"service": "http://user:hunter2@limits.internal"}
  rate_limit.service: found a URL with `@`, `?` or `#`, allowed: a URL without a path, such as
    `http://ratelimit.internal:8081`
/plans/paid = {}
  plans.paid.requests_per_minute: missing, allowed: a whole number, 0 for no access, or `unlimited`
/plans/paid/requests_per_minute = -1
  plans.paid.requests_per_minute: found `-1`, allowed: a whole number from 0 to 4294967295, or
    `unlimited`
/plans/paid/requests_per_minute = "unlimited"
/plans/paid/tokens_per_minute = "unlimited"
/plans/paid/tokens_per_minute = 0
  plans.paid.tokens_per_minute: found `0`, allowed: a whole number from 1 to 4294967295, or
    `unlimited`
/plans/paid/models = {"gpt-4.1": {"requests_per_minute": 0, "tokens_per_minute": 1}}
/plans/paid/models = {"GPT-4.1": {"requests": 0}}
  plans.paid.models.GPT-4.1: found the name `GPT-4.1`, allowed: `gpt-4.1`
  plans.paid.models.GPT-4.1.requests: unknown key, allowed: `requests_per_minute`,
    `tokens_per_minute`
/accounts/demo/requests_per_minute = "60"
  accounts.demo.requests_per_minute: found `"60"`, allowed: a whole number from 0 to 4294967295, or
    `unlimited`
/accounts/demo/models = {"gpt-9": {}}
  accounts.demo.models.gpt-9: found the name `gpt-9`, allowed: `gpt-4.1`
/accounts/demo = {"plan": "paid"}
  accounts.demo.key_files: missing, allowed: a list of files that hold one key each
/accounts/demo/key_files = "demo.key"
  accounts.demo.key_files: found `demo.key`, allowed: a list
/accounts/demo/key_files = [""]
  accounts.demo.key_files[0]: found `""`, allowed: a string
/accounts/demo/key = "sk-1"
  accounts.demo.key: unknown key, allowed: `plan`, `key_files`, `requests_per_minute`,
    `tokens_per_minute`, `budget`, `models`
"#,
    );
}

#[test]
fn every_field_of_a_budget_is_checked() {
    assert_messages(
        r#"
/plans/paid/budget = {"usd": 50, "per": "day"}
/accounts/demo/budget = {"usd": 0.000001, "per": "minute"}
/accounts/demo/budget = {}
  accounts.demo.budget.usd: missing, allowed: an amount in USD
  accounts.demo.budget.per: missing, allowed: `minute`, `hour`, `day`, `month`
/accounts/demo/budget = {"usd": 0, "per": "week"}
  accounts.demo.budget.usd: found `0`, allowed: a number from 0.000001 to 1000000
  accounts.demo.budget.per: found `week`, allowed: `minute`, `hour`, `day`, `month`
/accounts/demo/budget = {"usd": 0.0000015, "per": "hour", "models": {}}
  accounts.demo.budget.usd: found `1.5e-6`, allowed: a number with at most six decimals
  accounts.demo.budget.models: unknown key, allowed: `usd`, `per`
/accounts/demo/budget = 50
  accounts.demo.budget: found `50`, allowed: an object
"#,
    );
}

#[test]
fn the_budget_of_an_account_replaces_that_of_its_plan() {
    let month = json!({"usd": 999_999.123_456, "per": "month"});
    let day = json!({"usd": 0.000_001, "per": "day"});
    let cases = [
        (Value::Null, Value::Null, None),
        (month.clone(), Value::Null, Some((999_999_123_456_000_000, BudgetPeriod::Month))),
        (month, day.clone(), Some((1_000_000, BudgetPeriod::Day))),
        (Value::Null, day, Some((1_000_000, BudgetPeriod::Day))),
    ];
    for (plan, account, expected) in cases {
        let mut document = smallest();
        document["plans"]["paid"]["budget"] = plan.clone();
        document["accounts"]["demo"]["budget"] = account.clone();
        let budget = Config::parse(&document).unwrap().budget("demo");
        let found = budget.map(|budget| (budget.amount.as_pico(), budget.period));
        assert_eq!(found, expected, "{plan} {account}");
    }
    assert_eq!(Config::parse(&smallest()).unwrap().budget("nobody"), None);
}

#[test]
fn every_field_of_a_price_is_checked() {
    assert_messages(
        r#"
/models/gpt-4.1/price = {"input": 1.25, "output": 10}
/models/gpt-4.1/price = {"input": 0, "cached_input": 0.018750, "cache_write": 1.5, "output": 1e6}
/models/gpt-4.1/price = {}
  models.gpt-4.1.price.input: missing, allowed: USD per million tokens
  models.gpt-4.1.price.output: missing, allowed: USD per million tokens
/models/gpt-4.1/price = {"input": -1, "output": 1000001, "cached_input": "1", "cache_write": null}
  models.gpt-4.1.price.input: found `-1`, allowed: a number from 0 to 1000000
  models.gpt-4.1.price.output: found `1000001`, allowed: a number from 0 to 1000000
  models.gpt-4.1.price.cached_input: found `"1"`, allowed: a number from 0 to 1000000
/models/gpt-4.1/price = {"input": 0.0000001, "output": 0.1234567, "currency": "EUR"}
  models.gpt-4.1.price.input: found `1e-7`, allowed: a number with at most six decimals
  models.gpt-4.1.price.output: found `0.1234567`, allowed: a number with at most six decimals
  models.gpt-4.1.price.currency: unknown key, allowed: `input`, `output`, `cached_input`,
    `cache_write`
"#,
    );
}

#[test]
fn a_cost_is_exact() {
    let usage = |prompt, cached, cache_written, completion| Usage {
        prompt,
        completion,
        cached,
        cache_written,
        reasoning: completion,
        ..Usage::default()
    };
    let cases = [
        (json!({"input": 1.25, "output": 10}), usage(1, 0, 0, 1), 11_250_000),
        (json!({"input": 1.25, "output": 10}), usage(1_000_000, 400_000, 9, 0), 1_250_000_000_000),
        (
            json!({"input": 3, "cached_input": 0.3, "cache_write": 3.75, "output": 15}),
            usage(100, 60, 30, 2),
            10 * 3_000_000 + 60 * 300_000 + 30 * 3_750_000 + 2 * 15_000_000,
        ),
        (json!({"input": 0.01875, "output": 0.000001}), usage(1, 0, 0, 1), 18_751),
        // More cached tokens than prompt tokens count as no plain tokens, not as a negative number.
        (json!({"input": 1, "output": 0}), usage(5, 9, 9, 0), 18_000_000),
        (json!({"input": 1e6, "output": 1e6}), usage(u64::MAX, 0, 0, u64::MAX), u64::MAX),
    ];
    for (price, usage, cost) in cases {
        let mut document = smallest();
        document["models"]["gpt-4.1"]["price"] = price.clone();
        let model = Config::parse(&document).unwrap().models.remove("gpt-4.1").unwrap();
        assert_eq!(model.price.unwrap().cost(&usage), cost, "{price} {usage:?}");
    }
}

#[test]
fn the_most_specific_limit_applies() {
    let cases = [
        (json!({}), json!({}), (up_to(30), Rate::Unlimited)),
        (json!({"tokens_per_minute": 9}), json!({}), (up_to(30), up_to(9))),
        (json!({"tokens_per_minute": 9}), json!({"tokens_per_minute": 8}), (up_to(30), up_to(8))),
        (json!({}), json!({"requests_per_minute": 60}), (up_to(60), Rate::Unlimited)),
        (json!({}), json!({"requests_per_minute": 0}), (Rate::Nothing, Rate::Unlimited)),
        (
            json!({"models": {"gpt-4.1": {"requests_per_minute": 5}}}),
            json!({"requests_per_minute": "unlimited", "tokens_per_minute": 7}),
            (up_to(5), up_to(7)),
        ),
        (
            json!({"models": {"gpt-4.1": {"requests_per_minute": 5, "tokens_per_minute": 6}}}),
            json!({"models": {"gpt-4.1": {"requests_per_minute": "unlimited"}}}),
            (Rate::Unlimited, up_to(6)),
        ),
    ];
    for (plan, account, (requests, tokens)) in cases {
        let mut document = smallest();
        for (place, more) in [("/plans/paid", &plan), ("/accounts/demo", &account)] {
            let entry = document.pointer_mut(place).unwrap().as_object_mut().unwrap();
            entry.extend(more.as_object().unwrap().clone());
        }
        let config = Config::parse(&document).unwrap();
        let limits = config.limits("demo", "gpt-4.1");
        assert_eq!(limits, Limits { requests, tokens }, "{plan} {account}");
        assert_eq!(config.limits("nobody", "gpt-4.1").requests, Rate::Nothing);
        assert_eq!(config.has_access("demo"), requests != Rate::Nothing, "{plan} {account}");
    }
}

#[test]
fn access_to_one_model_is_access() {
    let mut document = with("/plans/paid/requests_per_minute", json!(0));
    document["accounts"]["demo"]["models"] = json!({"gpt-4.1": {"requests_per_minute": 2}});
    let config = Config::parse(&document).unwrap();
    assert!(config.has_access("demo"));
    assert_eq!(config.limits("demo", "gpt-4.1").requests, up_to(2));
    assert_eq!(config.limits("demo", "another").requests, Rate::Nothing);
}
