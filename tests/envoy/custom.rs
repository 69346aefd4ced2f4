//! Endpoints of an operator's own: public ones stay public whatever their names come to lead to, and
//! their keys change without anybody noticing.

use super::claims::*;
use crate::support::names;
use crate::support::shared::Shared;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use testkit::client::Request;
use testkit::envoy::{Gateway, Setup, marker};

/// More requests than any test here makes.
const MANY: usize = 1_000_000;

/// Where the names in `custom.yaml` lead.
const NAMES: [(&str, &str); 5] = [
    ("inside.example", "127.0.0.1"),
    ("six.example", "::1"),
    ("mapped.example", "::ffff:127.0.0.1"),
    ("metadata.example", "169.254.169.254"),
    ("far.example", "192.0.2.1"),
];

/// Somebody who listens on this machine and should hear nothing.
struct Neighbour {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Neighbour {
    /// One at a port of its own, in both families.
    fn start() -> Self {
        let listener = TcpListener::bind("[::]:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut piece = [0; 4096];
                let count = connection.read(&mut piece).unwrap_or_default();
                shared.lock().expect("nobody panicked").push(piece[..count].to_vec());
            }
        });
        Self { address, heard }
    }

    /// What the first bytes of every connection were.
    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

/// A gateway whose endpoints have names that lead to this machine, and who listens there.
struct Custom {
    gateway: Gateway,
    neighbour: Neighbour,
    /// Whom only the provider `called` leads to.
    called: Neighbour,
}

/// Each test asks models of its own, besides `lifted`, whose endpoint is well.
fn custom() -> Arc<Custom> {
    static CUSTOM: Shared<Custom> = Shared::new();
    CUSTOM.get(|| {
        let (neighbour, called) = (Neighbour::start(), Neighbour::start());
        let port = |neighbour: &Neighbour| neighbour.address.port().to_string();
        let yaml = keyless(include_str!("custom.yaml")).replace("6666", &port(&neighbour));
        let yaml = yaml.replace("5555", &port(&called));
        let gateway = Setup::new(&yaml).scripted(&[]).names(names::serve(&NAMES)).start();
        Custom { gateway, neighbour, called }
    })
}

#[test]
fn a_public_name_that_leads_to_a_private_address_is_not_even_connected_to() {
    let custom = custom();
    let gateway = &custom.gateway;
    for model in ["inside", "six", "mapped", "metadata"] {
        for request in [chat(model, "hi"), streamed(model, "hi")] {
            let told = assert_error(&gateway.us().chat(&request), 502, "upstream_unreachable");
            assert_eq!(told["metadata"]["provider"], model);
            let saved =
                json!({"fallbacks": [{"model": "lifted"}], "fallback_config": {"depth": 1}});
            let answer = gateway.us().chat(&with(request, saved));
            assert_eq!(answer.status, 200, "{model}: {answer:?}");
            let attempts = answer.header("x-attache-attempts").expect("attempts");
            assert!(attempts.starts_with(&format!("{model}=502/")), "{attempts}");
        }
        let denied = gateway.admin(&format!("/stats?filter=^cluster.{model}-us.rbac.denied"));
        assert_eq!(denied.trim(), format!("cluster.{model}-us.rbac.denied: 4"));
    }
    assert!(custom.neighbour.heard().is_empty(), "{:?}", custom.neighbour.heard());
    gateway.assert_unharmed();
}

#[test]
fn a_word_from_the_operator_lifts_it_and_a_public_address_needs_none() {
    let custom = custom();
    let gateway = &custom.gateway;
    for request in [chat("lifted", "hi"), streamed("lifted", "hi")] {
        assert_eq!(gateway.us().chat(&request).status, 200);
    }
    // Nobody answers there, but it was tried.
    assert_eq!(gateway.us().chat(&chat("far", "hi")).status, 502);
    let stats = gateway.admin("/stats?filter=^cluster.*.rbac.(allowed|denied)");
    assert!(stats.contains("cluster.far-us.rbac.allowed: 1"), "{stats}");
    assert!(!stats.contains("cluster.lifted-us"), "{stats}");
    gateway.assert_unharmed();
}

#[test]
fn a_name_that_leads_nowhere_is_given_up_as_before() {
    let custom = custom();
    let gateway = &custom.gateway;
    for request in [chat("lost", "hi"), streamed("lost", "hi")] {
        assert_error(&gateway.us().chat(&request), 502, "upstream_unreachable");
        let saved = json!({"fallbacks": [{"model": "lifted"}]});
        let answer = gateway.us().chat(&with(request, saved));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let denied = gateway.admin("/stats?filter=^cluster.lost-us.rbac.denied");
    assert_eq!(denied.trim(), "cluster.lost-us.rbac.denied: 0");
    gateway.assert_unharmed();
}

#[test]
fn where_the_gateway_calls_no_request_is_sent_without_the_right_certificate() {
    let custom = custom();
    let (gateway, marker) = (&custom.gateway, marker());
    for is_stream in [false, true] {
        let body = json!({"model": "lifted", "stream": is_stream, "fallback_config": {"retry": false},
            "messages": [{"role": "user", "content": format!("{marker} #script status=503")}],
            "fallbacks": [{"model": "called"}]});
        let answer = gateway.us().chat(&body);
        assert_error(&answer, 502, "upstream_unreachable");
    }
    for bytes in custom.called.heard() {
        // The record of a TLS handshake, and nothing after it.
        assert!(bytes.starts_with(&[0x16, 0x03]), "{bytes:?}");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&marker) && !text.contains("POST"), "{text}");
    }
    gateway.assert_unharmed();
}

