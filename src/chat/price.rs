//! Prices of tokens.

use super::usage::Usage;
use crate::{json::Object, usd::Usd};

/// Prices of one model's tokens, each in pico-USD per token. One USD per million tokens is a million
/// pico-USD per token, so a price with up to six decimals is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Price of a prompt token.
    pub input: u64,
    /// Price of a prompt token read from a cache.
    pub cached_input: u64,
    /// Price of a prompt token written to a cache.
    pub cache_write: u64,
    /// Price of a completion token, reasoning included.
    pub output: u64,
}

/// Pico-USD per token in one USD per million tokens.
const PICO_USD_PER_TOKEN: f64 = 1_000_000.0;

impl Price {
    /// Writes the prices in USD per million tokens, under the names of AssemblyAI's catalogue.
    pub fn write(&self, object: &mut Object<'_>) {
        for (key, price) in [
            ("prompt", self.input),
            ("completions", self.output),
            ("input_cache_read", self.cached_input),
            ("input_cache_write", self.cache_write),
        ] {
            object.value(key, &to_usd(price));
        }
    }

    /// Returns the cost of a response, in pico-USD.
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

    /// Returns the cost of a response whose usage is known.
    pub fn cost_of(&self, usage: Option<&Usage>) -> Option<Usd> {
        usage.map(|usage| Usd::from_pico(self.cost(usage)))
    }
}

/// Returns USD per million tokens.
#[expect(clippy::cast_precision_loss, reason = "a price has at most twelve digits")]
fn to_usd(pico_usd: u64) -> f64 {
    pico_usd as f64 / PICO_USD_PER_TOKEN
}
