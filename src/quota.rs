//! How much an account may ask of a model in a minute. What is used up stands in a store that
//! all worker threads of an Envoy share; what is allowed stands in the configuration.

mod protobuf;
pub mod service;

use std::{fmt, num::NonZeroU32, time::Duration};

use self::service::RateLimitResponse;
use crate::{
    config::{
        Config,
        limits::Rate,
        rate_limit::{RateLimitService, Unreachable},
    },
    time::{Timestamp, millis},
};

/// Length of a window. "Requests within a 60-second window": LLM Gateway overview, *Rate limits*.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Values that all worker threads see. Each has a version, which changes whenever the value does.
pub trait SharedStore: fmt::Debug {
    /// What stands under a key, and its version. `None` if nothing ever stood there.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Puts a value under a key whose version is still this one; `None` is the version of a key
    /// under which nothing stands.
    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict>;
}

/// A store that keeps nothing.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub struct NullStore;

#[cfg(test)]
impl SharedStore for NullStore {
    fn get(&self, _key: &str) -> Option<(Vec<u8>, u32)> {
        None
    }

    fn set(&self, _key: &str, _value: &[u8], _version: Option<u32>) -> Result<(), CasConflict> {
        Ok(())
    }
}

/// Somebody else has put a value there meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasConflict;

/// Whether a request may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may, and nobody counts.
    Unlimited,
    /// The service that counts for several Envoys is to be asked, with this message. What it says,
    /// [`told`] takes.
    Ask(Vec<u8>),
    /// It may, and is counted.
    Admit(LimitStatus),
    /// It may not, and is not counted.
    Refuse {
        /// Where the account stands with what is used up.
        status: LimitStatus,
        /// What that is.
        exceeded: Counted,
    },
    /// It may not: who counts cannot be asked, and the operator wants no other count.
    Unknown,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests, before they are made.
    Requests,
    /// Tokens, after they were spent.
    Tokens,
}

impl Counted {
    /// The word in keys and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// Where an account stands with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// The most there may be in a window.
    pub limit: NonZeroU32,
    /// What is left of it in the window under way.
    pub remaining: u32,
    /// When that window ends.
    pub until: Timestamp,
}

impl LimitStatus {
    /// How long the window goes on. One that another thread opened a moment after `now` has a
    /// minute, and no more.
    pub fn left(&self, now: Timestamp) -> Duration {
        self.until.since(now).min(WINDOW)
    }

    /// What is told with every answer. LLM Gateway overview, *Rate limits*. Seconds are rounded up:
    /// whoever waits as long has waited long enough.
    pub fn headers(&self, model: &str, now: Timestamp) -> [(&'static str, String); 5] {
        [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", self.left(now).as_millis().div_ceil(1000).to_string()),
            ("x-ratelimit-model", model.to_owned()),
            ("x-ratelimit-service", "llmgw".to_owned()),
        ]
    }

    /// What [`fmt::Display`] wrote, for whoever tells it in another filter.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('/');
        let limit = fields.next()?.parse().ok()?;
        let remaining = fields.next()?.parse().ok()?;
        let until = Duration::from_millis(fields.next()?.parse().ok()?);
        Some(Self { limit, remaining, until: Timestamp::from_epoch(until) })
    }
}

impl fmt::Display for LimitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.limit, self.remaining, self.until.as_millis())
    }
}

