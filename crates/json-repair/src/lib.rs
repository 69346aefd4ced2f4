#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

// Entry points: `repair` for a complete text, `Stream` for a text that arrives in pieces.
mod stream;
mod whole;

// The common path: the search for a document (past prose, code fences, tags and reasoning), and the
// parser of damaged JSON, which writes JSON. A reach and a budget of work bound all lookahead.
mod find;
mod lookahead;
mod parser;
mod work_budget;

// The expected shape of a document, and the conversion of its values to the types of a schema.
mod coerce;
mod schema;

// The result: flaws that were repaired, or the reason of a failure.
mod report;

// Valid JSON, characters in the place of those that JSON has, the literals of other languages, and documents that are escaped as a whole.
mod literals;
mod strict;
mod typography;
mod unescape;

use std::{borrow::Cow, rc::Rc};

pub use crate::{
    report::{Failure, Flaw, FlawKind, MAX_FLAWS, Report},
    schema::{ExpectedShape, RootKind, Schema},
    stream::{MAX_BUFFERED, Stream},
    strict::is_json,
};

/// Repairs the JSON in a complete text.
///
/// Returns the JSON and the flaws that were repaired. JSON that is valid and has the expected shape
/// is borrowed from `text`, byte for byte, with an empty report.
///
/// # Errors
///
/// [`Failure::NoJson`] if the text holds no JSON, [`Failure::Unrepairable`] if a repair would be a
/// guess.
pub fn repair<'t>(text: &'t str, shape: &ExpectedShape) -> Result<(Cow<'t, str>, Report), Failure> {
    let (json, mut report) = whole::repair(text, shape.root)?;
    let Some(schema) = &shape.schema else { return Ok((json, report)) };
    let mut coercer = coerce::Coercer::new(Rc::clone(schema));
    let mut out = Vec::with_capacity(json.len());
    coercer.feed(json.as_bytes(), &mut out);
    let coercions = coercer.finish(&mut out);
    if coercions.is_empty() {
        return Ok((json, report));
    }
    report.append(&coercions);
    match whole::checked_utf8(out) {
        Some(json) => Ok((Cow::Owned(json), report)),
        None => Err(Failure::Unrepairable),
    }
}

#[cfg(test)]
mod tests;
