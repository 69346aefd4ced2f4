//! Limits of an account per model and minute, and its budget. The configuration has the limits, and a
//! store that all worker threads of an Envoy share has the counts.

pub mod budget;
mod protobuf;
pub mod service;

use std::{fmt, num::NonZeroU32, time::Duration};

use self::{budget::BudgetStatus, service::RateLimitResponse};
use crate::{
    config::{
        Config,
        limits::Rate,
        rate_limit::{RateLimitService, UnreachablePolicy},
    },
    time::{Timestamp, millis},
};

/// Length of a window. "Requests within a 60-second window": LLM Gateway overview, *Rate limits*.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Store whose values all worker threads share. Each value has a version, which changes with it.
pub trait SharedStore: fmt::Debug {
    /// Returns the value of a key, and its version. `None` if the key has never had a value.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets the value of a key whose version is still this one. `None` is the version of a key without
    /// a value.
    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict>;
}

/// Store that keeps nothing.
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

/// Conflict of two writers: another thread has set the value meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CasConflict;

/// Verdict about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request may be made. The account has no limit.
    Unlimited,
    /// The rate limit service has to be asked, with this message. [`apply_service_answer`] takes its
    /// answer.
    Ask(Vec<u8>),
    /// The request may be made, and is counted.
    Admit(LimitStatus),
    /// The request may not be made, and is not counted.
    Refuse {
        /// State of the limit that is exceeded.
        status: LimitStatus,
        /// Quantity that the limit counts.
        exceeded: Counted,
    },
    /// The request may not be made, and is not counted: the budget of the account is used up.
    OverBudget(BudgetStatus),
    /// The request may not be made: the service does not answer, and the operator wants no count
    /// without the service.
    Unknown,
}

/// Quantity that a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Requests, counted before they are made.
    Requests,
    /// Tokens, counted after they were spent.
    Tokens,
    /// Cost of a budget, counted after it was spent.
    Cost,
}

impl Counted {
    /// Returns the word for keys of the store and for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
        }
    }
}

/// State of an account's limit for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    /// Highest count in a window.
    pub limit: NonZeroU32,
    /// Rest of it in the window under way.
    pub remaining: u32,
    /// End of that window.
    pub until: Timestamp,
}

impl LimitStatus {
    /// Returns the time until the window ends. A window that another thread opened a moment after
    /// `now` has a minute, and no more.
    pub fn left(&self, now: Timestamp) -> Duration {
        self.until.since(now).min(WINDOW)
    }

    /// Returns the headers of every answer. LLM Gateway overview, *Rate limits*. Seconds are rounded
    /// up, so that a client that waits as long is admitted.
    pub fn headers(&self, model: &str, now: Timestamp) -> [(&'static str, String); 5] {
        [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", self.left(now).as_millis().div_ceil(1000).to_string()),
            ("x-ratelimit-model", model.to_owned()),
            ("x-ratelimit-service", "llmgw".to_owned()),
        ]
    }

    /// Reads the text that [`fmt::Display`] wrote, which tickets carry.
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

/// Returns the verdict about a request of an account for a model, and counts an admitted one.
pub fn admit(
    config: &Config,
    account: &str,
    model: &str,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Verdict {
    let budget = BudgetStatus::read(config, account, store, now);
    if let Some(status) = budget.filter(BudgetStatus::is_used_up) {
        return Verdict::OverBudget(status);
    }
    let tokens = token_status(config, account, model, store, now);
    if let Some(status) = tokens.filter(|status| status.remaining == 0) {
        return Verdict::Refuse { status, exceeded: Counted::Tokens };
    }
    match (config.limits(account, model).requests, &config.rate_limit) {
        (Rate::Unlimited, _) => Verdict::Unlimited,
        (Rate::UpTo(limit), Some(RateLimitService { domain, .. })) => {
            Verdict::Ask(service::request(domain, account, model, limit))
        }
        (Rate::UpTo(limit), None) => {
            admit_request(store, &key(Counted::Requests, account, model), limit, now)
        }
        // The plan refuses such a request earlier.
        (Rate::Nothing, _) => {
            let (limit, until) = (NonZeroU32::MIN, now.plus(WINDOW));
            let status = LimitStatus { limit, remaining: 0, until };
            Verdict::Refuse { status, exceeded: Counted::Requests }
        }
    }
}

/// Returns the verdict as [`admit`] does, without asking the rate limit service: requests are counted
/// in `store` instead, whatever the service's policy is. For callers that cannot wait.
pub fn admit_here(
    config: &Config,
    account: &str,
    model: &str,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Verdict {
    match (admit(config, account, model, store, now), config.limits(account, model).requests) {
        (Verdict::Ask(_), Rate::UpTo(limit)) => {
            admit_request(store, &key(Counted::Requests, account, model), limit, now)
        }
        (verdict, _) => verdict,
    }
}

/// Returns the verdict of the rate limit service's answer, after [`Verdict::Ask`]. `None`: no answer
/// came.
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
        (None, Some(UnreachablePolicy::Refuse)) => Verdict::Unknown,
        (None, _) => admit_request(store, &key(Counted::Requests, account, model), limit, now),
    }
}

/// Charges the tokens of an answer to an account that has a limit for them.
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

/// Returns the state of an account's limit of tokens for a model. `None`: no limit.
pub fn token_status(
    config: &Config,
    account: &str,
    model: &str,
    store: &dyn SharedStore,
    now: Timestamp,
) -> Option<LimitStatus> {
    let Rate::UpTo(limit) = config.limits(account, model).tokens else { return None };
    Some(limit_status(store, &key(Counted::Tokens, account, model), limit, now))
}

/// Returns the key of a count. Names contain no `/`, so no two pairs share a key.
fn key(counted: Counted, account: &str, model: &str) -> String {
    [counted.name(), account, model].join("/")
}

/// Counts a request, unless `limit` requests were counted in the window under way. The first request
/// after the end of a window opens the next.
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

/// Adds the cost of an answer, even over the limit: the cost is only known afterwards.
pub fn charge(store: &dyn SharedStore, key: &str, cost: u32, now: Timestamp) {
    let _window = update_window(store, key, now, |used| Some(used.saturating_add(cost)));
}

/// Returns the state of a limit. Nothing is counted.
pub fn limit_status(
    store: &dyn SharedStore,
    key: &str,
    limit: NonZeroU32,
    now: Timestamp,
) -> LimitStatus {
    let value = store.get(key).map(|(bytes, _)| bytes);
    Window::under_way(value.as_deref(), now).status(limit)
}

/// Window, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    /// Moment of its first request, in milliseconds since the Unix epoch.
    opened: u64,
    /// Count since then.
    used: u32,
}

impl Window {
    /// Creates a window in which nothing was counted.
    fn open(now: Timestamp) -> Self {
        Self { opened: now.as_millis(), used: 0 }
    }

