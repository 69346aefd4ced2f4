//! Mends the JSON that a model wrote: in a whole text, or while it streams.
//!
//! What is valid is left alone to the byte. What is not is read once, forward, by a reader that
//! knows what models get wrong, and written as JSON. Where only a guess would help, it gives up.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod coerce;
mod find;
mod literals;
mod lookahead;
mod parser;
mod report;
mod schema;
mod stream;
mod strict;
mod unescape;
mod whole;
mod work_budget;

use std::{borrow::Cow, rc::Rc};

pub use crate::{
    report::{FlawKind, MAX_FLAWS, Report},
    schema::Schema,
    stream::{MAX_BUFFERED, Stream},
    strict::is_json,
    whole::{Failure, RootKind},
};

/// What a document is to be, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct ExpectedShape {
    /// An object, an array, or either.
    pub root: RootKind,
    /// What its values are to be.
    pub schema: Option<Rc<Schema>>,
}

impl ExpectedShape {
    /// What a schema says.
    pub fn from_schema(json: &str) -> Self {
        let schema = Schema::parse(json).map(Rc::new);
        let root = schema.as_ref().map(|schema| schema.root_kind()).unwrap_or_default();
        Self { root, schema }
    }

    /// The same, where only an object makes sense.
    pub fn with_object_root(self) -> Self {
        Self { root: RootKind::Object, ..self }
    }
}

impl From<RootKind> for ExpectedShape {
    fn from(root: RootKind) -> Self {
        Self { root, schema: None }
    }
}

/// Mends a text. JSON that is what it is to be comes back as it is, with an empty report.
pub fn repair<'t>(text: &'t str, guide: &ExpectedShape) -> Result<(Cow<'t, str>, Report), Failure> {
    let (json, mut report) = whole::repair(text, guide.root)?;
    let Some(schema) = &guide.schema else { return Ok((json, report)) };
    let mut coercion = coerce::Coercer::new(Rc::clone(schema));
    let mut out = Vec::with_capacity(json.len());
    coercion.feed(json.as_bytes(), &mut out);
    coercion.finish(&mut out);
    if coercion.report.is_empty() {
        return Ok((json, report));
    }
    report.append(&coercion.report);
    let out = String::from_utf8(out).map_err(|_| Failure::Unrepairable)?;
    if is_json(out.as_bytes()) { Ok((Cow::Owned(out), report)) } else { Err(Failure::Unrepairable) }
}

#[cfg(test)]
mod tests;
