//! A check of the host names in a configuration by this machine's resolver.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use attache::{
    config::{BaseUrl, Config, Invalid, Problem, base_url::PUBLIC_HOST},
    network,
    region::{PerRegion, Region},
};

/// The timeout of all lookups together, which run in parallel.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// The result of the check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DnsReport {
    /// Names that must be public and resolve to private addresses.
    pub mistakes: Vec<Invalid>,
    /// Names that do not resolve, each with the path of the first field that has it.
    pub unresolved: Vec<(String, String)>,
}

/// A function from a name to its addresses, empty if it has none.
pub type Resolver = fn(&str) -> Vec<IpAddr>;

/// Resolves a name by the system.
pub fn resolve(host: &str) -> Vec<IpAddr> {
    // The port is required, and has no effect.
    let found = (host, 443).to_socket_addrs();
    found.map(|sockets| sockets.map(|socket| socket.ip()).collect()).unwrap_or_default()
}

/// Looks up every name that must resolve to a public address. `is_contacted` returns whether a
/// provider, or another service by the name of its entry, is contacted at all.
pub fn check(config: &Config, is_contacted: impl Fn(&str) -> bool, resolve: Resolver) -> DnsReport {
    let names = checked_names(config, is_contacted);
    let hosts = names.iter().map(|(_, host)| host.clone()).collect();
    let known = look_up(hosts, resolve);
    let mut report = DnsReport::default();
    let mut reported = BTreeSet::new();
    for (path, host) in names {
        let addresses = known.get(&host).map(Vec::as_slice).unwrap_or_default();
        if let Some(address) = addresses.iter().find(|address| network::is_private(**address)) {
            let problem = Problem::Wrong {
                found: format!("`{host}`, which is {address}"),
                allowed: PUBLIC_HOST.to_owned(),
            };
            report.mistakes.push(Invalid { path, problem });
        } else if addresses.is_empty() && reported.insert(host.clone()) {
            report.unresolved.push((path, host));
        }
    }
    report
}

/// Returns every name that must resolve to a public address, with the path of its field.
fn checked_names(config: &Config, is_contacted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let providers =
        config.providers.iter().filter(|(name, own)| !own.allow_private && is_contacted(name));
    let providers =
        providers.map(|(name, own)| (format!("providers.{name}.base_url"), &own.base_urls));
    let services = config.services().filter(|own| !own.allow_private && is_contacted(own.name));
    let services = services.map(|own| (format!("{}.{}", own.name, own.url_field), own.urls));
    providers.chain(services).flat_map(|(entry, urls)| names(&entry, urls)).collect()
}

/// Returns the names in URLs, each with the path of its field.
fn names(field: &str, urls: &PerRegion<BaseUrl>) -> Vec<(String, String)> {
    let place = |region: Region| format!("{field}.{}", region.name());
    let named = urls.iter().filter(|(_, url)| url.address().is_none());
    named.map(|(region, url)| (place(region), url.host.clone())).collect()
}

/// Looks up all hosts in parallel. Those without an answer in time are left out.
fn look_up(hosts: BTreeSet<String>, resolve: Resolver) -> BTreeMap<String, Vec<IpAddr>> {
    let (answer, answers) = mpsc::channel();
    for host in hosts {
        let answer = answer.clone();
        // After the timeout, nothing receives the answer.
        thread::spawn(move || drop(answer.send((resolve(&host), host))));
    }
    drop(answer);
    let end = Instant::now() + LOOKUP_TIMEOUT;
    let next = || answers.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
    std::iter::from_fn(next).map(|(addresses, host)| (host, addresses)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the addresses of the tests' names.
    fn scripted(host: &str) -> Vec<IpAddr> {
        let addresses = match host {
            "public.example" => "203.0.113.7 2001:db8::7",
            "inside.example" => "10.0.0.7",
            "both.example" => "203.0.113.7 ::1",
            "slow.example" => {
                thread::sleep(2 * LOOKUP_TIMEOUT);
                "203.0.113.7"
            }
            _ => "",
        };
        addresses.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    fn config() -> Config {
        let provider = |us: &str, global: &str, allow_private: bool| {
            json!({"api_schema": "openai", "allow_private": allow_private,
                "base_url": {"us": format!("https://{us}/v1"), "global": format!("https://{global}")}})
        };
        let document = json!({
            "listeners": {"us": {"port": 8080}},
            "plans": {"paid": {"requests_per_minute": 30}},
            "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"]}},
            "providers": {
                "a": provider("public.example", "inside.example", false),
                "b": provider("both.example", "lost.example", false),
                "c": provider("lost.example", "203.0.113.9", false),
                "d": provider("inside.example", "10.0.0.1", true),
                "e": provider("slow.example", "public.example", false),
            },
            "transcripts": {"base_url": {"us": "https://inside.example"}, "caller_key": true},
            "models": {"m": {"name": "M", "context_length": 8000, "max_output_tokens": 800,
                "regions": {"us": {"provider": "a", "upstream_model": "m"}}}},
        });
        Config::parse(&document).unwrap()
    }

    #[test]
    fn a_name_that_resolves_to_a_private_address_is_a_mistake_at_its_field() {
        let begun = Instant::now();
        let found = check(&config(), |_| true, scripted);
        assert!(begun.elapsed() < LOOKUP_TIMEOUT * 3 / 2, "names are looked up side by side");
        let reported: Vec<String> = found.mistakes.iter().map(ToString::to_string).collect();
        let allowed = "allowed: a public host, or `allow_private: true` in this entry";
        let expected = [
            ("providers.a.base_url.global", "`inside.example`, which is 10.0.0.7"),
            ("providers.b.base_url.us", "`both.example`, which is ::1"),
            ("transcripts.base_url.us", "`inside.example`, which is 10.0.0.7"),
        ];
        let expected = expected.map(|(path, what)| format!("{path}: found {what}, {allowed}"));
        assert_eq!(reported, expected);
        let unresolved = [
            ("providers.b.base_url.global", "lost.example"),
            ("providers.e.base_url.us", "slow.example"),
        ];
        let unresolved = unresolved.map(|(path, host)| (path.to_owned(), host.to_owned()));
        assert_eq!(found.unresolved, unresolved);
    }

    #[test]
    fn a_provider_that_is_not_contacted_is_not_looked_up() {
        assert_eq!(check(&config(), |_| false, scripted), DnsReport::default());
        let found = check(&config(), |name| name == "transcripts", scripted);
        assert_eq!((found.mistakes.len(), found.unresolved.len()), (1, 0));
    }

    #[test]
    fn the_system_resolves_this_machine() {
        assert!(resolve("localhost").iter().all(|address| network::is_private(*address)));
        assert!(resolve("nowhere.invalid").is_empty());
    }
}
