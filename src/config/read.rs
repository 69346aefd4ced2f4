//! Reading of a configuration document by its field tables. Every mistake is collected with its
//! path, the value found and the values allowed, so that one run reports all of them.

use std::{collections::BTreeMap, num::NonZeroU32, ops::RangeInclusive, time::Duration};

use serde_json::{Map, Value};

use super::{
    mistakes::{Mistakes, Problem, one_of, quoted, shown},
    table::{Field, ObjectTable, Presence, ValueType, words_of},
};
use crate::region::{PerRegion, Region};

/// Allowed durations: from the shortest deadline that Envoy can keep to one longer than any answer
/// takes. The upper bound refuses `5M`, which means months.
const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// Reader of one value. Reading a wrong value adds a mistake and returns a placeholder; the caller
/// continues, and the whole result is discarded at the end.
#[derive(Clone, Debug)]
pub struct ValueReader<'d> {
    value: &'d Value,
    path: String,
    /// Type that the table gives the value.
    value_type: ValueType,
    mistakes: &'d Mistakes,
}

impl<'d> ValueReader<'d> {
    /// Returns the reader of a whole document, an object with the fields of a table.
    pub fn root(value: &'d Value, table: &'static ObjectTable, mistakes: &'d Mistakes) -> Self {
        Self { value, path: String::new(), value_type: ValueType::Object(table), mistakes }
    }

