//! Keys: a provider's reaches the provider and nobody else, a client's goes no further than Envoy.

use super::claims::*;
use super::resilience::{SLOW, finish};
use serde_json::{Value, json};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use testkit::client::Request;
use testkit::envoy::{Gateway, Setup, marker};
use testkit::leaks::assert_no_key;
use testkit::programs::attache;

/// A configuration with a key for each provider. It needs so many inotify instances that no gateway of
/// several tests has it.
fn all_keyed() -> String {
    let yaml = keyed(YAML, "vertex-google", "    key_header: authorization\n");
    ["moonshot", "openrouter", "bedrock"].iter().fold(yaml, |yaml, name| keyed(&yaml, name, ""))
}

#[test]
fn a_provider_gets_its_own_key_and_no_other() {
    let gateway = Setup::new(&all_keyed()).start();
    let places = [
        ("gpt", "openai", "authorization", "Bearer "),
        ("kimi", "moonshot", "authorization", "Bearer "),
        ("qwen", "alibaba", "api-key", ""),
        ("claude", "anthropic", "x-api-key", ""),
        ("gemini", "google", "x-goog-api-key", ""),
        ("vertex-claude", "vertex-anthropic", "authorization", "Bearer "),
        ("vertex-gemini", "vertex-google", "authorization", "Bearer "),
        ("router", "openrouter", "authorization", "Bearer "),
    ];
    let names = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"];
    for (model, provider, header, prefix) in places {
        let marker = marker();
        for request in [chat(model, &marker), streamed(model, &marker)] {
            let request = Request::chat(request.to_string());
            // The client's key, wherever a provider would look for one.
            let request = names[1..]
                .iter()
                .fold(request, |request, name| request.header(name, gateway.secret("acme")));
            assert_eq!(gateway.us().send(request).status, 200);
        }
        for entry in gateway.reached(&marker) {
            let sent = entry.to_json().to_string();
            for (name, key) in gateway.secrets() {
                assert_eq!(sent.contains(key), name == provider, "the key {name}: {sent}");
            }
            let key = format!("{prefix}{}", gateway.secret(provider));
            for name in names {
                let expected = (name == header).then_some(key.as_bytes());
                assert_eq!(entry.header(name), expected, "{name} for {provider}");
            }
        }
    }
}

#[test]
fn the_scheme_of_a_key_has_any_case() {
    let key = shared().secret("acme");
    let cases = [
        (String::new(), 200),
        ("Bearer ".to_owned(), 200),
        ("bearer ".to_owned(), 200),
        ("BEARER ".to_owned(), 200),
        ("bEARer   ".to_owned(), 200),
        ("bearer".to_owned(), 401),
        ("Basic ".to_owned(), 401),
        ("bearer bearer ".to_owned(), 401),
    ];
    for client in [shared().us(), shared().us().over_http2()] {
        for (scheme, status) in &cases {
            let marker = marker();
            let request = Request::chat(chat("gpt", &marker).to_string())
                .header("authorization", format!("{scheme}{key}"));
            assert_eq!(client.without_key().send(request).status, *status, "`{scheme}`");
            assert_eq!(shared().reached(&marker).len(), usize::from(*status == 200), "`{scheme}`");
        }
        for value in ["bearer", "bearer ", "bearer wrong", "BEARER wrong"] {
            let request =
                Request::chat(chat("gpt", "x").to_string()).header("authorization", value);
            assert_error(&client.without_key().send(request), 401, "invalid_api_key");
        }
    }
    shared().assert_unharmed();
}

#[test]
fn a_server_without_a_key_gets_none() {
    let marker = marker();
    assert_eq!(shared().us().chat(&chat("oss", &marker)).status, 200);
    let sent = shared().reached_once(&marker).to_json().to_string();
    for (name, key) in shared().secrets() {
        assert!(!sent.contains(key), "the key {name}: {sent}");
    }
    assert!(!sent.contains("authorization"), "{sent}");
}

#[test]
fn no_key_is_in_an_answer_a_dump_the_memory_of_the_module_or_a_log() {
    let mut gateway = Setup::new(YAML).start();
    assert_no_key_is_told(&gateway);
    #[cfg(target_os = "linux")]
    assert_no_key_is_in_memory(&gateway);
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("\"account\":\"acme\""), "the access log is not there: {logs}");
    for (name, key) in gateway.secrets() {
        assert!(!logs.contains(key), "the key {name} is in the logs");
    }
    assert_the_search_finds_keys(&gateway);
}

