//! Envoy's access log: a line of JSON for each request.

use serde_json::Value;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::Answer;
use testkit::envoy::Gateway;

/// Longer than Envoy keeps a line back.
/// A bound for a hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// What Envoy says of one request.
#[derive(Clone, Debug)]
pub struct Line(Value);

impl Line {
    /// All there are now.
    pub fn all(gateway: &Gateway) -> Vec<Self> {
        let log = fs::read_to_string(gateway.dir().join("access.log")).expect("a log");
        // The last one may still be under way.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        whole.lines().map(line).map(Self).collect()
    }

    /// The only one of an answer.
    pub fn of(gateway: &Gateway, answer: &Answer) -> Self {
        Self::with(gateway, "request_id", answer.header("x-request-id").expect("an id"))
    }

    /// The only one with this value, as soon as it is there.
    pub fn with(gateway: &Gateway, field: &str, value: &str) -> Self {
        let started = Instant::now();
        loop {
            let mut all = Self::all(gateway);
            all.retain(|line| line.0[field] == value);
            if let Some(line) = all.pop() {
                assert!(all.is_empty(), "two lines of one request: {line:?} {all:?}");
                return line;
            }
            assert!(started.elapsed() < PATIENCE, "no line whose {field} is {value}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A field, `null` if nothing is known.
    pub fn get(&self, field: &str) -> &Value {
        self.0.get(field).unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }

    /// The names of all fields.
    pub fn names(&self) -> Vec<&str> {
        self.0.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    /// What the exchange came to, but not how long it took.
    pub fn untimed(&self) -> String {
        let facts = self.exchange().split(' ');
        facts.filter(|fact| !fact.contains("_ms=")).collect::<Vec<_>>().join(" ")
    }

    /// How many milliseconds something took.
    pub fn millis(&self, name: &str) -> Option<u64> {
        let fact = self.exchange().split(' ').find_map(|fact| fact.strip_prefix(name));
        fact.map(|fact| fact.trim_start_matches('=').parse().expect("a number"))
    }

    fn exchange(&self) -> &str {
        self.get("exchange").as_str().unwrap_or_default()
    }
}
