//! Price of a model's tokens.

use super::{
    read::{ObjectReader, ValueReader},
    table::{ValueType, object_table, optional, required},
};
use crate::{chat::usage::Usage, json::Object};

/// Type of a price: USD per million tokens. The maximum of one dollar per token is above every real
/// price.
const USD: ValueType = ValueType::Decimal { least: 0.0, most: 1_000_000.0 };

object_table! {
    /// Price of a model's tokens, in USD per million tokens with at most six decimals.
    pub(super) static PRICE = "price" {
        /// Price of prompt tokens.
        "input": USD, required("USD per million tokens");
        /// Price of completion tokens, reasoning included.
        "output": USD, required("USD per million tokens");
        /// Price of prompt tokens read from the provider's cache.
        "cached_input": USD, optional("as `input`");
        /// Price of prompt tokens written to the provider's cache.
        "cache_write": USD, optional("as `input`");
    }
}

/// Prices of one model's tokens, each in pico-USD per token. One USD per million tokens is a million
/// pico-USD per token, so a price with up to six decimals is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Price of a prompt token.
    input: u64,
    /// Price of a prompt token read from a cache.
    cached_input: u64,
    /// Price of a prompt token written to a cache.
    cache_write: u64,
    /// Price of a completion token, reasoning included.
    output: u64,
}

/// Pico-USD per token in one USD per million tokens.
const PICO_USD_PER_TOKEN: f64 = 1_000_000.0;

impl Price {
    /// Reads `price`.
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let price = |key| entry.get(key).map(|value| read_pico_usd(&value));
        let input = price("input").unwrap_or_default();
        let output = price("output").unwrap_or_default();
        let cached_input = price("cached_input").unwrap_or(input);
        let cache_write = price("cache_write").unwrap_or(input);
        entry.finish();
        Self { input, cached_input, cache_write, output }
    }

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
}

/// Returns USD per million tokens.
#[expect(clippy::cast_precision_loss, reason = "a price has at most twelve digits")]
fn to_usd(pico_usd: u64) -> f64 {
    pico_usd as f64 / PICO_USD_PER_TOKEN
}

/// Reads a price in USD per million tokens and returns pico-USD per token.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn read_pico_usd(value: &ValueReader<'_>) -> u64 {
    let exact = value.decimal() * PICO_USD_PER_TOKEN;
    // Most decimal fractions are inexact in binary; a difference this small comes from that alone.
    if (exact - exact.round()).abs() > 0.001 {
        value.wrong("a number with at most six decimals");
    }
    exact.round() as u64
}