/// Whether an account may ask a model now. A request that may be made is counted.
pub fn admit(
    config: &Config,
    account: &str,
    model: &str,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Verdict {
    let limits = config.limits(account, model);
    if let Rate::UpTo(limit) = limits.tokens {
        let status = limit_status(store, &key(Counted::Tokens, account, model), limit, now);
        if status.remaining == 0 {
            return Verdict::Refuse { status, exceeded: Counted::Tokens };
        }
    }
    match (limits.requests, &config.rate_limit) {
        (Rate::Unlimited, _) => Verdict::Unlimited,
        (Rate::UpTo(limit), Some(RateLimitService { domain, .. })) => {
            Verdict::Ask(service::request(domain, account, model, limit))
        }
        (Rate::UpTo(limit), None) => {
            admit_request(store, &key(Counted::Requests, account, model), limit, now)
        }
        // The request should have been found wrong before it came here.
        (Rate::Nothing, _) => {
            let (limit, until) = (NonZeroU32::MIN, now.plus(WINDOW));
            let status = LimitStatus { limit, remaining: 0, until };
            Verdict::Refuse { status, exceeded: Counted::Requests }
        }
    }
}

/// The same where nobody can wait for the service: it is not asked, and what it would count is
/// counted here.
pub fn admit_here(
    config: &Config,
    account: &str,
    model: &str,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Verdict {
    match admit(config, account, model, store, now) {
        Verdict::Ask(_) => apply_service_answer(config, account, model, None, store, now),
        verdict => verdict,
    }
}

/// What the service's answer comes to, after [`admit`] said to ask it. `None`: it gave none.
pub fn apply_service_answer(
    config: &Config,
    account: &str,
    model: &str,
    answer: Option<RateLimitResponse>,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Verdict {
    let Rate::UpTo(limit) = config.limits(account, model).requests else {
        return Verdict::Unlimited;
    };
    let unreachable = config.rate_limit.as_ref().map(|service| service.unreachable);
    match (answer, unreachable) {
        (Some(answer), _) => answer.verdict(limit, now),
        (None, Some(Unreachable::Refuse)) => Verdict::Unknown,
        (None, _) => admit_request(store, &key(Counted::Requests, account, model), limit, now),
    }
}

/// Counts the tokens of an answer, if anybody wants to know.
pub fn charge_tokens(
    config: &Config,
    account: &str,
    model: &str,
    tokens: u64,
    store: &dyn SharedStore,
    now: impl FnOnce() -> Timestamp,
) {
    if tokens > 0 && matches!(config.limits(account, model).tokens, Rate::UpTo(_)) {
        let tokens = tokens.try_into().unwrap_or(u32::MAX);
        charge(store, &key(Counted::Tokens, account, model), tokens, now());
    }
}

/// Names hold no `/`, so no two pairs have one key.
fn key(counted: Counted, account: &str, model: &str) -> String {
    [counted.name(), account, model].join("/")
}

/// Counts a request, unless there have been `limit` in the window under way. The first request
/// after a window's end opens the next.
pub fn admit_request(
    store: &dyn SharedStore,
    key: &str,
    limit: NonZeroU32,
    now: Timestamp,
) -> Verdict {
    let more = |used: u32| used.checked_add(1).filter(|used| *used <= limit.get());
    match update_window(store, key, now, more) {
        Ok(window) => Verdict::Admit(window.status(limit)),
        Err(window) => {
            Verdict::Refuse { status: window.status(limit), exceeded: Counted::Requests }
        }
    }
}

/// Adds what an answer has cost, whatever was left: the cost is known afterwards only.
pub fn charge(store: &dyn SharedStore, key: &str, cost: u32, now: Timestamp) {
    let _window = update_window(store, key, now, |used| Some(used.saturating_add(cost)));
}

/// What is left of the window under way. Nothing is counted.
pub fn limit_status(
    store: &dyn SharedStore,
    key: &str,
    limit: NonZeroU32,
    now: Timestamp,
) -> LimitStatus {
    let (window, _) = read_window(store, key, now);
    window.status(limit)
}

/// A window as it stands in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// When its first request came, in milliseconds since the Unix epoch.
    opened: u64,
    /// What has been counted since.
    used: u32,
}

impl Window {
    /// A window in which nothing has been counted.
    fn open(now: Timestamp) -> Self {
        Self { opened: now.as_millis(), used: 0 }
    }

    /// Twelve bytes, big-endian: `opened` (u64), then `used` (u32).
    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (opened, used) = bytes.split_at_mut(8);
        opened.copy_from_slice(&self.opened.to_be_bytes());
        used.copy_from_slice(&self.used.to_be_bytes());
        bytes
    }

    /// What [`Self::to_bytes`] wrote. Anything else is no window.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (opened, used) = bytes.split_first_chunk()?;
        let used = used.try_into().ok()?;
        Some(Self { opened: u64::from_be_bytes(*opened), used: u32::from_be_bytes(used) })
    }

    /// Whether it is under way. A thread reads the clock before it looks here, so it may find a
    /// window that another opened a moment after its own `now`. One that opens later than that was
    /// left behind by a clock that went back; it would refuse for as long as the clock went.
    fn is_open(self, now: Timestamp) -> bool {
        now.as_millis().abs_diff(self.opened) < millis(WINDOW)
    }

    fn status(self, limit: NonZeroU32) -> LimitStatus {
        let opened = Timestamp::from_epoch(Duration::from_millis(self.opened));
        let remaining = limit.get().saturating_sub(self.used);
        LimitStatus { limit, remaining, until: opened.plus(WINDOW) }
    }
}

