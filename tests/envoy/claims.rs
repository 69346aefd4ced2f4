//! What every test with a real Envoy needs: the gateway they share, and the shapes that always hold.

use serde_json::{Value, json};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::Answer;
use testkit::envoy::{Gateway, Setup};
pub use testkit::play::{assert_error_shape, keys};
use testkit::ports::closed_port;

/// The configuration of most tests.
pub const YAML: &str = include_str!("gateway.yaml");

/// The gateway that tests share. None of them stops it, changes its files, or breaks its module.
pub fn shared() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| Setup::new(YAML).start())
}

/// Time for an event that must happen: a bound for a hang, not a measure of speed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for an event that must happen.
pub fn until(mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it does not come to be so");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for something that each worker does by itself: a connection comes to any of them.
pub fn until_everywhere(is_so: impl Fn() -> bool) {
    until(|| (0..16).all(|_| is_so()));
}

/// Asserts that something happens without delay in one of a few plays. A busy machine may delay any
/// of them; a gateway that holds back what it should pass on delays them all.
pub fn assert_prompt(story: &str, is_prompt: impl FnMut() -> bool) {
    let is_prompt = std::iter::repeat_with(is_prompt).take(8).any(|is_prompt| is_prompt);
    assert!(is_prompt, "{story}: held back every time");
}

/// A gateway for large bodies. They make its memory grow and a look into its journal slow, so it is
/// not the gateway of most tests.
pub fn large() -> &'static Gateway {
    super::quota::counting()
}

/// A gateway that takes bodies of 64 KiB at most. It does not wait a minute for them, so that a test
/// need not: what Envoy does when the time is up is the same.
pub fn narrow() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    let yaml = format!("{}\nrequest_body_bytes: 65536\n", small(YAML));
    GATEWAY.get_or_init(|| {
        let [head, whole] = ["request_headers_timeout: 10s", "request_timeout: 60s"];
        Setup::new(&yaml)
            .edited("listeners.yaml", head, "request_headers_timeout: 5s")
            .edited("listeners.yaml", whole, "request_timeout: 15s")
            .start()
    })
}

/// A configuration without the keys of providers: Envoy watches two files for each.
pub fn keyless(yaml: &str) -> String {
    let lines = yaml.lines().filter(|line| !line.starts_with("    key_"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A configuration where a provider has a key, and maybe more.
pub fn keyed(yaml: &str, provider: &str, more: &str) -> String {
    let head = format!("\n  {provider}:\n");
    assert!(yaml.contains(&head), "no {provider} in {yaml}");
    let key = format!("{head}    key_file: secrets/{provider}.key\n{more}");
    yaml.replacen(&head, &key, 1)
}

/// A configuration without those keys and without the EU's gateway, whose files Envoy watches too.
fn small(yaml: &str) -> String {
    keyless(yaml).replacen("\n  eu: {port: 8081}\n", "\n", 1)
}

/// A gateway two of whose providers cannot be reached, where another's key is missing, and where
/// patience is short.
pub fn troubled() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(|| {
        let yaml = keyed(&small(YAML), "openrouter", "");
        let impatient =
            format!("{yaml}\ndeadlines: {{total: 1s, idle: 8s, stream: 2s, connect: 500ms}}\n");
        Setup::new(&impatient)
            .upstream(format!("moonshot=127.0.0.1:{}", closed_port()))
            .upstream("alibaba=nowhere.invalid:80")
            .without_secret("openrouter")
            .start()
    })
}

/// A chat request with one message, in one attempt.
pub fn chat(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}],
        "fallback_config": {"retry": false}})
}

/// The same, streamed.
pub fn streamed(model: &str, text: &str) -> Value {
    with(chat(model, text), json!({"stream": true}))
}

/// A request with more parameters.
pub fn with(mut request: Value, more: Value) -> Value {
    let more = more.as_object().expect("parameters").clone();
    request.as_object_mut().expect("a request").extend(more);
    request
}

/// Base64url, which scripts take bytes in: RFC 4648, section 5, without padding.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for triple in bytes.as_ref().chunks(3) {
        let bits =
            (0..3).fold(0, |bits, at| bits << 8 | triple.get(at).map_or(0, |b| usize::from(*b)));
        for letter in 0..=triple.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * letter) & 63]));
        }
    }
    text
}

