//! What a model costs.

use super::read::{ObjectReader, ValueReader};
use crate::chat::usage::Usage;

/// Prices of one model's tokens, each in pico-USD: a millionth of what a million of them cost in
/// micro-USD, so that no price with up to six decimals loses anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A token of the prompt.
    input: u64,
    /// One that was read from a cache.
    cached_input: u64,
    /// One that was written to a cache.
    cache_write: u64,
    /// A token of the answer, reasoning included.
    output: u64,
}

/// The highest price, in USD per million tokens: a dollar a token is nobody's.
const MOST: f64 = 1_000_000.0;

/// Decimals of a price in USD per million tokens that make a whole number of pico-USD per token.
const DECIMALS: f64 = 1_000_000.0;

impl Price {
    /// Reads `price`.
    pub(super) fn read(node: &ValueReader<'_>) -> Self {
        let mut entry = node.object();
        let input = required(&mut entry, "input");
        let output = required(&mut entry, "output");
        let mut otherwise = |key| entry.optional(key).map_or(input, |node| per_token(&node));
        let (cached_input, cache_write) = (otherwise("cached_input"), otherwise("cache_write"));
        entry.finish();
        Self { input, cached_input, cache_write, output }
    }

    /// What an answer cost, in pico-USD.
    pub fn cost(&self, usage: &Usage) -> u64 {
        let plain = usage.prompt.saturating_sub(usage.cached).saturating_sub(usage.cache_written);
        let parts = [
            (plain, self.input),
            (usage.cached, self.cached_input),
            (usage.cache_written, self.cache_write),
            (usage.completion, self.output),
        ];
        let cost = |(tokens, price): (u64, u64)| tokens.saturating_mul(price);
        parts.into_iter().map(cost).fold(0, u64::saturating_add)
    }
}

fn required(entry: &mut ObjectReader<'_>, key: &'static str) -> u64 {
    let node = entry.required(key, "USD per million tokens");
    node.map(|node| per_token(&node)).unwrap_or_default()
}

/// A price in pico-USD per token, from one in USD per million tokens.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn per_token(node: &ValueReader<'_>) -> u64 {
    let exact = node.decimal(0.0, MOST) * DECIMALS;
    // A decimal fraction is no binary one: what it lost by that is no decimal of its own.
    if (exact - exact.round()).abs() > 0.001 {
        node.wrong("a number with at most six decimals");
    }
    exact.round() as u64
}