    /// Returns the value itself.
    pub fn value(&self) -> &'d Value {
        self.value
    }

    /// Adds a mistake about this value.
    pub fn wrong(&self, allowed: impl Into<String>) {
        self.wrong_as(shown(self.value), allowed);
    }

    /// Adds a mistake about this value, with a description in place of the value.
    #[inline(never)]
    pub fn wrong_as(&self, found: impl Into<String>, allowed: impl Into<String>) {
        let (found, allowed) = (found.into(), allowed.into());
        self.mistakes.add(&self.path, Problem::Wrong { found, allowed });
    }

    /// Adds a mistake about the name of this entry.
    pub fn wrong_name(&self, name: &str, allowed: impl Into<String>) {
        self.wrong_as(format!("the name {}", quoted(name)), allowed);
    }

    /// Returns the number of mistakes in the document so far.
    pub fn mistake_count(&self) -> usize {
        self.mistakes.count()
    }

    /// Returns the reader of an object's fields.
    #[inline(never)]
    pub fn object(&self) -> ObjectReader<'d> {
        let fields = self.value.as_object();
        if fields.is_none() {
            self.wrong("an object");
        }
        let path = self.path.clone();
        ObjectReader { fields, path, table: self.table(), mistakes: self.mistakes }
    }

    /// Returns the entries of an object whose keys are names of the operator's choice.
    #[inline(never)]
    pub fn entries(&self) -> Vec<(&'d str, ValueReader<'d>)> {
        let Some(fields) = self.value.as_object() else {
            self.wrong("an object, name to entry");
            return Vec::new();
        };
        let value_type = match self.value_type {
            ValueType::Names(of) => ValueType::Name(of),
            _ => ValueType::Object(self.table()),
        };
        let child =
            |name: &str, value| Self { value, path: joined(&self.path, name), value_type, ..*self };
        fields.iter().map(|(name, value)| (name.as_str(), child(name, value))).collect()
    }

    /// Returns the items of a list.
    #[inline(never)]
    pub fn list(&self) -> Vec<ValueReader<'d>> {
        let Some(items) = self.value.as_array() else {
            self.wrong("a list");
            return Vec::new();
        };
        let value_type = match self.value_type {
            ValueType::List(item) => *item,
            ValueType::OneOrMore(table) => ValueType::Object(table),
            other => other,
        };
        let item = |(index, value)| Self {
            value,
            path: format!("{}[{index}]", self.path),
            value_type,
            ..*self
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Returns the items of a list, or an object that stands for a list of one.
    pub fn one_or_more(&self) -> Vec<ValueReader<'d>> {
        if !self.value.is_array() {
            return vec![self.clone()];
        }
        let items = self.list();
        if items.is_empty() {
            self.wrong("at least one entry");
        }
        items
    }

    /// Reads an object with an entry per region, at least one. `allowed` names the regions.
    pub fn per_region<T>(
        &self,
        allowed: &str,
        mut read: impl FnMut(&ValueReader<'_>, Region) -> T,
    ) -> PerRegion<T> {
        let mut found = PerRegion::default();
        let regions = self.object();
        for field in regions.table.fields {
            if let (Some(region), Some(entry)) = (Region::parse(field.key), regions.get(field.key))
            {
                found.set(region, read(&entry, region));
            }
        }
        regions.finish();
        if found.iter().next().is_none() && self.value.is_object() {
            self.wrong(allowed);
        }
        found
    }

    /// Reads a text that is not empty.
    #[inline(never)]
    pub fn string(&self) -> String {
        let text = self.value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong("a string");
        }
        text.map(str::to_owned).unwrap_or_default()
    }

    /// Reads `true` or `false`.
    #[inline(never)]
    pub fn flag(&self) -> bool {
        self.value.as_bool().unwrap_or_else(|| {
            self.wrong("`true` or `false`");
            false
        })
    }

    /// Reads a whole number within the bounds of the table.
    #[inline(never)]
    pub fn number(&self) -> u32 {
        let ValueType::Number { least, most } = self.value_type else { return self.mismatch() };
        self.whole_number(least).filter(|number| *number <= most).unwrap_or_else(|| {
            self.wrong(format!("a whole number from {least} to {most}"));
            least
        })
    }

    /// Reads a whole number of at least 1.
    pub fn positive(&self) -> NonZeroU32 {
        NonZeroU32::new(self.number()).unwrap_or(NonZeroU32::MIN)
    }

    /// Reads a whole number, or `unlimited`, which is `None`.
    #[inline(never)]
    pub fn rate(&self) -> Option<u32> {
        let ValueType::Rate { least } = self.value_type else { return self.mismatch() };
        if self.value == UNLIMITED {
            return None;
        }
        let number = self.whole_number(least);
        if number.is_none() {
            let most = u32::MAX;
            self.wrong(format!("a whole number from {least} to {most}, or `{UNLIMITED}`"));
        }
        number.or(Some(least))
    }

    fn whole_number(&self, least: u32) -> Option<u32> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| *number >= least)
    }

    /// Reads a number within the bounds of the table.
    #[inline(never)]
    pub fn decimal(&self) -> f64 {
        let ValueType::Decimal { least, most } = self.value_type else { return self.mismatch() };
        self.value.as_f64().filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            self.wrong(format!("a number from {least} to {most}"));
            least
        })
    }

    /// Reads a duration such as `500ms` or `20s`.
    #[inline(never)]
    pub fn duration(&self) -> Duration {
        let duration = self.value.as_str().and_then(|text| humantime::parse_duration(text).ok());
        duration.filter(|duration| DURATIONS.contains(duration)).unwrap_or_else(|| {
            self.wrong("a duration from `1ms` to `24h`, such as `500ms`, `20s` or `5m`");
            Duration::ZERO
        })
    }

    /// Reads a date.
    pub fn date(&self) -> String {
        let text = self.value.as_str().unwrap_or_default();
        // The parser would accept a date that brings a time of its own.
        let is_short = text.len() == "YYYY-MM-DD".len();
        if !is_short || humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).is_err() {
            self.wrong("a date, `YYYY-MM-DD`");
        }
        text.to_owned()
    }

    /// Reads a name that must be a key of `known`. An empty `known` is reported elsewhere.
    pub fn name_in<T>(&self, known: &BTreeMap<String, T>) -> String {
        let name = self.string();
        if !name.is_empty() && !known.is_empty() && !known.contains_key(&name) {
            self.wrong(one_of(known.keys().map(String::as_str)));
        }
        name
    }

    /// Reads one of several words and returns its meaning. `None` comes with a mistake.
    pub fn word<T: Copy>(&self, pairs: &[(&'static str, T)]) -> Option<T> {
        let index = self.word_index(&words_of(pairs))?;
        pairs.get(index).map(|(_, meaning)| *meaning)
    }

    /// Reads a list of distinct words and returns their meanings.
    pub fn words<T: Copy>(&self, pairs: &[(&'static str, T)]) -> Vec<T> {
        let found = self.word_indexes(&words_of(pairs)).into_iter();
        found.filter_map(|index| pairs.get(index)).map(|(_, meaning)| *meaning).collect()
    }

    #[inline(never)]
    fn word_index(&self, words: &[&str]) -> Option<usize> {
        let text = self.value.as_str().unwrap_or_default();
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            self.wrong(one_of(words.iter().copied()));
        }
        found
    }

    #[inline(never)]
    fn word_indexes(&self, words: &[&str]) -> Vec<usize> {
        let mut found = Vec::new();
        for item in self.list() {
            match item.word_index(words) {
                Some(index) if found.contains(&index) => item.wrong("each word once"),
                Some(index) => found.push(index),
                None => {}
            }
        }
        found
    }

    /// Returns the table of the object or of its entries.
    fn table(&self) -> &'static ObjectTable {
        self.value_type.table().unwrap_or_else(|| {
            debug_assert!(false, "{}: not an object in its table", self.path);
            &EMPTY
        })
    }

    /// Handles a reader that disagrees with the table. Tests read every field.
    fn mismatch<T: Default>(&self) -> T {
        debug_assert!(false, "{}: read as another type than its table's", self.path);
        T::default()
    }
}

/// Word for a rate without a limit.
const UNLIMITED: &str = "unlimited";

/// Table of an object without fields.
static EMPTY: ObjectTable = ObjectTable {
    #[cfg(not(target_family = "wasm"))]
    name: "",
    #[cfg(not(target_family = "wasm"))]
    description: "",
    fields: &[],
};

/// Reader of an object's fields. Every use ends with [`ObjectReader::finish`], which reports unknown
/// keys.
#[derive(Debug)]
#[must_use]
pub struct ObjectReader<'d> {
    /// `None` if the object is absent or not an object: then every field is absent, and a missing
    /// one is not a further mistake.
    fields: Option<&'d Map<String, Value>>,
    path: String,
    table: &'static ObjectTable,
    mistakes: &'d Mistakes,
}

