//! Transcripts in a real Envoy: fetched once, from the request's own region, with the right key, and
//! put where the tag stands. Whatever the service does, the client gets one answer.

use super::claims::*;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::Answer;
use testkit::envoy::{Gateway, Setup, marker};
use testkit::provider::{Entry, TRICKY};

const REGIONAL: &str = include_str!("regional.yaml");

/// A gateway that tests share.
pub fn regional() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| Setup::new(&keyless(REGIONAL)).start())
}

/// An id no other request has, and a request about it.
fn about(word: &str, model: &str, text: &str, is_stream: bool) -> (String, Value) {
    let id = format!("{word}-{}", marker().trim_end_matches('.'));
    let text = format!("{id}: {text}");
    let request = json!({"model": model, "transcript_id": id, "stream": is_stream,
        "messages": [{"role": "user", "content": text}], "fallback_config": {"retry": false}});
    (id, request)
}

/// The calls for a transcript.
fn fetches(gateway: &Gateway, id: &str) -> Vec<Entry> {
    let path = format!("/v2/transcript/{id}");
    gateway.reached("").into_iter().filter(|entry| entry.path == path).collect()
}

/// What the provider was told in the one request about this.
fn told(gateway: &Gateway, id: &str) -> Value {
    gateway.reached_once(id).json()
}

#[test]
fn a_transcript_stands_in_the_place_of_its_tag_in_every_schema_and_both_lanes() {
    for model in ["gpt", "claude", "gemini"] {
        for is_stream in [false, true] {
            let (id, body) = about("call", model, "<< {{ transcript }} >>", is_stream);
            let answer = regional().us().chat(&body);
            assert_eq!(answer.status, 200, "{model}: {answer:?}");
            assert!(answer.text().contains("heard"), "{answer:?}");
            assert_eq!(answer.header("x-attache-params"), None, "{answer:?}");
            let told = told(regional(), &id).to_string();
            assert!(told.contains(&format!("{id}: << said in {id} >>")), "{told}");
            assert!(!told.contains("transcript_id"), "{told}");
            assert_eq!(fetches(regional(), &id).len(), 1);
        }
    }
    regional().assert_unharmed();
}

#[test]
fn the_service_is_that_of_the_region_and_gets_its_own_key_alone() {
    let hosts = [("us", "api.assemblyai.example"), ("eu", "api.eu.assemblyai.example")];
    for (region, host) in hosts {
        let client = if region == "us" { regional().us() } else { regional().eu() };
        let (id, body) = about("call", "claude", "{{ transcript }}", false);
        assert_eq!(client.chat(&body).status, 200);
        let [call] = <[Entry; 1]>::try_from(fetches(regional(), &id)).expect("one call");
        assert_eq!((call.method.as_str(), call.header("host")), ("GET", Some(host.as_bytes())));
        let key = regional().secret("assemblyai").as_bytes();
        assert_eq!(call.header("authorization"), Some(key));
        let sent = call.to_json().to_string();
        assert!(!sent.contains(regional().secret("acme")), "{sent}");
    }
}

#[test]
fn the_callers_own_key_is_shown_where_the_operator_says_so() {
    let yaml = REGIONAL.replace("key_file: secrets/assemblyai.key", "caller_key: true");
    let mut gateway = Setup::new(&yaml).start();
    let key = gateway.secret("acme").to_owned();
    let raw = testkit::client::Request::chat;
    let (id, body) = about("call", "gpt", "{{ transcript }}", false);
    let chat = || raw(body.to_string());
    let (us, other) = (gateway.us(), gateway.us().without_key());
    // The last one is the header of Anthropic's clients.
    for (client, request) in [
        (&us, chat()),
        (&us, chat().header("authorization", &*key)),
        (&other, chat().header("x-api-key", &*key)),
    ] {
        let answer = client.send(request);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let calls = fetches(&gateway, &id);
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.header("authorization"), Some(key.as_bytes()));
    }
    for entry in gateway.reached(&id) {
        assert!(!entry.to_json().to_string().contains(&key), "{entry:?}");
    }
    let dump = ["/config_dump", "/stats"].map(|page| gateway.admin(page)).concat();
    gateway.assert_unharmed();
    gateway.stop();
    for text in [gateway.logs(), dump] {
        assert!(!text.contains(&key), "the key is in a log or a dump");
    }
}

