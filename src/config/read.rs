//! Walking a configuration document: every mistake is kept, with its path, what was found and what
//! is allowed, so that one run shows them all.

use std::{
    cell::RefCell, collections::BTreeMap, fmt, num::NonZeroU32, ops::RangeInclusive, time::Duration,
};

use serde_json::{Map, Value};

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Keys from the top, as in `models.gpt-5.regions.us.provider`.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A key that must be there is not.
    Missing {
        /// What would be right.
        allowed: String,
    },
    /// A key that means nothing here.
    UnknownKey {
        /// The keys that mean something.
        allowed: String,
    },
    /// A value that cannot be.
    Wrong {
        /// The value, shortened.
        found: String,
        /// What would be right.
        allowed: String,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.problem {
            Problem::Missing { allowed } => write!(f, "{path}: missing, allowed: {allowed}"),
            Problem::UnknownKey { allowed } => write!(f, "{path}: unknown key, allowed: {allowed}"),
            Problem::Wrong { found, allowed } => {
                write!(f, "{path}: found {found}, allowed: {allowed}")
            }
        }
    }
}

/// The shortest deadline Envoy can keep, and one longer than any answer takes: `5M` is months.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Mistakes(RefCell<Vec<Invalid>>);

impl Mistakes {
    /// Keeps one more.
    pub fn add(&self, path: &str, problem: Problem) {
        self.0.borrow_mut().push(Invalid { path: path.to_owned(), problem });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them, in the order they were met.
    pub fn into_inner(self) -> Vec<Invalid> {
        self.0.into_inner()
    }
}

/// A value in the document and where it stands. Reading one that is wrong gives a stand-in and
/// keeps the mistake: whoever reads goes on, and the result is thrown away at the end.
#[derive(Clone, Debug)]
pub struct ValueReader<'d> {
    value: &'d Value,
    path: String,
    mistakes: &'d Mistakes,
}

impl<'d> ValueReader<'d> {
    /// The document itself.
    pub fn root(value: &'d Value, mistakes: &'d Mistakes) -> Self {
        Self { value, path: String::new(), mistakes }
    }

    /// The value itself.
    pub fn value(&self) -> &'d Value {
        self.value
    }

    /// Keeps a mistake at this place.
    pub fn wrong(&self, allowed: impl Into<String>) {
        self.wrong_as(shown(self.value), allowed);
    }

    /// Keeps a mistake at this place, in other words than the value's own.
    #[inline(never)]
    pub fn wrong_as(&self, found: impl Into<String>, allowed: impl Into<String>) {
        let (found, allowed) = (found.into(), allowed.into());
        self.mistakes.add(&self.path, Problem::Wrong { found, allowed });
    }

    /// How many mistakes there are so far, here and elsewhere.
    pub fn mistake_count(&self) -> usize {
        self.mistakes.count()
    }

    /// An object with keys of fixed names.
    #[inline(never)]
    pub fn object(&self) -> ObjectReader<'d> {
        let fields = self.value.as_object();
        if fields.is_none() {
            self.wrong("an object");
        }
        ObjectReader { fields, path: self.path.clone(), mistakes: self.mistakes, known: Vec::new() }
    }

    /// An object whose keys are names the operator chose.
    #[inline(never)]
    pub fn entries(&self) -> Vec<(&'d str, ValueReader<'d>)> {
        let Some(fields) = self.value.as_object() else {
            self.wrong("an object, name to entry");
            return Vec::new();
        };
        fields.iter().map(|(name, value)| (name.as_str(), self.child(name, value))).collect()
    }

    /// The items of a list.
    #[inline(never)]
    pub fn list(&self) -> Vec<ValueReader<'d>> {
        let Some(items) = self.value.as_array() else {
            self.wrong("a list");
            return Vec::new();
        };
        let item = |(index, value)| ValueReader {
            path: format!("{}[{index}]", self.path),
            value,
            ..*self
        };
        items.iter().enumerate().map(item).collect()
    }

    /// A string that is not empty.
    #[inline(never)]
    pub fn string(&self) -> String {
        let text = self.value.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).unwrap_or_else(|| {
            self.wrong("a string");
            String::new()
        })
    }

    /// `true` or `false`.
    #[inline(never)]
    pub fn bool(&self) -> bool {
        self.value.as_bool().unwrap_or_else(|| {
            self.wrong("`true` or `false`");
            false
        })
    }

    /// A whole number within bounds, both included.
    #[inline(never)]
    pub fn number(&self, least: u32, most: u32) -> u32 {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            self.wrong(format!("a whole number from {least} to {most}"));
            least
        })
    }

    /// A whole number that is at least 1.
    pub fn positive(&self) -> NonZeroU32 {
        NonZeroU32::new(self.number(1, u32::MAX)).unwrap_or(NonZeroU32::MIN)
    }

    /// A number within bounds, both included.
    #[inline(never)]
    pub fn decimal(&self, least: f64, most: f64) -> f64 {
        self.value.as_f64().filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            self.wrong(format!("a number from {least} to {most}"));
            least
        })
    }

    /// A span of time such as `500ms` or `20s`.
    #[inline(never)]
    pub fn duration(&self) -> Duration {
        let span = self.value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        span.filter(|span| DURATIONS.contains(span)).unwrap_or_else(|| {
            self.wrong("a duration from `1ms` to `24h`, such as `500ms`, `20s` or `5m`");
            Duration::ZERO
        })
    }

    /// A day of the calendar.
    pub fn date(&self) -> String {
        let text = self.value.as_str().unwrap_or_default();
        // The parser would take a time in the place of our own.
        let is_short = text.len() == "YYYY-MM-DD".len();
        if !is_short || humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).is_err() {
            self.wrong("a date, `YYYY-MM-DD`");
        }
        text.to_owned()
    }

    /// A name that must be a key of `known`. That `known` is empty is a mistake of its own.
    pub fn name_in<T>(&self, known: &BTreeMap<String, T>) -> String {
        let name = self.string();
        if !name.is_empty() && !known.is_empty() && !known.contains_key(&name) {
            self.wrong(one_of(known.keys().map(String::as_str)));
        }
        name
    }

    /// Keeps a mistake in the name of this entry itself.
    pub fn wrong_name(&self, name: &str, allowed: impl Into<String>) {
        self.wrong_as(format!("the name {}", quoted(name)), allowed);
    }

    /// One of some words: what `parse` makes of it.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.value.as_str().unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.wrong(one_of(words.iter().map(|(word, _)| *word)));
        }
        found
    }

    /// A list of some words, without repetition.
    pub fn words<T: Copy + PartialEq>(&self, words: &[(&str, T)]) -> Vec<T> {
        let mut found = Vec::new();
        for item in self.list() {
            match item.word(words) {
                Some(meaning) if found.contains(&meaning) => item.wrong("each word once"),
                Some(meaning) => found.push(meaning),
                None => {}
            }
        }
        found
    }

    fn child(&self, key: &str, value: &'d Value) -> ValueReader<'d> {
        ValueReader { value, path: joined(&self.path, key), mistakes: self.mistakes }
    }
}