/// Reads an object of which every field is absent.
pub fn defaults<T>(table: &'static ObjectTable, read: impl FnOnce(ObjectReader<'_>) -> T) -> T {
    read(ObjectReader::absent(table, &Mistakes::default()))
}

impl<'d> ObjectReader<'d> {
    /// Returns the reader of an absent object, which has the default of every field.
    pub fn absent(table: &'static ObjectTable, mistakes: &'d Mistakes) -> Self {
        Self { fields: None, path: String::new(), table, mistakes }
    }

    /// Returns the value of a field, and reports a required one that is missing. `null` is absent.
    #[inline(never)]
    pub fn get(&self, key: &'static str) -> Option<ValueReader<'d>> {
        let field = self.field(key)?;
        let value = self.value(key);
        if let (None, Presence::Required(allowed) | Presence::FromCatalogue(allowed)) =
            (value, field.presence)
        {
            self.missing(key, allowed);
        }
        Some(self.reader(field, value?))
    }

    /// Returns the value of a field that this document requires. `allowed` completes the message
    /// about a missing one.
    #[inline(never)]
    pub fn get_required(&self, key: &'static str, allowed: &str) -> Option<ValueReader<'d>> {
        let value = self.get(key);
        if value.is_none() {
            self.missing(key, allowed);
        }
        value
    }

    /// Returns the value of a required field that names a key of `known`.
    pub fn get_name<T>(
        &self,
        key: &'static str,
        known: &BTreeMap<String, T>,
    ) -> Option<ValueReader<'d>> {
        self.get_required(key, &one_of(known.keys().map(String::as_str)))
    }

    /// Returns the reader of an object that may be absent.
    #[inline(never)]
    pub fn section(&self, key: &'static str) -> ObjectReader<'d> {
        match self.get(key) {
            Some(value) => value.object(),
            None => {
                let table = self.field(key).and_then(|field| field.value_type.table());
                Self::absent(table.unwrap_or(&EMPTY), self.mistakes)
            }
        }
    }

    /// Reads a text or path. A missing one is empty.
    #[inline(never)]
    pub fn string(&self, key: &'static str) -> String {
        let text = self.get(key).map(|value| value.string());
        text.unwrap_or_else(|| self.default_of(key).to_owned())
    }

    /// Reads `true` or `false`.
    #[inline(never)]
    pub fn flag(&self, key: &'static str) -> bool {
        self.get(key).map_or_else(|| self.default_of(key) == "true", |value| value.flag())
    }

    /// Reads a whole number of at least 1.
    #[inline(never)]
    pub fn positive(&self, key: &'static str) -> NonZeroU32 {
        let number = self.get(key).map(|value| value.positive());
        number.or_else(|| self.default_of(key).parse().ok()).unwrap_or(NonZeroU32::MIN)
    }

    /// Reads a whole number.
    #[inline(never)]
    pub fn number(&self, key: &'static str) -> u32 {
        let number = self.get(key).map(|value| value.number());
        number.or_else(|| self.default_of(key).parse().ok()).unwrap_or_default()
    }

    /// Reads a number.
    #[inline(never)]
    pub fn decimal(&self, key: &'static str) -> f64 {
        let number = self.get(key).map(|value| value.decimal());
        number.or_else(|| self.default_of(key).parse().ok()).unwrap_or_default()
    }

    /// Reads a duration.
    #[inline(never)]
    pub fn duration(&self, key: &'static str) -> Duration {
        let duration = self.get(key).map(|value| value.duration());
        let default = || humantime::parse_duration(self.default_of(key)).ok();
        duration.or_else(default).unwrap_or_default()
    }

    /// Reads one of several words. Returns `None` for a mistake, and for an absent field that has no
    /// default.
    pub fn word<T: Copy>(&self, key: &'static str, pairs: &[(&'static str, T)]) -> Option<T> {
        let index = self.word_index(key, &words_of(pairs))?;
        pairs.get(index).map(|(_, meaning)| *meaning)
    }