#[test]
fn every_failure_of_the_service_has_its_answer() {
    let cases = [
        ("queued", 400, "transcript_not_ready", "transcript not ready"),
        ("processing", 400, "transcript_not_ready", "transcript not ready"),
        ("error", 400, "transcript_failed", "transcript failed, it has no text"),
        ("deleted", 404, "transcript_deleted", "transcript deleted"),
        ("missing", 404, "transcript_not_found", "transcript not found"),
        ("unknown", 404, "transcript_not_found", "transcript not found"),
        ("status-401", 502, "provider_refused", ""),
        ("status-403", 502, "provider_refused", ""),
        ("status-429", 502, "upstream_error", ""),
        ("status-500", 502, "upstream_error", ""),
        ("status-503", 502, "upstream_error", ""),
        ("status-204", 502, "upstream_error", ""),
        ("html", 502, "upstream_error", ""),
        ("array", 502, "upstream_error", ""),
        ("odd", 502, "upstream_error", ""),
        ("short", 502, "upstream_error", ""),
        ("reset", 502, "upstream_unreachable", ""),
        ("hang", 504, "timeout", ""),
    ];
    for (word, status, code, message) in cases {
        for is_stream in [false, true] {
            let id = format!("{word}{}", if word.contains('-') { "" } else { "-x" });
            let marker = marker();
            let body = json!({"model": "gpt", "transcript_id": id, "stream": is_stream,
                "prompt": format!("{marker} {{{{ transcript }}}}")});
            let answer = regional().us().chat(&body);
            let told = assert_error(&answer, status, code);
            if !message.is_empty() {
                assert_eq!(told["message"], message, "{word}");
                assert_eq!(told["error"]["param"], "transcript_id");
            }
            assert!(regional().reached(&marker).is_empty(), "{word}: no provider is asked");
        }
    }
    regional().assert_unharmed();
}

#[test]
fn a_service_that_cannot_be_reached_is_told_of() {
    let port = testkit::ports::closed_port();
    let gateway =
        Setup::new(&keyless(REGIONAL)).upstream(format!("transcripts=127.0.0.1:{port}")).start();
    for is_stream in [false, true] {
        let (_, body) = about("call", "gpt", "{{ transcript }}", is_stream);
        let told = assert_error(&gateway.us().chat(&body), 502, "upstream_unreachable");
        assert_eq!(told["metadata"]["provider"], "transcripts");
        let (_, body) = about("call", "gpt", "no tag", is_stream);
        assert_eq!(gateway.us().chat(&body).status, 200);
    }
    gateway.assert_unharmed();
}

/// A service that answers with the bytes it is told to, and leaves its connections open. Its threads
/// end with the process.
struct Liar {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
}

impl Liar {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let answer = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&answer);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer_all(connection, &shared));
            }
        });
        Self { address, answer }
    }

    fn says(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().expect("nobody panicked"));
    }
}

fn answer_all(mut connection: TcpStream, answer: &Mutex<String>) {
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = connection.read(&mut piece) {
        heard.extend_from_slice(&piece[..count]);
        if heard.ends_with(b"\r\n\r\n") {
            heard.clear();
            let answer = answer.lock().expect("nobody panicked").clone();
            let _ = connection.write_all(answer.as_bytes());
        }
    }
}

#[test]
fn a_service_that_lies_about_length_or_speaks_no_http_is_a_failure() {
    let text = r#"{"status":"completed","text":"said"}"#;
    let with = |head: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    let good = with("content-length: 36", text);
    // What is left over would be the answer to the next request.
    let split = format!("{good}{}", with("content-length: 36", &text.replace("said", "evil")));
    let long = format!("{{\"status\":\"completed\",\"text\":\"{}\"}}", "a".repeat(33 << 20));
    let cases = [
        (split, 200),
        (with("content-length: 10", text), 502),
        (with("content-length: 5000000000", text), 502),
        (with("content-length: -1", text), 502),
        (with("content-length: 36\r\ncontent-length: 4", text), 502),
        (with("content-length: 36\r\ntransfer-encoding: chunked", text), 502),
        (with("transfer-encoding: chunked", &format!("ffffffff\r\n{text}")), 502),
        (with("transfer-encoding: chunked", text), 502),
        (with(&format!("content-length: {}", long.len()), &long), 502),
        (with("content-encoding: gzip\r\ncontent-length: 4", "\u{1f}abc"), 502),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), 502),
        ("\u{16}\u{3}\u{1}".to_owned(), 502),
    ];
    let liar = Liar::start();
    let gateway =
        Setup::new(&keyless(REGIONAL)).upstream(format!("transcripts={}", liar.address)).start();
    for (answer, expected) in cases {
        for is_stream in [false, true] {
            for (answer, expected) in [(&answer, expected), (&good, 200)] {
                let shown: String = answer.chars().take(120).collect();
                liar.says(answer);
                let (id, body) = about("call", "gpt", "{{ transcript }}", is_stream);
                let answer = gateway.us().chat(&body);
                assert_eq!(answer.status, expected, "{shown}: {answer:?}");
                let asked = gateway.reached(&format!("{id}: said")).len();
                assert_eq!(asked, usize::from(expected == 200), "{shown}");
            }
        }
    }
    assert!(gateway.reached("evil").is_empty());
    gateway.assert_unharmed();
}