/// In any answer, or in what the administration shows.
fn assert_no_key_is_told(gateway: &Gateway) {
    let scripts =
        ["fine", "#script status=401", "#script status=500", "#script cut=40", "#script reset"];
    let mut told = String::new();
    for script in scripts {
        for request in [chat("gpt", script), streamed("gpt", script), chat("nobody", script)] {
            for client in [gateway.us(), gateway.us().without_key(), gateway.us().with_key("wrong")]
            {
                told.push_str(&format!("{:?}", client.chat(&request)));
            }
        }
    }
    let told = told + &format!("{:?}", gateway.us().send(Request::get("/v1/models")));
    let pages =
        ["/config_dump?include_eds", "/clusters?format=json", "/stats", "/certs", "/server_info"];
    let dump = pages.map(|page| gateway.admin(page)).concat();
    assert!(dump.contains("attache.provider") && dump.contains("gpt-upstream"), "no configuration");
    for (name, key) in gateway.secrets() {
        for (place, text) in [("answers", &told), ("dump", &dump)] {
            assert!(!text.contains(key), "the key {name} is in the {place}");
        }
    }
}

/// The search that every test makes finds a key in an answer, a log and a page.
fn assert_the_search_finds_keys(gateway: &Gateway) {
    let finds = |act: &dyn Fn()| catch_unwind(AssertUnwindSafe(act)).is_err();
    let key = gateway.secret("acme");
    let told = gateway.traces();
    let page = [("/a-page", format!("the key {key}").into_bytes())];
    assert!(finds(&|| assert_no_key("an answer", key.as_bytes())));
    assert!(finds(&|| told.assert_keyless(&page)));
    assert!(!finds(&|| told.assert_keyless(&[])));
    fs::write(gateway.dir().join("envoy.err"), key).expect("a file");
    assert!(finds(&|| told.assert_keyless(&[])));
}

#[test]
fn no_rendered_file_holds_a_providers_key_and_only_the_owner_reads_clients_keys() {
    use std::os::unix::fs::PermissionsExt;
    let dir = shared().dir().join("envoy");
    let folders = [dir.clone(), dir.join("secrets")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a directory"));
    let files: Vec<_> =
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).expect("a file");
        for name in ["openai", "alibaba", "anthropic", "google", "vertex-anthropic"] {
            assert!(!text.contains(shared().secret(name)), "the key {name} is in {file:?}");
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others may read {file:?}");
    }
}

#[test]
fn a_key_that_a_provider_repeats_is_not_passed_on() {
    let key = shared().secret("openai");
    let body =
        json!({"error": {"message": format!("the key {key} may not use top_p")}}).to_string();
    for status in [400, 401, 403, 422, 429, 500, 503] {
        let script = format!("#script status={status} body={}", base64(&body));
        for request in [chat("gpt", &script), streamed("gpt", &script)] {
            let answer = shared().us().chat(&request);
            assert!(!answer.text().contains(key), "{status}: {answer:?}");
        }
    }
}

/// The memory of every VM, read from outside, while and after keys went through Envoy.
#[cfg(target_os = "linux")]
fn assert_no_key_is_in_memory(gateway: &Gateway) {
    let needle = marker();
    for count in 0..10 {
        let request = if count % 2 == 0 { chat("gpt", &needle) } else { streamed("kimi", &needle) };
        let request =
            Request::chat(request.to_string()).header("x-api-key", gateway.secret("acme"));
        assert_eq!(gateway.us().send(request).status, 200);
        let failing = format!("{needle} #script status=401");
        assert_eq!(gateway.us().chat(&chat("gpt", &failing)).status, 502);
    }
    let memories = linear_memories(gateway.pid());
    let stats = gateway.admin("/stats?filter=wasm_vm_count");
    assert_eq!(
        stats.trim(),
        format!("wasm.wasm_vm_count: {}", memories.len()),
        "not all VMs found"
    );
    let holds = |memory: &&Vec<u8>, text: &str| {
        memory.windows(text.len()).any(|window| window == text.as_bytes())
    };
    // What the module did see is there to be found: its requests, in both roles.
    let seen = memories.iter().filter(|memory| holds(memory, &needle)).count();
    assert!(seen >= 2, "the search finds nothing: {seen} of {}", memories.len());
    for (name, key) in gateway.secrets() {
        let seen = memories.iter().filter(|memory| holds(memory, key)).count();
        assert_eq!(seen, 0, "the key {name} was in {seen} VMs");
    }
}