    #[inline(never)]
    fn word_index(&self, key: &'static str, words: &[&str]) -> Option<usize> {
        let default = || words.iter().position(|word| *word == self.default_of(key));
        self.get(key).map_or_else(default, |value| value.word_index(words))
    }

    /// Reads a list of distinct words. An absent list is empty.
    pub fn words<T: Copy>(&self, key: &'static str, pairs: &[(&'static str, T)]) -> Vec<T> {
        self.get(key).map(|value| value.words(pairs)).unwrap_or_default()
    }

    /// Adds a mistake about a field, whether it is present or absent.
    pub fn wrong(&self, key: &str, allowed: impl Into<String>) {
        let allowed = allowed.into();
        let problem = match self.value(key) {
            None => Problem::Missing { allowed },
            Some(value) => Problem::Wrong { found: shown(value), allowed },
        };
        self.mistakes.add(&joined(&self.path, key), problem);
    }

    /// Adds a mistake for every key that is not in the table.
    #[inline(never)]
    pub fn finish(self) {
        for key in self.fields.into_iter().flat_map(Map::keys) {
            if self.table.field(key).is_none() {
                let allowed = one_of(self.table.fields.iter().map(|field| field.key));
                self.mistakes.add(&joined(&self.path, key), Problem::UnknownKey { allowed });
            }
        }
    }

    fn missing(&self, key: &str, allowed: &str) {
        if self.fields.is_some() {
            let allowed = allowed.to_owned();
            self.mistakes.add(&joined(&self.path, key), Problem::Missing { allowed });
        }
    }

    fn value(&self, key: &str) -> Option<&'d Value> {
        self.fields?.get(key).filter(|value| !value.is_null())
    }

    fn reader(&self, field: &Field, value: &'d Value) -> ValueReader<'d> {
        let path = joined(&self.path, field.key);
        ValueReader { value, path, value_type: field.value_type, mistakes: self.mistakes }
    }

    fn field(&self, key: &str) -> Option<&'static Field> {
        let field = self.table.field(key);
        debug_assert!(field.is_some(), "{}: no field `{key}` in its table", self.path);
        field
    }

    fn default_of(&self, key: &str) -> &'static str {
        self.table.default_of(key).unwrap_or_default()
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
