//! Where the names in a configuration lead, as this machine sees it. Native only: the command's.

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
    transcript::SERVICE,
};

/// How long all names together may take. One that is asked for at every request had better be known
/// sooner.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Names that lead to addresses they may not lead to.
    pub mistakes: Vec<Invalid>,
    /// Names that lead nowhere, each with the first place that has it.
    pub unknown: Vec<(String, String)>,
}

/// The addresses of a name. None, if it has none.
pub type Resolve = fn(&str) -> Vec<IpAddr>;

/// Asks the system.
pub fn resolve(host: &str) -> Vec<IpAddr> {
    // Whatever the port is, the addresses are the same.
    let found = (host, 443).to_socket_addrs();
    found.map(|sockets| sockets.map(|socket| socket.ip()).collect()).unwrap_or_default()
}

/// Looks up every name that must lead to a public address. `is_asked` says of which providers, and
/// of the transcript service by its name for errors.
pub fn check(config: &Config, is_asked: impl Fn(&str) -> bool, resolve: Resolve) -> Found {
    let places = places(config, is_asked);
    let hosts = places.iter().map(|(_, host)| host.clone()).collect();
    let known = look_up(hosts, resolve);
    let mut found = Found::default();
    let mut told = BTreeSet::new();
    for (path, host) in places {
        let addresses = known.get(&host).map(Vec::as_slice).unwrap_or_default();
        if let Some(address) = addresses.iter().find(|address| network::is_private(**address)) {
            let problem = Problem::Wrong {
                found: format!("`{host}`, which is {address}"),
                allowed: PUBLIC_HOST.to_owned(),
            };
            found.mistakes.push(Invalid { path, problem });
        } else if addresses.is_empty() && told.insert(host.clone()) {
            found.unknown.push((path, host));
        }
    }
    found
}

/// Every name that must lead to a public address, and where it stands.
fn places(config: &Config, is_asked: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let providers =
        config.providers.iter().filter(|(name, own)| !own.allow_private && is_asked(name));
    let providers = providers.map(|(name, own)| (format!("providers.{name}"), &own.base_urls));
    let service = config.transcripts.iter().filter(|own| !own.allow_private && is_asked(SERVICE));
    let service = service.map(|own| ("transcripts".to_owned(), &own.base_urls));
    providers.chain(service).flat_map(|(entry, urls)| names(&entry, urls)).collect()
}

fn names(entry: &str, urls: &PerRegion<BaseUrl>) -> Vec<(String, String)> {
    let place = |region: Region| format!("{entry}.base_url.{}", region.name());
    let named = urls.iter().filter(|(_, url)| url.address().is_none());
    named.map(|(region, url)| (place(region), url.host.clone())).collect()
}

/// Asks for all of them at once. Those that are not answered in time are left out.
fn look_up(hosts: BTreeSet<String>, resolve: Resolve) -> BTreeMap<String, Vec<IpAddr>> {
    let (answer, answers) = mpsc::channel();
    for host in hosts {
        let answer = answer.clone();
        // Nobody may be there to hear it any more.
        thread::spawn(move || drop(answer.send((resolve(&host), host))));
    }
    drop(answer);
    let end = Instant::now() + PATIENCE;
    let next = || answers.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
    std::iter::from_fn(next).map(|(addresses, host)| (host, addresses)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What each name leads to.
    fn scripted(host: &str) -> Vec<IpAddr> {
        let addresses = match host {
            "public.example" => "203.0.113.7 2001:db8::7",
            "inside.example" => "10.0.0.7",
            "both.example" => "203.0.113.7 ::1",
            "slow.example" => {
                thread::sleep(2 * PATIENCE);
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
    fn a_name_that_leads_to_a_private_address_is_refused_where_it_stands() {
        let begun = Instant::now();
        let found = check(&config(), |_| true, scripted);
        assert!(begun.elapsed() < PATIENCE * 3 / 2, "names are looked up side by side");
        let told: Vec<String> = found.mistakes.iter().map(ToString::to_string).collect();
        let allowed = "allowed: a public host, or `allow_private: true` in this entry";
        let expected = [
            ("providers.a.base_url.global", "`inside.example`, which is 10.0.0.7"),
            ("providers.b.base_url.us", "`both.example`, which is ::1"),
            ("transcripts.base_url.us", "`inside.example`, which is 10.0.0.7"),
        ];
        let expected = expected.map(|(path, what)| format!("{path}: found {what}, {allowed}"));
        assert_eq!(told, expected);
        let unknown = [
            ("providers.b.base_url.global", "lost.example"),
            ("providers.e.base_url.us", "slow.example"),
        ];
        let unknown = unknown.map(|(path, host)| (path.to_owned(), host.to_owned()));
        assert_eq!(found.unknown, unknown);
    }

    #[test]
    fn whoever_has_a_stand_in_is_not_looked_up() {
        assert_eq!(check(&config(), |_| false, scripted), Found::default());
        let found = check(&config(), |name| name == "transcripts", scripted);
        assert_eq!((found.mistakes.len(), found.unknown.len()), (1, 0));
    }

    #[test]
    fn the_system_knows_this_machine() {
        assert!(resolve("localhost").iter().all(|address| network::is_private(*address)));
        assert!(resolve("nowhere.invalid").is_empty());
    }
}
