//! Mistakes in a configuration: their messages, and the list that collects them.

use std::{cell::RefCell, fmt};

use serde_json::Value;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Keys from the top, as in `models.gpt-5.regions.us.provider`.
    pub path: String,
    /// Kind of the mistake.
    pub problem: Problem,
}

/// Kind of a mistake, with the values that would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A required key is missing.
    Missing {
        /// Allowed values.
        allowed: String,
    },
    /// A key does not exist in this object.
    UnknownKey {
        /// Keys that exist.
        allowed: String,
    },
    /// A value is not allowed.
    Wrong {
        /// The value, shortened.
        found: String,
        /// Allowed values.
        allowed: String,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the file" } else { &self.path };
        match &self.problem {
            Problem::Missing { allowed } => write!(f, "{path}: missing, allowed: {allowed}"),
            Problem::UnknownKey { allowed } => write!(f, "{path}: unknown key, allowed: {allowed}"),
            Problem::Wrong { found, allowed } => {
                write!(f, "{path}: found {found}, allowed: {allowed}")
            }
        }
    }
}

/// List of the mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(RefCell<Vec<Invalid>>);

impl Mistakes {
    /// Adds a mistake.
    pub fn add(&self, path: &str, problem: Problem) {
        self.0.borrow_mut().push(Invalid { path: path.to_owned(), problem });
    }

    /// Returns the number of mistakes.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// Returns all mistakes, in the order in which they were found.
    pub fn into_inner(self) -> Vec<Invalid> {
        self.0.into_inner()
    }
}

/// Returns words in backticks, separated by commas.
pub fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Returns a value as messages show it: shortened, and an object or list only by its type.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => quoted(text),
        other => format!("`{other}`"),
    }
}

/// Returns a text as messages show it, in one line. A text that looks like a number or another value
/// of JSON keeps its quotes: `"8080"` differs from `8080`.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(MAX_SHOWN_CHARS).map(plain).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        short.push('…');
    }
    let is_json = text.is_empty() || serde_json::from_str::<Value>(text).is_ok();
    if is_json { format!("`\"{short}\"`") } else { format!("`{short}`") }
}

/// Maximum number of characters of a value that a message shows.
const MAX_SHOWN_CHARS: usize = 60;