/// What wasm can address, for each VM of a process: V8 reserves the gigabytes after it, so that
/// nothing else can be there (`v8/src/objects/backing-store.cc`, guard regions).
#[cfg(target_os = "linux")]
fn linear_memories(pid: u32) -> Vec<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process");
    let regions: Vec<(u64, u64, &str)> = maps
        .lines()
        .map(|line| {
            let (range, rest) = line.split_once(' ').expect("a range");
            let (start, end) = range.split_once('-').expect("a range");
            let number = |text| u64::from_str_radix(text, 16).expect("an address");
            (number(start), number(end), &rest[..4])
        })
        .collect();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).expect("a process of our own");
    let is_linear = |pair: &&[(u64, u64, &str)]| {
        let ((_, end, rights), (start, last, guard)) = (pair[0], pair[1]);
        rights == "rw-p" && guard == "---p" && start == end && last - start > 1 << 32
    };
    let read = |pair: &[(u64, u64, &str)]| {
        let mut bytes = vec![0; usize::try_from(pair[0].1 - pair[0].0).unwrap()];
        memory.read_exact_at(&mut bytes, pair[0].0).expect("memory that can be read");
        bytes
    };
    regions.windows(2).filter(is_linear).map(read).collect()
}

#[test]
fn the_module_stands_where_no_key_is_in_every_cluster_and_listener() {
    let dump: Value = serde_json::from_str(&shared().admin("/config_dump")).expect("JSON");
    let mut chains = Vec::new();
    filter_chains(&dump, &mut chains);
    let with = |name: &str| -> Vec<&Vec<&Value>> {
        chains.iter().filter(|chain| position(chain, name).is_some()).collect()
    };
    assert_eq!(with("attache.gateway").len(), 2);
    assert_eq!(with("attache.provider").len(), 14, "clusters");
    for chain in with("attache.gateway") {
        assert_eq!(position(chain, "envoy.filters.http.health_check"), Some(0));
        assert_eq!(position(chain, "attache.scheme"), Some(1));
        assert_eq!(position(chain, "envoy.filters.http.api_key_auth"), Some(2));
        assert_eq!(position(chain, "envoy.filters.http.header_mutation"), Some(4));
        assert_eq!(position(chain, "attache.gateway"), Some(5));
        assert!(!chain[2]["config_discovery"].is_null(), "{chain:?}");
    }
    let file = fs::read_to_string(shared().dir().join("envoy/keys.yaml")).expect("a file");
    let keys: Value = serde_saphyr::from_str(&file).expect("YAML");
    let filter = &keys["resources"][0]["typed_config"];
    assert_eq!(filter["forwarding"]["hide_credentials"], true);
    for chain in with("attache.provider") {
        assert_eq!(position(chain, "envoy.filters.http.header_mutation"), Some(0), "{chain:?}");
        let removed = chain[0]["typed_config"]["mutations"]["request_mutations"].to_string();
        for header in ["authorization", "x-api-key", "x-goog-api-key", "api-key"] {
            assert!(removed.contains(&format!("\"{header}\"")), "{header} is not in {removed}");
        }
        assert_eq!(position(chain, "attache.provider"), Some(1), "{chain:?}");
        let injector = position(chain, "envoy.filters.http.credential_injector");
        assert!(injector.is_none_or(|at| at == 2), "{chain:?}");
        let codec = position(chain, "envoy.filters.http.upstream_codec");
        assert_eq!(codec, Some(chain.len() - 1), "{chain:?}");
    }
}

/// Every list of HTTP filters in a document.
fn filter_chains<'v>(value: &'v Value, chains: &mut Vec<Vec<&'v Value>>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(filters)) = fields.get("http_filters") {
                chains.push(filters.iter().collect());
            }
            fields.values().for_each(|value| filter_chains(value, chains));
        }
        Value::Array(items) => items.iter().for_each(|value| filter_chains(value, chains)),
        _ => {}
    }
}