/// Changes what is counted in the window under way, and gives it as it is then; as it was where
/// `change` gives nothing. Who finds that another was faster looks again.
fn update_window(
    store: &dyn SharedStore,
    key: &str,
    now: Timestamp,
    change: impl Fn(u32) -> Option<u32>,
) -> Result<Window, Window> {
    let mut window = Window::open(now);
    for _ in 0..MAX_RACES {
        let (found, version) = read_window(store, key, now);
        let used = change(found.used).ok_or(found)?;
        window = Window { used, ..found };
        if store.set(key, &window.to_bytes(), version).is_ok() {
            break;
        }
    }
    Ok(window)
}

/// A race is lost to a thread that was counted, so one after the other comes through. Only a
/// store that is out of order loses as many: better one uncounted than one stuck.
const MAX_RACES: u32 = 10_000;

/// The window under way, and the version of what stands in the store. What makes no sense there
/// is as good as nothing.
fn read_window(store: &dyn SharedStore, key: &str, now: Timestamp) -> (Window, Option<u32>) {
    let (bytes, version) = store.get(key).unzip();
    let window = bytes.and_then(|bytes| Window::from_bytes(&bytes));
    (window.filter(|window| window.is_open(now)).unwrap_or(Window::open(now)), version)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_window_is_twelve_bytes() {
        let window = Window { opened: 0x0102_0304_0506_0708, used: 0x090a_0b0c };
        assert_eq!(window.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(Window::from_bytes(&window.to_bytes()), Some(window));
        for length in (0..40).filter(|length| *length != 12) {
            assert_eq!(Window::from_bytes(&vec![7; length]), None, "{length} bytes");
        }
    }

    #[test]
    fn headers_are_the_documented_five() {
        let limit = NonZeroU32::new(30).unwrap();
        let at = |millis| Timestamp::from_epoch(Duration::from_millis(millis));
        let status = LimitStatus { limit, remaining: 29, until: at(159_001) };
        let expected = [
            ("x-ratelimit-limit", "30"),
            ("x-ratelimit-remaining", "29"),
            ("x-ratelimit-reset", "60"),
            ("x-ratelimit-model", "gpt-5"),
            ("x-ratelimit-service", "llmgw"),
        ];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(status.headers("gpt-5", at(100_000)), expected);
        assert_eq!(status.left(at(99_000)), WINDOW);
        assert_eq!(status.left(at(200_000)), Duration::ZERO);
        assert_eq!(LimitStatus::parse(&status.to_string()), Some(status));
        for text in ["", "30", "30/29", "0/0/1", "30/-1/1", "30/29/x"] {
            assert_eq!(LimitStatus::parse(text), None, "{text}");
        }
    }
}