    /// Returns twelve bytes, big-endian: `opened` (u64), then `used` (u32).
    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (opened, used) = bytes.split_at_mut(8);
        opened.copy_from_slice(&self.opened.to_be_bytes());
        used.copy_from_slice(&self.used.to_be_bytes());
        bytes
    }

    /// Reads the bytes that [`Self::to_bytes`] wrote. Other bytes are no window.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (opened, used) = bytes.split_first_chunk()?;
        let used = used.try_into().ok()?;
        Some(Self { opened: u64::from_be_bytes(*opened), used: u32::from_be_bytes(used) })
    }

    /// Returns the window under way. A value that is no window counts as none.
    fn under_way(bytes: Option<&[u8]>, now: Timestamp) -> Self {
        let window = bytes.and_then(Self::from_bytes);
        window.filter(|window| window.is_open(now)).unwrap_or(Self::open(now))
    }

    /// Returns `true` if the window is under way. A thread reads the clock before it reads the store, so
    /// it may find a window that another thread opened a moment after its own `now`. A window that opens
    /// later than a minute from now was left by a clock that went back, and would refuse requests for
    /// as long as the clock went back.
    fn is_open(self, now: Timestamp) -> bool {
        now.as_millis().abs_diff(self.opened) < millis(WINDOW)
    }

    fn status(self, limit: NonZeroU32) -> LimitStatus {
        let opened = Timestamp::from_epoch(Duration::from_millis(self.opened));
        let remaining = limit.get().saturating_sub(self.used);
        LimitStatus { limit, remaining, until: opened.plus(WINDOW) }
    }
}

/// Changes the count of the window under way, and returns the window. Returns the unchanged window as
/// an error if `change` returns `None`.
fn update_window(
    store: &dyn SharedStore,
    key: &str,
    now: Timestamp,
    change: impl Fn(u32) -> Option<u32>,
) -> Result<Window, Window> {
    let mut result = Ok(Window::open(now));
    update_slot(store, key, &mut |bytes| {
        let found = Window::under_way(bytes, now);
        result = change(found.used).map(|used| Window { used, ..found }).ok_or(found);
        result.ok().map(|window| window.to_bytes().to_vec())
    });
    result
}

/// Change of a value, which is absent at first. `None` leaves the value as it is.
type SlotChange<'c> = dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>> + 'c;

/// Changes the value of a key, unless `change` returns `None`. Starts again if another thread was
/// faster.
fn update_slot(store: &dyn SharedStore, key: &str, change: &mut SlotChange<'_>) {
    for _ in 0..MAX_RACES {
        let (bytes, version) = store.get(key).unzip();
        let Some(value) = change(bytes.as_deref()) else { return };
        if store.set(key, &value, version).is_ok() {
            return;
        }
    }
}

/// Highest number of lost races. A race is lost to a thread that was counted, so each thread comes
/// through in the end. Only a broken store loses as many: an uncounted request is better than a stuck
/// worker.
const MAX_RACES: u32 = 10_000;

#[cfg(test)]
mod tests {
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
