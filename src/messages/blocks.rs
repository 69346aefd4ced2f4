//! The translation of blocks of content into parts of a chat message. Claude API reference, *Create a
//! Message*: `messages.content`.

use std::ops::Range;

use serde_json::value::RawValue;

use super::translation::{MessagesTranslation, PathStep};
use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields, text::Text},
    json::Object,
};

/// Name of a document without a title. OpenAI's servers need one.
const DOCUMENT_NAME: &str = "document.pdf";

/// The deepest nesting of documents and results that is translated.
const MAX_NESTING: usize = 4;

/// Block of content.
#[derive(Clone, Debug)]
pub(super) struct MessagesBlock<'a> {
    /// `type`.
    pub(super) kind: String,
    pub(super) fields: ObjectFields<'a>,
}

impl<'a> MessagesBlock<'a> {
    /// Returns the mark for the prompt cache.
    pub(super) fn cache_control(&self) -> Option<&'a RawValue> {
        self.fields.get("cache_control")
    }
}

/// Parts of a chat message, as an array in progress.
#[derive(Debug, Default)]
pub(super) struct PartArray {
    json: Vec<u8>,
    /// Place of the text, with its quotes, if it is the only part and has no mark.
    only_text: Option<Range<usize>>,
}

impl PartArray {
    /// Returns `true` if there are no parts.
    pub(super) fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// Writes the content of a message: a string where that is enough.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
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
    fn add(&mut self, cache_control: Option<&RawValue>, fill: impl FnOnce(&mut Object<'_>)) {
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
    pub(super) fn add_text(&mut self, text: &Text<'_>, cache_control: Option<&RawValue>) {
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

    /// Puts a word in front of the parts, or of the text if there is nothing else.
    pub(super) fn prepend(&mut self, word: &str) {
        let whole = std::mem::take(self);
        let text: Option<Text<'_>> =
            whole.only_text().and_then(|json| serde_json::from_str(json).ok());
        if let Some(text) = text {
            return self.add_text(&Text::new(&[word, ": ", &text.decode()].concat()), None);
        }
        self.add_text(&Text::new(word), None);
        if !whole.json.is_empty() {
            self.only_text = None;
            self.json.push(b',');
            self.json.extend(whole.json);
        }
    }
}

/// Translates content, a string or an array of blocks, into parts. `other` takes the blocks of types
/// that are no parts.
pub(super) fn add_content<'a>(
    translation: &mut MessagesTranslation,
    content: &'a RawValue,
    parts: &mut PartArray,
    other: &mut dyn FnMut(&mut MessagesTranslation, MessagesBlock<'a>),
) {
    if let Some(text) = Text::from_raw(content) {
        return parts.add_text(&text, None);
    }
    let expected = "a string or an array of blocks";
    let blocks = translation.read_list("", content, expected);
    for (index, raw) in blocks.into_iter().enumerate() {
        translation.within(PathStep::Index(index), |own| {
            let Some(fields) = own.read_object("", raw, "a block with a type") else { return };
            let Some(kind) = own.read_text("", &fields, "type") else { return };
            let block = MessagesBlock { kind: kind.decode().into_owned(), fields };
            add_block(own, block, parts, other);
        });
    }
}

/// Adds nested content. Blocks that are no parts are left out.
pub(super) fn add_nested(
    translation: &mut MessagesTranslation,
    content: &RawValue,
    parts: &mut PartArray,
) {
    // Each level adds an index or a key to the path.
    if translation.depth() > MAX_NESTING {
        return translation.add_invalid("", "is nested too deep");
    }
    let mut leave_out = |translation: &mut MessagesTranslation, block: MessagesBlock<'_>| {
        translation.leave_out("messages", &block.kind);
    };
    add_content(translation, content, parts, &mut leave_out);
}

fn add_block<'a>(
    translation: &mut MessagesTranslation,
    block: MessagesBlock<'a>,
    parts: &mut PartArray,
    other: &mut dyn FnMut(&mut MessagesTranslation, MessagesBlock<'a>),
) {
    let has_citations =
        block.fields.get("citations").is_some_and(|raw| raw.get().len() > "[]".len());
    if has_citations {
        translation.leave_out("messages", "citations");
    }
    match block.kind.as_str() {
        "text" => {
            if let Some(text) = translation.read_text("", &block.fields, "text") {
                parts.add_text(&text, block.cache_control());
            }
        }
        "image" => add_image(translation, &block, parts),
        "document" => add_document(translation, &block, parts),
        "search_result" => add_search_result(translation, &block, parts),
        _ => other(translation, block),
    }
}

fn source<'a>(
    translation: &mut MessagesTranslation,
    block: &MessagesBlock<'a>,
) -> Option<ObjectFields<'a>> {
    let Some(raw) = block.fields.get("source") else {
        translation.add(MistakeKind::Missing, "", "source is missing");
        return None;
    };
    translation.read_object("source", raw, "an object with a type")
}

