//! Budget of an account.

use super::{
    price::read_millionths,
    read::ObjectReader,
    table::{ValueType::Decimal, object_table, required, word, words_of},
};
use crate::usd::Usd;

object_table! {
    /// Maximum of what the answers of an account may cost in a period.
    pub(super) static BUDGET = "budget" {
        /// Amount in USD, with at most six decimals.
        "usd": Decimal { least: 0.000_001, most: 1_000_000.0 }, required("an amount in USD");
        /// Period of the calendar, in UTC. The next one begins with the whole amount.
        "per": word(|| words_of(&BudgetPeriod::WORDS)), required("`minute`, `hour`, `day`, `month`");
    }
}

/// Maximum of what the answers of an account may cost in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Amount.
    pub amount: Usd,
    /// Period.
    pub period: BudgetPeriod,
}

/// Period of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetPeriod {
    /// From one full minute to the next.
    Minute,
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

impl BudgetPeriod {
    const WORDS: [(&'static str, Self); 4] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("month", Self::Month),
    ];

    /// Returns the word for the period.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl Budget {
    /// Pico-USD in a millionth of one USD.
    const PICO_PER_MILLIONTH: u64 = 1_000_000;

    /// Reads `budget`.
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let millionths = entry.get("usd").map(|value| read_millionths(&value)).unwrap_or_default();
        let period = entry.word("per", &BudgetPeriod::WORDS).unwrap_or(BudgetPeriod::Day);
        entry.finish();
        let pico_usd = millionths.saturating_mul(Self::PICO_PER_MILLIONTH);
        Self { amount: Usd::from_pico(pico_usd), period }
    }
}
