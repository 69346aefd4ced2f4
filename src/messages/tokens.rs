//! Counts of tokens. Claude API reference, *Messages*, `usage`.

use crate::{
    chat::usage::{Usage, write_cost},
    json::Object,
    usd::Usd,
};

/// Writes `usage`. `input_tokens` lacks the tokens that were read from a cache or written to one.
pub(super) fn write_usage(out: &mut Vec<u8>, usage: &Usage, cost: Option<Usd>) {
    let cached = usage.cached.saturating_add(usage.cache_written);
    let mut object = Object::open(out);
    object
        .value("input_tokens", &usage.prompt.saturating_sub(cached))
        .value("cache_creation_input_tokens", &usage.cache_written)
        .value("cache_read_input_tokens", &usage.cached)
        .value("output_tokens", &usage.completion);
    if usage.reasoning > 0 {
        object.object("output_tokens_details", |details| {
            details.value("thinking_tokens", &usage.reasoning);
        });
    }
    write_cost(cost, &mut object);
    object.close();
}