/// Every answer has an id, and it is a UUID of version 4: RFC 9562, section 5.4.
pub fn assert_request_id(answer: &Answer) -> String {
    let id = answer.header("x-request-id").unwrap_or_else(|| panic!("no id: {answer:?}"));
    let groups: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "`{id}` is no UUID");
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "`{id}` is no UUID");
    assert!(groups[2].starts_with('4'), "`{id}` is a UUID of another version");
    assert!(groups[3].starts_with(['8', '9', 'a', 'b']), "`{id}` is a UUID of another variant");
    id.to_owned()
}

/// Every error has one shape, whoever found it: flat, and once more below `error`.
#[track_caller]
pub fn assert_error(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(!answer.broken, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()), "{answer:?}");
    let body = answer.json();
    assert_error_shape(&body, status, code);
    assert_eq!(body["request_id"], assert_request_id(answer), "{answer:?}");
    body
}

/// An answer as a stream of chunks.
#[derive(Debug)]
pub struct Streamed {
    pub chunks: Vec<Value>,
    /// The error that ended it.
    pub error: Option<Value>,
    /// Whether `[DONE]` ended it.
    pub done: bool,
}

impl Streamed {
    /// Reads an answer that has to be a legal stream.
    #[track_caller]
    pub fn read(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let expected = [
            ("content-type", Some("text/event-stream; charset=utf-8")),
            ("cache-control", Some("no-cache")),
            ("x-accel-buffering", Some("no")),
        ];
        for (name, value) in expected {
            assert_eq!(answer.header(name), value, "{name} of {answer:?}");
        }
        // Only a stream without content, which is sent as a whole, has a length.
        let length = answer.body.len().to_string();
        assert!(answer.header("content-length").is_none_or(|known| known == length), "{answer:?}");
        let mut streamed = Self { chunks: Vec::new(), error: None, done: false };
        for data in answer.events() {
            assert!(!streamed.done && streamed.error.is_none(), "{data} after the end: {answer:?}");
            if data == "[DONE]" {
                streamed.done = true;
                continue;
            }
            let event: Value = serde_json::from_str(&data).expect("events are JSON");
            match event.get("error") {
                Some(_) => streamed.error = Some(event),
                None => streamed.chunks.push(event),
            }
        }
        streamed.assert_legal(&assert_request_id(answer));
        streamed
    }

    /// What holds for every stream, ended or not.
    fn assert_legal(&self, request_id: &str) {
        let first = &self.chunks[0];
        let mut finished = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            for key in ["id", "created", "model"] {
                assert_eq!(chunk[key], first[key], "{key} of chunk {index}: {self:#?}");
            }
            assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
            assert_eq!(chunk["request_id"], request_id, "{chunk}");
            for choice in chunk["choices"].as_array().expect("choices") {
                let delta = &choice["delta"];
                assert_eq!(finished, 0, "{chunk} after the finish: {self:#?}");
                assert_eq!(delta.get("role").is_some(), index == 0, "the role's chunk: {self:#?}");
                if !choice["finish_reason"].is_null() {
                    finished += 1;
                    assert_eq!(*delta, json!({}), "{chunk}");
                }
            }
        }
        assert_eq!(first["choices"][0]["delta"]["role"], "assistant", "{first}");
        if self.done {
            assert_eq!(finished, 1, "a stream that is done has one finish: {self:#?}");
        }
        if let Some(error) = &self.error {
            assert_eq!(error["request_id"], request_id, "{error}");
        }
    }

    /// The choices of all chunks.
    pub fn choices(&self) -> impl Iterator<Item = &Value> {
        self.chunks.iter().flat_map(|chunk| chunk["choices"].as_array().expect("choices"))
    }

    /// What was said, in one piece.
    pub fn text(&self) -> String {
        self.choices().filter_map(|choice| choice["delta"]["content"].as_str()).collect()
    }

    /// Why the model stopped.
    pub fn finish_reason(&self) -> Option<&str> {
        self.choices().find_map(|choice| choice["finish_reason"].as_str())
    }

    /// The usage chunk, which comes last.
    pub fn usage(&self) -> Option<&Value> {
        let at = self.chunks.iter().position(|chunk| chunk.get("usage").is_some())?;
        assert_eq!(at, self.chunks.len() - 1, "usage is in the last chunk: {self:#?}");
        assert_eq!(self.chunks[at]["choices"], json!([]), "{self:#?}");
        Some(&self.chunks[at]["usage"])
    }
}
