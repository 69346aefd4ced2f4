//! Budgets: the cost of an account's answers in a period of the calendar, for all models together.
//!
//! The cost of an answer is known at its end only, so a budget refuses requests once it is used up, and
//! the answers under way may exceed it.

use std::time::Duration;

use super::{
    SharedStore, protobuf,
    service::{self, MINUTE, RateLimitResponse},
    update_slot,
};
use crate::{
    chat::error::Error,
    config::{
        Config,
        budget::{Budget, BudgetPeriod},
        rate_limit::RateLimitService,
    },
    time::Timestamp,
    usd::Usd,
};

/// State of an account's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetStatus {
    /// Budget.
    pub budget: Budget,
    /// Cost of the answers in the period under way.
    pub spent: Usd,
    /// End of that period.
    pub until: Timestamp,
}

impl BudgetStatus {
    /// Returns the state of an account's budget. `None`: it has none.
    pub fn read(
        config: &Config,
        account: &str,
        store: &dyn SharedStore,
        now: Timestamp,
    ) -> Option<Self> {
        let budget = config.budget(account)?;
        let value = store.get(&key(account)).map(|(bytes, _)| bytes);
        let spent = Spending::under_way(value.as_deref(), budget.period, now).spent;
        Some(Self { budget, spent, until: end(budget.period, now) })
    }

    /// Returns `true` if nothing is left of the budget.
    pub fn is_used_up(&self) -> bool {
        self.spent >= self.budget.amount
    }

    /// Returns the error of a request that the budget refuses.
    pub fn error(&self, now: Timestamp) -> Error {
        let Self { budget: Budget { amount, period }, until, .. } = *self;
        let retry_after = until.since(now);
        Error::OverBudget { amount, period: period.name(), until, retry_after }
    }
}

/// Charges the cost of an answer to the budget of an account that has one. Returns the report for the
/// rate limit service, if there is one.
pub fn charge(
    config: &Config,
    account: &str,
    cost: Usd,
    store: &dyn SharedStore,
    now: impl FnOnce() -> Timestamp,
) -> Option<SpendingReport> {
    let budget = config.budget(account).filter(|_| cost > Usd::default())?;
    let now = now();
    let mut charged = None;
    update_slot(store, &key(account), &mut |bytes| {
        let found = Spending::under_way(bytes, budget.period, now);
        let after = Spending { spent: found.spent.plus(cost), ..found };
        charged = Some((found, after));
        Some(after.to_bytes().to_vec())
    });
    let (before, after) = charged?;
    SpendingReport::new(config.rate_limit.as_ref()?, account, budget, before, after)
}

/// Unit in which the rate limit service counts: its numbers have 32 bits, and this one lets them hold
/// four million USD.
const UNIT: u64 = 1_000_000_000;

/// Report of an account's spending to the rate limit service, which several Envoys share. Its answer has
/// the spending of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendingReport {
    /// Message for the service.
    pub message: Vec<u8>,
    /// Deadline of the call.
    pub timeout: Duration,
    account: String,
    period: BudgetPeriod,
    /// Budget in units.
    limit: u32,
    /// Beginning of the period, in milliseconds since the Unix epoch.
    began: u64,
}

impl SpendingReport {
    /// Creates the report of a change. `None` for one that does not complete a unit: a later one
    /// reports the rest.
    fn new(
        service: &RateLimitService,
        account: &str,
        budget: Budget,
        before: Spending,
        after: Spending,
    ) -> Option<Self> {
        let units = |spending: Spending| spending.spent.as_pico() / UNIT;
        let hits = to_u32(units(after).saturating_sub(units(before)));
        if hits == 0 {
            return None;
        }
        let (period, began) = (budget.period, after.began);
        let limit = to_u32(budget.amount.as_pico().div_ceil(UNIT));
        let begin = Timestamp::from_epoch(Duration::from_millis(began)).to_rfc3339();
        let entries = [("account", account), ("budget", period.name()), ("begin", &begin)];
        let own = protobuf::RateLimit { requests_per_unit: limit, unit: service_unit(period) };
        let message = service::encode(&service.domain, &entries, own, hits);
        let account = account.to_owned();
        Some(Self { message, timeout: service.timeout, account, period, limit, began })
    }

    /// Takes in the answer of the service: the account has spent what all Envoys have reported, and
    /// what this one has not reported yet.
    pub fn apply(&self, answer: &RateLimitResponse, store: &dyn SharedStore, now: Timestamp) {
        let Some(used) = answer.used(self.limit) else { return };
        update_slot(store, &key(&self.account), &mut |bytes| {
            let found = Spending::under_way(bytes, self.period, now);
            let reported = Usd::from_pico(u64::from(used).saturating_mul(UNIT));
            let spent = reported.plus(Usd::from_pico(found.spent.as_pico() % UNIT));
            let is_news = found.began == self.began && spent > found.spent;
            is_news.then(|| Spending { spent, ..found }.to_bytes().to_vec())
        });
    }
}

/// Returns the unit of time that the service has for a period, `RateLimitUnit`. Its months have 30 days;
/// the entry `begin` ends a year at the end of a month.
fn service_unit(period: BudgetPeriod) -> i32 {
    match period {
        BudgetPeriod::Minute => MINUTE,
        BudgetPeriod::Hour => 3,
        BudgetPeriod::Day => 4,
        BudgetPeriod::Month => 6,
    }
}

fn to_u32(number: u64) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}

