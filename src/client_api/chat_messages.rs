//! The messages of a chat request in progress, and the parts of their content.

use std::ops::Range;

use serde_json::value::RawValue;

use crate::{chat::text::Text, json::Object};

/// Array of chat messages in progress.
pub(crate) struct ChatMessages<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> ChatMessages<'o> {
    /// Opens the array at the end of `out`.
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, is_empty: true }
    }

    /// Closes the array.
    pub(crate) fn close(self) {
        self.out.push(b']');
    }

    /// Adds a message. `fill` writes its fields after the role.
    pub(crate) fn add(&mut self, role: &str, fill: impl FnOnce(&mut Object<'_>)) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        let mut message = Object::open(self.out);
        message.value("role", role);
        fill(&mut message);
        message.close();
    }

    /// Adds a message of parts, if there are any.
    pub(crate) fn add_parts(&mut self, role: &str, parts: &PartArray) {
        if !parts.is_empty() {
            self.add(role, |message| parts.write(message.key("content")));
        }
    }
}

/// Parts of a chat message, as an array in progress.
#[derive(Debug, Default)]
pub(crate) struct PartArray {
    json: Vec<u8>,
    /// Place of the text, with its quotes, if it is the only part and has no mark.
    only_text: Option<Range<usize>>,
}

impl PartArray {
    /// Returns `true` if there are no parts.
    pub(crate) fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// Writes the content of a message: a string where that is enough.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self.only_text() {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => {
                out.push(b'[');
                out.extend_from_slice(&self.json);
                out.push(b']');
            }
        }
    }

    /// Adds a part. `fill` writes its fields.
    pub(crate) fn add(
        &mut self,
        cache_control: Option<&RawValue>,
        fill: impl FnOnce(&mut Object<'_>),
    ) {
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        self.only_text = None;
        let mut part = Object::open(&mut self.json);
        fill(&mut part);
        cache_control.map(|mark| part.raw("cache_control", mark.get()));
        part.close();
    }

    /// Adds a text.
    pub(crate) fn add_text(&mut self, text: &Text<'_>, cache_control: Option<&RawValue>) {
        let is_first = self.is_empty();
        self.add(cache_control, |part| {
            part.value("type", "text").value("text", text);
        });
        // The brace of the part follows.
        let end = self.json.len().saturating_sub(1);
        let range = end.saturating_sub(text.json().len())..end;
        self.only_text = (is_first && cache_control.is_none()).then_some(range);
    }

    /// Returns the text in JSON, if it is the only part and has no mark.
    fn only_text(&self) -> Option<&str> {
        std::str::from_utf8(self.json.get(self.only_text.clone()?)?).ok()
    }
}

impl PartArray {
    /// Puts a word in front of the parts, or of the text if there is nothing else.
    pub(crate) fn prepend(&mut self, word: &str) {
        let whole = std::mem::take(self);
        if let Some(text) = whole.only_text() {
            let text: Text<'_> = serde_json::from_str(text).unwrap_or_else(|_| Text::new(""));
            return self.add_text(&Text::new(&[word, ": ", &text.decode()].concat()), None);
        }
        self.add_text(&Text::new(word), None);
        if !whole.json.is_empty() {
            self.only_text = None;
            self.json.push(b',');
            self.json.extend(whole.json);
        }
    }

    /// Adds an image by its URL, with the detail that the client wants.
    pub(crate) fn add_image(
        &mut self,
        url: &Text<'_>,
        detail: Option<&RawValue>,
        cache_control: Option<&RawValue>,
    ) {
        self.add(cache_control, |part| {
            part.value("type", "image_url").object("image_url", |image| {
                image.value("url", url);
                detail.map(|detail| image.raw("detail", detail.get()));
            });
        });
    }

    /// Adds a file by its URL or its data.
    pub(crate) fn add_file(
        &mut self,
        name: Option<&Text<'_>>,
        data: &Text<'_>,
        cache_control: Option<&RawValue>,
    ) {
        self.add(cache_control, |part| {
            part.value("type", "file").object("file", |file| {
                match name {
                    Some(name) => file.value("filename", name),
                    None => file.value("filename", DOCUMENT_NAME),
                };
                file.value("file_data", data);
            });
        });
    }

    /// Adds a file by its id, which the translator of a provider's API may refuse.
    pub(crate) fn add_file_id(&mut self, file_id: &Text<'_>, cache_control: Option<&RawValue>) {
        self.add(cache_control, |part| {
            part.value("type", "file").object("file", |file| {
                file.value("file_id", file_id);
            });
        });
    }
}

/// Name of a document without one. OpenAI's servers need one.
const DOCUMENT_NAME: &str = "document.pdf";

/// Writes a comma after an item.
pub(crate) fn separate(items: &mut Vec<u8>) {
    if !items.is_empty() {
        items.push(b',');
    }
}
