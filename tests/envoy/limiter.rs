//! Limits that several Envoys share through a rate limit service, and what is done without it.

use super::claims::*;
use super::quota::{assert_exact, limited, told};
use crate::support::crowd::{self, Ask};
use crate::support::limiter::Limiter;
use crate::support::shared::two_gateways;
use std::thread;
use testkit::client::Answer;
use testkit::envoy::{Gateway, Setup};
use testkit::ports::closed_port;

/// A gateway with these accounts, which asks the service at this URL, and with `acme`, which has no
/// limit.
fn asking(url: &str, accounts: &[(&str, usize, u32)], more: &str) -> Gateway {
    let yaml = limited(accounts);
    let yaml = yaml.replace("requests_per_minute: 1000000", "requests_per_minute: unlimited");
    Setup::new(&format!("{yaml}\nrate_limit: {{service: \"{url}\"{more}}}\n")).start()
}

fn ask(gateway: &Gateway, account: &str, text: &str) -> Answer {
    gateway.us().with_key(gateway.secret(account)).chat(&chat("gpt", text))
}

fn failures(gateway: &Gateway) -> u32 {
    let stats = gateway.admin("/stats?filter=attache_rate_limit_service_failures");
    stats.trim().rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// A loaded machine may be slow to answer, and then nothing is to be counted locally.
const PATIENT: &str = ", timeout: 10s";

/// Loads two gateways with the same accounts of the same service at once, one account after another.
fn exact_together(url: &str, accounts: &[&str]) {
    let limits: Vec<_> = accounts.iter().map(|name| (*name, 1, 500)).collect();
    let (_turn, gateways) = two_gateways(|| asking(url, &limits, PATIENT));
    for account in accounts {
        let told = thread::scope(|scope| {
            let crowds = gateways.each_ref().map(|gateway| {
                let key = gateway.secret(&format!("{account}-0")).to_owned();
                let asks = vec![Ask { key, model: "gpt".to_owned() }; 600];
                scope.spawn(|| crowd::send(&gateway.us(), 32, asks))
            });
            crowds.map(|crowd| crowd.join().expect("answers")).concat()
        });
        assert_exact(&told, 500, account);
    }
    for gateway in &gateways {
        assert_eq!(failures(gateway), 0);
        gateway.assert_unharmed();
    }
}

#[test]
fn two_envoys_with_one_service_are_exact_together() {
    let service = Limiter::start("account", 500);
    exact_together(&service.url(), &["headers", "statuses"]);
}

#[test]
fn a_service_is_asked_about_the_account_and_the_model_and_what_it_says_is_told() {
    let service = Limiter::start("account", 1);
    let accounts = [("headers", 2, 7), ("statuses", 1, 7), ("terse", 1, 7)];
    let gateway = asking(&service.url(), &accounts, ", domain: attache, timeout: 10s");
    a_service_is_asked_about_the_account_and_the_model(&gateway, &service);
    what_a_service_says_is_told_to_the_client(&gateway);
    gateway.assert_unharmed();
}

fn a_service_is_asked_about_the_account_and_the_model(gateway: &Gateway, service: &Limiter) {
    let client = gateway.us().with_key(gateway.secret("headers-1"));
    assert_eq!(client.chat(&chat("GPT", "hi")).status, 200);
    assert_eq!(client.chat(&streamed("kimi", "hi")).status, 200);
    // What is wrong is not counted.
    assert_eq!(client.chat(&chat("nobody", "hi")).status, 400);
    let path = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
    let asked = |model: &str| format!("{path} attache account=headers-1 model={model} 7/2");
    assert_eq!(service.asked(), [asked("gpt"), asked("kimi")]);
}

fn what_a_service_says_is_told_to_the_client(gateway: &Gateway) {
    for manner in ["headers", "statuses"] {
        let account = format!("{manner}-0");
        let admitted = ask(gateway, &account, "hi");
        let standing = told(&admitted);
        assert!(admitted.status == 200 && standing.starts_with("1 0 "), "{manner:?} {standing}");
        let refused = ask(gateway, &account, "refused");
        assert_error(&refused, 429, "rate_limit_exceeded");
        let wait = refused.header("retry-after").unwrap_or_default();
        assert_eq!(told(&refused), format!("1 0 {wait} gpt llmgw"), "{manner:?}");
        assert!(gateway.reached("refused").is_empty());
    }
    assert_eq!(told(&ask(gateway, "terse-0", "hi")), "- - - - -");
    assert_eq!(told(&ask(gateway, "terse-0", "hi")), "7 0 60 gpt llmgw");
}

/// Asks with accounts whose service does not answer as it should.
fn without_a_service(url: &str, manners: &[&str]) {
    let accounts: Vec<_> = manners.iter().map(|manner| (*manner, 1, 2)).collect();
    let gateway = asking(url, &accounts, "");
    for (asked, manner) in (1..).zip(manners) {
        let answers = [1, 2, 3].map(|_| ask(&gateway, &format!("{manner}-0"), "hi").status);
        assert_eq!(answers, [200, 200, 429], "{manner:?}");
        assert_eq!(failures(&gateway), 3 * asked, "{manner:?}");
    }
    gateway.assert_unharmed();
    drop(gateway);

    let gateway = asking(url, &accounts, ", unreachable: refuse");
    who_has_no_limit_needs_no_service(&gateway);
    for (asked, manner) in (1..).zip(manners) {
        let refused = ask(&gateway, &format!("{manner}-0"), "unseen");
        assert_error(&refused, 503, "rate_limit_unavailable");
        assert!(gateway.reached("unseen").is_empty());
        assert_eq!(failures(&gateway), asked, "{manner:?}");
    }
    gateway.assert_unharmed();
}

#[test]
fn without_its_service_a_gateway_counts_by_itself_or_refuses() {
    let service = Limiter::start("account", 100);
    without_a_service(&service.url(), &["silent", "garbage", "failing"]);
}

#[test]
fn so_it_does_where_nothing_listens() {
    without_a_service(&format!("http://127.0.0.1:{}", closed_port()), &["nobody"]);
}

fn who_has_no_limit_needs_no_service(gateway: &Gateway) {
    assert_eq!(told(&ask(gateway, "acme", "hi")), "- - - - -");
    assert_eq!(failures(gateway), 0);
}

/// The same with a service of the operator's own, which takes our limit or has one of 500.
#[test]
#[ignore = "needs a service: ATTACHE_RATE_LIMIT_SERVICE=http://HOST:PORT"]
fn two_envoys_with_a_service_of_yours_are_exact_together() {
    let url = std::env::var("ATTACHE_RATE_LIMIT_SERVICE").expect("the URL of a service");
    exact_together(&url, &["one"]);
}