/// Returns the key of an account's spending. No count has a name with one `/`.
fn key(account: &str) -> String {
    ["budget/", account].concat()
}

/// Spending of an account in a period, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spending {
    /// Beginning of the period, in milliseconds since the Unix epoch.
    began: u64,
    spent: Usd,
}

impl Spending {
    /// Returns the spending in the period under way. A value that is none counts as nothing spent.
    fn under_way(bytes: Option<&[u8]>, period: BudgetPeriod, now: Timestamp) -> Self {
        let began = begin(period, now).as_millis();
        // Another thread may have begun the next period a moment after this one has read the clock.
        // A beginning that lies further ahead was left by a clock that went back.
        let latest = now.plus(MAX_AHEAD).as_millis();
        match bytes.and_then(Self::from_bytes) {
            Some(next) if (now.as_millis()..=latest).contains(&next.began) => next,
            // A budget of another period may have left a later beginning.
            Some(found) if (began..=latest).contains(&found.began) => Self { began, ..found },
            _ => Self { began, spent: Usd::default() },
        }
    }

    /// Returns sixteen bytes, big-endian: `began` (u64), then `spent` in pico-USD (u64).
    fn to_bytes(self) -> [u8; 16] {
        let numbers = u128::from(self.began) << 64 | u128::from(self.spent.as_pico());
        numbers.to_be_bytes()
    }

    /// Reads the bytes that [`Self::to_bytes`] wrote. Other bytes are no spending.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (began, spent) = bytes.split_first_chunk()?;
        let spent = Usd::from_pico(u64::from_be_bytes(spent.try_into().ok()?));
        Some(Self { began: u64::from_be_bytes(*began), spent })
    }
}

/// Time by which a period may begin after the moment that a thread has read.
const MAX_AHEAD: Duration = Duration::from_secs(60);

/// Returns the beginning of the period under way.
fn begin(period: BudgetPeriod, now: Timestamp) -> Timestamp {
    match seconds(period) {
        Some(length) => Timestamp::from_epoch(Duration::from_secs(now.as_secs() / length * length)),
        None => month_begin(now),
    }
}

/// Returns the end of the period under way.
fn end(period: BudgetPeriod, now: Timestamp) -> Timestamp {
    // No month is as long, and no two are as short.
    let next_month = Duration::from_secs(32 * DAY);
    let begin = begin(period, now);
    match seconds(period) {
        Some(length) => begin.plus(Duration::from_secs(length)),
        None => month_begin(begin.plus(next_month)),
    }
}

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Returns the length of a period. `None` for months, whose lengths differ.
fn seconds(period: BudgetPeriod) -> Option<u64> {
    match period {
        BudgetPeriod::Minute => Some(60),
        BudgetPeriod::Hour => Some(3_600),
        BudgetPeriod::Day => Some(DAY),
        BudgetPeriod::Month => None,
    }
}

/// Returns the beginning of a month.
fn month_begin(moment: Timestamp) -> Timestamp {
    let text = moment.to_rfc3339();
    let month = text.get(.."YYYY-MM".len()).unwrap_or_default();
    Timestamp::parse_rfc3339(&[month, "-01T00:00:00Z"].concat()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_those_of_the_calendar() {
        let (minute, hour) = (BudgetPeriod::Minute, BudgetPeriod::Hour);
        let (day, month) = (BudgetPeriod::Day, BudgetPeriod::Month);
        for (period, now, from, to) in [
            (minute, "2026-02-28T23:59:59Z", "2026-02-28T23:59:00Z", "2026-03-01T00:00:00Z"),
            (minute, "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:01:00Z"),
            (hour, "2026-12-31T23:00:00Z", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"),
            (day, "2024-02-28T12:30:00Z", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z"),
            (day, "2026-10-25T23:59:59Z", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z"),
            (month, "2026-02-28T23:59:59Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            (month, "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            (month, "2026-01-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
            (month, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            let moment = Timestamp::parse_rfc3339(now).unwrap();
            let found = [begin(period, moment), end(period, moment)].map(Timestamp::to_rfc3339);
            assert_eq!(found, [from, to], "{period:?} {now}");
        }
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_a_period_too() {
        let moment = Timestamp::from_epoch(Duration::MAX);
        for period in [BudgetPeriod::Minute, BudgetPeriod::Month] {
            assert!(begin(period, moment) <= moment, "{period:?}");
            assert!(end(period, moment) <= moment, "{period:?}");
        }
    }

    #[test]
    fn spending_of_a_shorter_period_belongs_to_the_longer_one() {
        let moment = |text| Timestamp::parse_rfc3339(text).unwrap();
        let now = moment("2026-02-28T12:00:00Z");
        let today =
            Spending { began: begin(BudgetPeriod::Day, now).as_millis(), spent: Usd::from_pico(7) };
        let found = Spending::under_way(Some(&today.to_bytes()), BudgetPeriod::Month, now);
        assert_eq!(found.spent, today.spent);
        assert_eq!(found.began, moment("2026-02-01T00:00:00Z").as_millis());
    }

    #[test]
    fn spending_is_sixteen_bytes() {
        let spending = Spending { began: 0x0102, spent: Usd::from_pico(0x0304) };
        let bytes = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4];
        assert_eq!(spending.to_bytes(), bytes);
        assert_eq!(Spending::from_bytes(&bytes), Some(spending));
        for length in (0..40).filter(|length| *length != 16) {
            assert_eq!(Spending::from_bytes(&vec![7; length]), None, "{length} bytes");
        }
    }
}