fn position(chain: &[&Value], name: &str) -> Option<usize> {
    chain.iter().position(|filter| filter["name"] == name)
}

#[test]
fn keys_are_replaced_and_revoked_without_a_restart() {
    let gateway = Setup::new(YAML).start();
    a_providers_key_is_replaced(&gateway);
    an_accounts_key_is_rotated_and_revoked_while_a_stream_goes_on(&gateway);
    let listeners = gateway.admin("/stats?filter=^listener_manager.listener_(modified|in_place)");
    let untouched = listeners.lines().filter(|line| line.ends_with(": 0")).count();
    assert_eq!((untouched, listeners.lines().count()), (2, 2), "{listeners}");
    gateway.assert_unharmed();
}

fn a_providers_key_is_replaced(gateway: &Gateway) {
    assert_eq!(key_at_provider(gateway), gateway.secret("openai"));
    for fresh in ["sk-planted-second", "sk-planted-third"] {
        let secrets = gateway.dir().join("secrets");
        fs::write(secrets.join("openai.key.new"), fresh).expect("a file");
        fs::rename(secrets.join("openai.key.new"), secrets.join("openai.key")).expect("a file");
        until(|| key_at_provider(gateway) == fresh);
    }
}

fn key_at_provider(gateway: &Gateway) -> String {
    let marker = marker();
    assert_eq!(gateway.us().chat(&chat("gpt", &marker)).status, 200);
    let entry = gateway.reached_once(&marker);
    let header = String::from_utf8(entry.header("authorization").expect("a key").to_vec()).unwrap();
    header.strip_prefix("Bearer ").expect("a bearer").to_owned()
}

#[test]
fn without_its_key_a_provider_is_not_asked() {
    let (gateway, marker) = (troubled(), marker());
    for request in [chat("router", &marker), streamed("router", &marker)] {
        assert_error(&gateway.us().chat(&request), 502, "provider_refused");
    }
    assert!(gateway.reached(&marker).is_empty());
    assert_eq!(gateway.us().chat(&chat("oss", "another")).status, 200);
    gateway.assert_unharmed();
}

fn an_accounts_key_is_rotated_and_revoked_while_a_stream_goes_on(gateway: &Gateway) {
    let (old, next) = (gateway.us(), gateway.us().with_key(gateway.secret("acme-next")));
    let mut stream = old.open(Request::chat(streamed("gpt", SLOW).to_string()));
    assert!(stream.next_event().is_some());
    let mut kept = old.connect();
    let ask = || Request::chat(chat("gpt", "hi").to_string());
    assert_eq!((kept.send(ask()).status, next.chat(&chat("gpt", "hi")).status), (200, 200));
    let fresh = gateway.us().with_key("sk-planted-fresh");
    assert_eq!(fresh.chat(&chat("gpt", "hi")).status, 401);
    // The old key's file gets the newest key; the next key goes on for the overlap.
    fs::write(gateway.dir().join("secrets/acme.key"), "sk-planted-fresh\n").expect("a file");
    let output = gateway.render_again();
    assert!(output.status.success(), "{output:?}");
    until(|| fresh.chat(&chat("gpt", "hi")).status == 200);
    assert_error(&old.chat(&chat("gpt", "hi")), 401, "invalid_api_key");
    assert_eq!(next.chat(&chat("gpt", "hi")).status, 200);
    // It counts on the next request of a connection, too, and the connection stays.
    assert!(kept.is_open());
    assert_eq!(kept.send(ask()).status, 401);
    assert_eq!(finish(&mut stream).as_deref(), Some("[DONE]"));
}

#[test]
fn a_key_of_two_accounts_is_nobodys() {
    let files = Setup::new(YAML).render();
    let key = fs::read_to_string(files.dir.join("secrets/acme.key")).unwrap();
    fs::write(files.dir.join("secrets/visitor.key"), format!("{key}\n")).unwrap();
    let output = attache(&["render"])
        .arg(files.dir.join("gateway.yaml"))
        .arg("--out")
        .arg(files.dir.join("envoy"))
        .output()
        .expect("attache runs");
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = "secrets/visitor.key is one that account `acme` has already";
    assert!(!output.status.success() && told.contains(expected), "{told}");
    assert!(!told.contains(&key), "{told}");
}
