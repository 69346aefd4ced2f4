//! Price of a model's tokens.

use super::{
    read::{ObjectReader, ValueReader},
    table::{ValueType, object_table, optional, required},
};
use crate::chat::price::Price;

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

/// Millionths in one.
const MILLION: f64 = 1_000_000.0;

/// Reads `price`. Millionths of one USD per million tokens are pico-USD per token.
pub(super) fn read_price(entry: ObjectReader<'_>) -> Price {
    let price = |key| entry.get(key).map(|value| read_millionths(&value));
    let input = price("input").unwrap_or_default();
    let output = price("output").unwrap_or_default();
    let cached_input = price("cached_input").unwrap_or(input);
    let cache_write = price("cache_write").unwrap_or(input);
    entry.finish();
    Price { input, cached_input, cache_write, output }
}

/// Reads a number with at most six decimals, and returns its millionths.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
pub(super) fn read_millionths(value: &ValueReader<'_>) -> u64 {
    let exact = value.decimal() * MILLION;
    // Most decimal fractions are inexact in binary; a difference this small comes from that alone.
    if (exact - exact.round()).abs() > 0.001 {
        value.wrong("a number with at most six decimals");
    }
    exact.round() as u64
}