/// An object being read. Dropping it without [`Object::finish`] would let unknown keys pass.
#[derive(Debug)]
#[must_use]
pub struct ObjectReader<'d> {
    fields: Option<&'d Map<String, Value>>,
    path: String,
    mistakes: &'d Mistakes,
    known: Vec<&'static str>,
}

impl<'d> ObjectReader<'d> {
    /// What stands under a key that may be absent. `null` is absent.
    #[inline(never)]
    pub fn optional(&mut self, key: &'static str) -> Option<ValueReader<'d>> {
        self.known.push(key);
        let value = self.fields?.get(key).filter(|value| !value.is_null())?;
        Some(ValueReader { value, path: joined(&self.path, key), mistakes: self.mistakes })
    }

    /// What stands under a key that must be there.
    #[inline(never)]
    pub fn required(&mut self, key: &'static str, allowed: &str) -> Option<ValueReader<'d>> {
        let node = self.optional(key);
        if node.is_none() && self.fields.is_some() {
            let problem = Problem::Missing { allowed: allowed.to_owned() };
            self.mistakes.add(&joined(&self.path, key), problem);
        }
        node
    }

    /// Keeps a mistake under a key, whether or not something stands there.
    pub fn wrong(&self, key: &str, allowed: impl Into<String>) {
        let (path, allowed) = (joined(&self.path, key), allowed.into());
        let problem = match self.fields.and_then(|fields| fields.get(key)) {
            None | Some(Value::Null) => Problem::Missing { allowed },
            Some(value) => Problem::Wrong { found: shown(value), allowed },
        };
        self.mistakes.add(&path, problem);
    }

    /// Keeps a mistake for every key that nobody asked for.
    #[inline(never)]
    pub fn finish(self) {
        for key in self.fields.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&key.as_str()) {
                let problem = Problem::UnknownKey { allowed: one_of(self.known.iter().copied()) };
                self.mistakes.add(&joined(&self.path, key), problem);
            }
        }
    }
}

/// Words in backticks, separated by commas.
pub fn one_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A value as a message shows it: short, and of an object or list only that it is one.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(items) if items.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => quoted(text),
        other => format!("`{other}`"),
    }
}

/// A text as a message shows it, in one line. One that could be a number or a word of JSON is told
/// apart from it: `"8080"` is not `8080`.
fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    let is_json = text.is_empty() || serde_json::from_str::<Value>(text).is_ok();
    if is_json { format!("`\"{short}\"`") } else { format!("`{short}`") }
}

/// The most characters of a value that a message shows.
const SHOWN: usize = 60;
