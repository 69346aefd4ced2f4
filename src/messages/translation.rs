//! The reports of a translation: mistakes of the client, and fields that the chat API does not have.

use std::fmt::Write;

use serde_json::value::RawValue;

use crate::chat::{
    mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    object::ObjectFields,
    text::Text,
};

/// The most paths that are reported as left out.
const MAX_LEFT_OUT: usize = 16;

/// Step from a value to one inside of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum PathStep<'k> {
    Key(&'k str),
    Index(usize),
}

/// Translation in progress.
#[derive(Debug, Default)]
pub(super) struct MessagesTranslation {
    /// Path of the value that is being translated.
    path: String,
    mistakes: Vec<Mistake>,
    left_out: Vec<String>,
}

impl MessagesTranslation {
    /// Translates a value inside of the current one.
    pub(super) fn within<R>(
        &mut self,
        step: PathStep<'_>,
        translate: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let length = self.path.len();
        match step {
            PathStep::Key(key) => {
                let separator = if length == 0 { "" } else { "." };
                self.path.extend([separator, key]);
            }
            PathStep::Index(index) => {
                let _infallible = write!(self.path, "[{index}]");
            }
        }
        let result = translate(self);
        self.path.truncate(length);
        result
    }

    /// Returns the path of a value inside of the current one, or of that itself without a key.
    fn path_of(&self, key: &str) -> String {
        let separator = if self.path.is_empty() || key.is_empty() { "" } else { "." };
        [&self.path, separator, key].concat()
    }

    /// Returns the number of contents around the current value.
    pub(super) fn depth(&self) -> usize {
        self.path.matches(".content").count()
    }

    /// Returns the mistakes, and the paths that were left out.
    pub(super) fn into_reports(self) -> (Vec<Mistake>, Vec<String>) {
        (self.mistakes, self.left_out)
    }

    /// Adds a mistake in the value of a key, or in the current value. Its message begins with the
    /// path.
    pub(super) fn add(&mut self, kind: MistakeKind, key: &str, problem: &str) {
        if self.mistakes.len() < MAX_MISTAKES {
            let path = self.path_of(key);
            let message = format!("{path}: {problem}");
            self.mistakes.push(Mistake::new(kind, path, &message));
        }
    }

    /// Adds an invalid value.
    pub(super) fn add_invalid(&mut self, key: &str, problem: &str) {
        self.add(MistakeKind::Invalid, key, problem);
    }

    /// Reports a field that the chat API does not have. `name` is the client's text: it is listed only
    /// if it is plain.
    pub(super) fn leave_out(&mut self, parent: &str, name: &str) {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let is_plain = (1..=64).contains(&name.len()) && name.bytes().all(safe);
        let path = match (parent, is_plain) {
            ("", true) => name.to_owned(),
            ("", false) => return,
            (parent, true) => [parent, ".", name].concat(),
            (parent, false) => parent.to_owned(),
        };
        if self.left_out.len() < MAX_LEFT_OUT && !self.left_out.contains(&path) {
            self.left_out.push(path);
        }
    }

    /// Reads an object, or adds a mistake that says what it must be.
    pub(super) fn read_object<'a>(
        &mut self,
        key: &str,
        raw: &'a RawValue,
        expected: &str,
    ) -> Option<ObjectFields<'a>> {
        let fields = ObjectFields::read(raw);
        if fields.is_none() {
            self.add_invalid(key, &["must be ", expected].concat());
        }
        fields
    }

    /// Reads an array, or adds a mistake that says what it must be.
    pub(super) fn read_list<'a>(
        &mut self,
        key: &str,
        raw: &'a RawValue,
        expected: &str,
    ) -> Vec<&'a RawValue> {
        serde_json::from_str(raw.get()).unwrap_or_else(|_| {
            self.add_invalid(key, &["must be ", expected].concat());
            Vec::new()
        })
    }

    /// Reads a text, or adds a mistake that it is missing.
    pub(super) fn read_text<'a>(
        &mut self,
        key: &str,
        fields: &ObjectFields<'a>,
        name: &str,
    ) -> Option<Text<'a>> {
        let text = fields.text(name);
        if text.is_none() {
            self.add(MistakeKind::Missing, key, &[name, " is missing"].concat());
        }
        text
    }
}