#[test]
fn a_key_is_replaced_under_load_and_no_request_is_lost() {
    let gateway = Setup::new(YAML).remembering(MANY).start();
    replace_under_load(&gateway, "file", |secrets, key| {
        fs::write(secrets.join("openai.key.new"), key).expect("a file");
        fs::rename(secrets.join("openai.key.new"), secrets.join("openai.key")).expect("a file");
    });
    put_behind_links(&gateway.dir().join("secrets"));
    replace_under_load(&gateway, "link", turn_link);
}

/// Puts the key where Kubernetes would: a link leads to another folder, through a link.
fn put_behind_links(secrets: &Path) {
    let first = secrets.join("..first");
    fs::create_dir(&first).expect("a directory");
    fs::copy(secrets.join("openai.key"), first.join("openai.key")).expect("a file");
    symlink("..first", secrets.join("..data")).expect("a link");
    symlink("..data/openai.key", secrets.join("link")).expect("a link");
    fs::rename(secrets.join("link"), secrets.join("openai.key")).expect("a link");
}

/// Puts a key into a folder of its own, and lets the link to the folder lead there.
fn turn_link(secrets: &Path, key: &str) {
    let folder = format!("..{key}");
    fs::create_dir(secrets.join(&folder)).expect("a directory");
    fs::write(secrets.join(&folder).join("openai.key"), key).expect("a file");
    symlink(&folder, secrets.join("..data_tmp")).expect("a link");
    fs::rename(secrets.join("..data_tmp"), secrets.join("..data")).expect("a link");
}

/// Asks on several connections all the time while the key is replaced again and again.
fn replace_under_load(gateway: &Gateway, way: &str, replace: impl Fn(&Path, &str)) {
    const CONNECTIONS: usize = 6;
    let (marker, over) = (marker(), Arc::<AtomicBool>::default());
    let askers: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (client, over) = (gateway.us(), Arc::clone(&over));
            let words = format!("{marker} asker-{number}.");
            thread::spawn(move || {
                let (mut connection, mut asked) = (client.connect(), 0);
                while !over.load(Ordering::Relaxed) {
                    let body =
                        if asked % 2 == 0 { chat("gpt", &words) } else { streamed("gpt", &words) };
                    let answer = connection.send(Request::chat(body.to_string()));
                    assert_eq!(answer.status, 200, "request {asked}: {answer:?}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let secrets = gateway.dir().join("secrets");
    let mut all = vec![fs::read_to_string(secrets.join("openai.key")).expect("a key")];
    let keys: Vec<String> = (0..8).map(|number| format!("sk-planted-{way}-{number}")).collect();
    for key in &keys {
        thread::sleep(Duration::from_millis(400));
        replace(&secrets, key);
    }
    let last = format!("Bearer {}", keys[keys.len() - 1]);
    let is_everywhere = || {
        let entries = gateway.reached(&marker).into_iter();
        let newest = entries.filter(|entry| entry.header("authorization") == Some(last.as_bytes()));
        let bodies: String = newest.map(|entry| entry.json().to_string()).collect();
        (0..CONNECTIONS).all(|number| bodies.contains(&format!("asker-{number}.")))
    };
    until(is_everywhere);
    over.store(true, Ordering::Relaxed);
    let asked: usize = askers.into_iter().map(|asker| asker.join().expect("no failure")).sum();
    all.extend(keys);
    let entries = gateway.reached(&marker);
    assert_eq!(entries.len(), asked, "every request came once");
    for number in 0..CONNECTIONS {
        let own = format!("asker-{number}.");
        let of_asker = entries.iter().filter(|entry| entry.json().to_string().contains(&own));
        let shown: Vec<usize> = of_asker
            .map(|entry| {
                let header = entry.header("authorization").expect("a key").to_vec();
                let header = String::from_utf8(header).expect("text");
                let key = header.strip_prefix("Bearer ").expect("a bearer");
                all.iter().position(|known| known == key).expect("one of the keys, and whole")
            })
            .collect();
        assert!(shown.is_sorted(), "asker {number} was given an older key: {shown:?}");
        assert_eq!(shown.last(), Some(&(all.len() - 1)), "the last key counts in the end");
        assert!(shown.windows(2).filter(|pair| pair[0] != pair[1]).count() >= 4, "{shown:?}");
    }
    gateway.assert_unharmed();
}
