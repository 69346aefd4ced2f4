//! The translation of blocks of content into parts of a chat message. Claude API reference, *Create a
//! Message*: `messages.content`.

use serde_json::value::RawValue;

use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields, text::Text},
    client_api::{chat_messages::PartArray, translation::InletTranslation},
};

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

/// Translates content, a string or an array of blocks, into parts. `other` takes the blocks of types
/// that are no parts.
pub(super) fn add_content<'a>(
    translation: &mut InletTranslation,
    path: &str,
    content: &'a RawValue,
    parts: &mut PartArray,
    other: &mut dyn FnMut(&mut InletTranslation, &str, MessagesBlock<'a>),
) {
    if let Some(text) = Text::from_raw(content) {
        return parts.add_text(&text, None);
    }
    let expected = "a string or an array of blocks";
    let blocks = translation.read_list(path, content, expected);
    for (index, raw) in blocks.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let fields = translation.read_object(&path, raw, "a block with a type");
        let Some(fields) = fields else { continue };
        let Some(kind) = translation.read_text(&path, &fields, "type") else { continue };
        let block = MessagesBlock { kind: kind.decode().into_owned(), fields };
        add_block(translation, &path, block, parts, other);
    }
}

/// Adds nested content. Blocks that are no parts are left out.
pub(super) fn add_nested(
    translation: &mut InletTranslation,
    path: &str,
    content: &RawValue,
    parts: &mut PartArray,
) {
    // Each level adds an index or a key to the path.
    if path.matches(".content").count() > MAX_NESTING {
        return translation.add_invalid(path, "is nested too deep");
    }
    let mut leave_out = |translation: &mut InletTranslation, _: &str, block: MessagesBlock<'_>| {
        translation.leave_out("messages", &block.kind);
    };
    add_content(translation, path, content, parts, &mut leave_out);
}

fn add_block<'a>(
    translation: &mut InletTranslation,
    path: &str,
    block: MessagesBlock<'a>,
    parts: &mut PartArray,
    other: &mut dyn FnMut(&mut InletTranslation, &str, MessagesBlock<'a>),
) {
    let has_citations =
        block.fields.get("citations").is_some_and(|raw| raw.get().len() > "[]".len());
    if has_citations {
        translation.leave_out("messages", "citations");
    }
    match block.kind.as_str() {
        "text" => {
            if let Some(text) = translation.read_text(path, &block.fields, "text") {
                parts.add_text(&text, block.cache_control());
            }
        }
        "image" => add_image(translation, path, &block, parts),
        "document" => add_document(translation, path, &block, parts),
        "search_result" => add_search_result(translation, path, &block, parts),
        _ => other(translation, path, block),
    }
}

fn source<'a>(
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'a>,
) -> Option<ObjectFields<'a>> {
    let Some(raw) = block.fields.get("source") else {
        translation.add(MistakeKind::Missing, path, "source is missing");
        return None;
    };
    translation.read_object(&format!("{path}.source"), raw, "an object with a type")
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
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let Some(source) = source(translation, path, block) else { return };
    if let Some(file_id) = source.text("file_id") {
        return parts.add_file_id(&file_id, block.cache_control());
    }
    let Some(url) = url_of(&source) else {
        return translation.add_invalid(&format!("{path}.source"), SOURCES);
    };
    parts.add_image(&url, None, block.cache_control());
}

fn add_document(
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let Some(source) = source(translation, path, block) else { return };
    let title = block.fields.text("title").filter(|title| !title.is_empty());
    if let Some(file_id) = source.text("file_id") {
        return parts.add_file_id(&file_id, block.cache_control());
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
        return add_nested(translation, &format!("{path}.source.content"), content, parts);
    }
    let Some(url) = url_of(&source) else {
        return translation.add_invalid(&format!("{path}.source"), SOURCES);
    };
    let name = title.map(|title| file_name(&title));
    parts.add_file(name.as_ref(), &url, block.cache_control());
}

/// Returns the name of a PDF with a title. Some servers look at its extension.
fn file_name(title: &Text<'_>) -> Text<'static> {
    let title = title.decode();
    let extension = if title.to_ascii_lowercase().ends_with(".pdf") { "" } else { ".pdf" };
    Text::new(&[title.as_ref(), extension].concat())
}

/// Adds a search result: its title and its source, then its texts.
fn add_search_result(
    translation: &mut InletTranslation,
    path: &str,
    block: &MessagesBlock<'_>,
    parts: &mut PartArray,
) {
    let lines = ["title", "source"].map(|key| block.fields.text(key));
    if let [Some(title), Some(source)] = &lines {
        parts.add_text(&title.join("\\n", source), None);
    }
    if let Some(content) = block.fields.get("content") {
        add_nested(translation, &format!("{path}.content"), content, parts);
    }
}