#[test]
fn text_of_any_kind_and_size_is_put_in_whole() {
    let (id, body) = about("tricky", "gpt", "a {{ transcript }} z", false);
    assert_eq!(regional().us().chat(&body).status, 200);
    let said = told(regional(), &id)["messages"][0]["content"].clone();
    assert_eq!(said, format!("{id}: a {TRICKY} z"));
    let gateway = Setup::new(&keyless(REGIONAL)).start();
    for size in [100_000, 2_000_000] {
        for (model, is_stream) in [("gpt", false), ("claude", true), ("gemini", true)] {
            let word = format!("size-{size}");
            let (id, body) = about(&word, model, "{{ transcript }}", is_stream);
            let answer = gateway.us().chat(&body);
            assert_eq!(answer.status, 200, "{size}: {answer:?}");
            let length = gateway.reached_once(&format!("{id}: word")).body.len();
            assert!((size..size + 1000).contains(&length), "{size}: {length}");
        }
    }
    // With every word of it and its times, as the service sends them: 8.7 MB.
    let (id, body) = about("spoken-500000", "gpt", "{{ transcript }}", false);
    assert_eq!(gateway.us().chat(&body).status, 200);
    let length = gateway.reached_once(&format!("{id}: word")).body.len();
    assert!((500_000..501_000).contains(&length), "{length}");
    let (_, body) = about("silent", "gpt", "{{ transcript }}|", false);
    assert_eq!(gateway.us().chat(&body).status, 200);
    gateway.assert_unharmed();
}

#[test]
fn a_transcript_goes_along_with_retries_and_fallbacks() {
    let script = |tag: &str| format!("#script status=503 | status=503 | text=at_last\n{tag}");
    for is_stream in [false, true] {
        let (id, mut body) = about("call", "gpt", &script("{{ transcript }}"), is_stream);
        body["fallback_config"] = json!({"retry": true, "depth": 1});
        body["fallbacks"] = json!([{"model": "claude"}]);
        let answer = regional().us().chat(&body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let asked = regional().reached(&format!("said in {id}"));
        assert_eq!(asked.len(), 3, "{is_stream}");
        assert_eq!(fetches(regional(), &id).len(), 1, "once for all attempts");
        // Each fallback's own messages too, and no more than one tag in each.
        let (id, mut body) = about("call", "gpt", "#script status=429", is_stream);
        let own = format!("{id} own {{{{ transcript }}}} and {{{{ transcript }}}}");
        body["fallbacks"] =
            json!([{"model": "claude", "messages": [{"role": "user", "content": own}]}]);
        assert_eq!(regional().us().chat(&body).status, 200);
        let asked = regional().reached(&format!("{id} own"));
        let said = asked[asked.len() - 1].json().to_string();
        let expected = format!("own said in {id} and {{{{ transcript }}}}");
        assert!(said.contains(&expected), "{said}");
    }
    regional().assert_unharmed();
}

#[test]
fn an_id_without_a_tag_is_reported_and_never_fetched() {
    for is_stream in [false, true] {
        for text in ["no tag", "{{transcript}}", "{{ TRANSCRIPT }}", "{{  transcript  }}"] {
            let (id, body) = about("missing", "gpt", text, is_stream);
            let answer = regional().us().chat(&body);
            assert_eq!(answer.status, 200, "{text}: {answer:?}");
            assert_eq!(answer.header("x-attache-params"), Some("dropped=transcript_id"));
            assert!(fetches(regional(), &id).is_empty(), "{text}");
        }
    }
    let (id, mut body) = about("call", "gpt", "{{ transcript }}", false);
    body.as_object_mut().expect("an object").remove("transcript_id");
    assert_eq!(regional().us().chat(&body).status, 200);
    assert!(told(regional(), &id).to_string().contains("{{ transcript }}"));
}

#[test]
fn an_id_that_could_lead_elsewhere_is_refused() {
    let ids = ["", "a/b", "..", "a b", "a\nb", "a?b", "a%2fb", "é", "a\u{0}", "id\r\nx: y"];
    let ids = ids.into_iter().map(str::to_owned).chain(["x".repeat(129), "x".repeat(10_000)]);
    for id in ids {
        let body = json!({"model": "gpt", "transcript_id": id, "prompt": "{{ transcript }}"});
        let told = assert_error(&regional().us().chat(&body), 400, "invalid_value");
        let expected = "transcript_id must be up to 128 letters, digits, `-` and `_`";
        assert_eq!(told["metadata"]["errors"], json!([expected]), "{id:?}");
    }
    for id in [json!(7), json!({}), json!(["call-1"])] {
        let body = json!({"model": "gpt", "transcript_id": id, "prompt": "{{ transcript }}"});
        assert_error(&regional().us().chat(&body), 400, "invalid_value");
    }
}

#[test]
fn a_client_that_leaves_while_the_transcript_comes_asks_nobody() {
    let (id, body) = about("late", "gpt", "{{ transcript }}", false);
    regional().us().leave(&body.to_string(), Duration::from_millis(100));
    thread::sleep(Duration::from_millis(600));
    assert!(regional().reached(&format!("said in {id}")).is_empty());
    let begun = Instant::now();
    let (_, body) = about("late", "gpt", "{{ transcript }}", true);
    let answer: Answer = regional().us().chat(&body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    regional().assert_unharmed();
}

#[test]
fn a_request_over_http2_gets_its_transcript_too() {
    let (id, body) = about("size-300000", "gpt", "{{ transcript }}", false);
    let mut client = regional().us().over_http2().connect();
    for _ in 0..3 {
        let request = testkit::client::Request::chat(body.to_string());
        assert_eq!(client.send(request).status, 200);
    }
    assert_eq!(fetches(regional(), &id).len(), 3, "cached nowhere");
}
