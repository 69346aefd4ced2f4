//! The reports of a translation: mistakes of the client, and fields that the chat API does not have.

use serde_json::value::RawValue;

use crate::chat::{
    mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    object::ObjectFields,
    text::Text,
};

/// The most paths that are reported as left out.
const MAX_LEFT_OUT: usize = 16;

/// Translation in progress.
#[derive(Debug, Default)]
pub(crate) struct InletTranslation {
    /// The beginning of every path: empty, or the place of a fallback.
    prefix: String,
    mistakes: Vec<Mistake>,
    left_out: Vec<String>,
}

impl InletTranslation {
    /// Sets the beginning of the paths that follow.
    pub(crate) fn set_prefix(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// Returns `true` within the request of a fallback.
    pub(crate) fn is_in_fallback(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Returns the mistakes, and the paths that were left out.
    pub(crate) fn into_reports(self) -> (Vec<Mistake>, Vec<String>) {
        (self.mistakes, self.left_out)
    }

    /// Adds a mistake. Its message begins with the path.
    pub(crate) fn add(&mut self, kind: MistakeKind, path: &str, problem: &str) {
        if self.mistakes.len() < MAX_MISTAKES {
            let path = [&self.prefix, path].concat();
            let message = format!("{path}: {problem}");
            self.mistakes.push(Mistake::new(kind, path, &message));
        }
    }

    /// Returns the choice among so many tools, if they are named. A choice among none is left out.
    pub(crate) fn tool_choice<'a>(
        &mut self,
        fields: &ObjectFields<'a>,
        tools: Option<usize>,
    ) -> Option<&'a RawValue> {
        let choice = fields.get("tool_choice")?;
        if tools == Some(0) {
            self.leave_out("", "tool_choice");
            return None;
        }
        Some(choice)
    }

    /// Adds an invalid value.
    pub(crate) fn add_invalid(&mut self, path: &str, problem: &str) {
        self.add(MistakeKind::Invalid, path, problem);
    }

    /// Reports a field that the chat API does not have. `name` is the client's text: it is listed only
    /// if it is plain.
    pub(crate) fn leave_out(&mut self, parent: &str, name: &str) {
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
    pub(crate) fn read_object<'a>(
        &mut self,
        path: &str,
        raw: &'a RawValue,
        expected: &str,
    ) -> Option<ObjectFields<'a>> {
        let fields = ObjectFields::read(raw);
        if fields.is_none() {
            self.add_invalid(path, &["must be ", expected].concat());
        }
        fields
    }

    /// Reads an array, or adds a mistake that says what it must be.
    pub(crate) fn read_list<'a>(
        &mut self,
        path: &str,
        raw: &'a RawValue,
        expected: &str,
    ) -> Vec<&'a RawValue> {
        serde_json::from_str(raw.get()).unwrap_or_else(|_| {
            self.add_invalid(path, &["must be ", expected].concat());
            Vec::new()
        })
    }

    /// Reads a text, or adds a mistake that it is missing.
    pub(crate) fn read_text<'a>(
        &mut self,
        path: &str,
        fields: &ObjectFields<'a>,
        key: &str,
    ) -> Option<Text<'a>> {
        let text = fields.text(key);
        if text.is_none() {
            self.add(MistakeKind::Missing, path, &[key, " is missing"].concat());
        }
        text
    }

    /// Returns the object in a field, or adds a mistake.
    pub(crate) fn read_field<'a>(
        &mut self,
        fields: &ObjectFields<'a>,
        key: &str,
    ) -> Option<ObjectFields<'a>> {
        fields.get(key).and_then(|raw| self.read_object(key, raw, "an object"))
    }
}