/// Returns the type of a source.
fn kind_of(source: &ObjectFields<'_>) -> String {
    source.text("type").map(|kind| kind.decode().into_owned()).unwrap_or_default()
}

/// Returns the URL of a source: a data URL for base64. `None` for a source without a URL.
fn url_of<'a>(source: &ObjectFields<'a>) -> Option<Text<'a>> {
    match kind_of(source).as_str() {
        "url" => source.text("url"),
        "base64" => {
            let scheme = Text::new("data:").join("", &source.text("media_type")?);
            Some(scheme.join(";base64,", &source.text("data")?))
        }
        _ => None,
    }
}

const SOURCES: &str = "must be base64 with media_type and data, or url";

fn add_image(
    translation: &mut MessagesTranslation,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let Some(source) = source(translation, block) else { return };
    if let Some(file_id) = source.text("file_id") {
        return add_file_id(&file_id, block, parts);
    }
    let Some(url) = url_of(&source) else {
        return translation.add_invalid("source", SOURCES);
    };
    parts.add(block.cache_control(), |part| {
        part.value("type", "image_url").object("image_url", |image| {
            image.value("url", &url);
        });
    });
}

/// Adds a file by its id, which the translator of a provider's API may refuse.
fn add_file_id(file_id: &Text<'_>, block: &MessagesBlock<'_>, parts: &mut PartArray) {
    parts.add(block.cache_control(), |part| {
        part.value("type", "file").object("file", |file| {
            file.value("file_id", file_id);
        });
    });
}

fn add_document(
    translation: &mut MessagesTranslation,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let Some(source) = source(translation, block) else { return };
    let title = block.fields.text("title").filter(|title| !title.is_empty());
    if let Some(file_id) = source.text("file_id") {
        return add_file_id(&file_id, block, parts);
    }
    let kind = kind_of(&source);
    if let ("text", Some(text)) = (kind.as_str(), source.text("data")) {
        let titled = title.map(|title| title.join("\\n\\n", &text));
        return parts.add_text(titled.as_ref().unwrap_or(&text), block.cache_control());
    }
    if let ("content", Some(content)) = (kind.as_str(), source.get("content")) {
        if let Some(title) = title {
            parts.add_text(&title, None);
        }
        let place = PathStep::Key("source.content");
        return translation.within(place, |own| add_nested(own, content, parts));
    }
    let Some(url) = url_of(&source) else {
        return translation.add_invalid("source", SOURCES);
    };
    let name = title.map_or_else(|| Text::new(DOCUMENT_NAME), |title| file_name(&title));
    parts.add(block.cache_control(), |part| {
        part.value("type", "file").object("file", |file| {
            file.value("filename", &name).value("file_data", &url);
        });
    });
}

/// Returns the name of a PDF with a title. Some servers look at its extension.
fn file_name(title: &Text<'_>) -> Text<'static> {
    let title = title.decode();
    let extension = if title.to_ascii_lowercase().ends_with(".pdf") { "" } else { ".pdf" };
    Text::new(&[title.as_ref(), extension].concat())
}

/// Adds a search result: its title and its source, then its texts.
fn add_search_result(
    translation: &mut MessagesTranslation,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let lines = ["title", "source"].map(|key| block.fields.text(key));
    if let [Some(title), Some(source)] = &lines {
        parts.add_text(&title.join("\\n", source), None);
    }
    if let Some(content) = block.fields.get("content") {
        translation.within(PathStep::Key("content"), |own| add_nested(own, content, parts));
    }
}
