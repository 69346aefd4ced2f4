//! The content of messages and of results: a text, or parts. OpenAI's API reference, *Create a model
//! response*, `input`.

use crate::{
    api_schema::{
        data_url::relabelled,
        openai::{non_empty_name, plain_text, write_texts},
    },
    chat::{
        message::{Content, FileFields, ImageUrl, Message, Part, Role},
        text::Text,
    },
    json::{Object, list},
};

/// Part of the content that is sent.
enum ContentPart<'p, 'a> {
    /// A text of the author, behind the speaker's name.
    Text(&'p Text<'a>, Option<&'p Text<'a>>),
    /// A refusal of the model.
    Refusal(&'p Text<'a>),
    Image(&'p ImageUrl<'a>),
    File(FileFields<'a>),
}

/// Writes the content of a message. No message has a `name` here: it is put in front of the content.
/// The model's own texts become one: parts of them have ids that the client does not know.
pub(super) fn write_content(out: &mut Vec<u8>, message: &Message<'_>) {
    let name = non_empty_name(message).filter(|_| !message.is_result());
    let is_output = message.role == Role::Assistant;
    let parts = match (&message.content, &message.refusal) {
        (Content::Text(text), None) => return write_texts(out, &[text], name),
        (Content::Absent, None) => return out.extend_from_slice(b"\"\""),
        (Content::Text(text), Some(_)) => vec![ContentPart::Text(text, name)],
        (Content::Absent, Some(_)) => Vec::new(),
        (Content::Parts(parts), refusal) => {
            let texts: Option<Vec<&Text<'_>>> = parts.iter().map(plain_text).collect();
            match texts.filter(|_| is_output && refusal.is_none()) {
                Some(texts) => return write_texts(out, &texts, name),
                None => named_parts(parts, name),
            }
        }
    };
    let refusal = message.refusal.as_ref().map(ContentPart::Refusal);
    list(out, parts.into_iter().chain(refusal), |out, part| part.write(out, is_output));
}

/// Returns the parts that are sent. The speaker's name is in front of the first text.
fn named_parts<'p, 'a>(
    parts: &'p [Part<'a>],
    mut name: Option<&'p Text<'a>>,
) -> Vec<ContentPart<'p, 'a>> {
    let read = |part: &'p Part<'a>| match part.kind.as_ref() {
        "text" => Some(ContentPart::Text(part.text.as_ref()?, name.take())),
        "refusal" => part.refusal.as_ref().map(ContentPart::Refusal),
        "image_url" => part.image_url.as_ref().map(ContentPart::Image),
        "file" => part.file_fields().map(ContentPart::File),
        _ => None,
    };
    parts.iter().filter_map(read).collect()
}

impl ContentPart<'_, '_> {
    /// Writes the part. The model's own texts have another type than those of others.
    fn write(&self, out: &mut Vec<u8>, is_output: bool) {
        let mut part = Object::open(out);
        let text_type = if is_output { "output_text" } else { "input_text" };
        match self {
            Self::Text(text, name) => {
                write_texts(part.value("type", text_type).key("text"), &[text], *name);
            }
            Self::Refusal(text) if is_output => {
                part.value("type", "refusal").value("refusal", text);
            }
            Self::Refusal(text) => drop(part.value("type", text_type).value("text", text)),
            Self::Image(image) => write_image(&mut part, image),
            Self::File(file) => write_file(&mut part, file),
        }
        part.close();
    }
}

fn write_image(part: &mut Object<'_>, image: &ImageUrl<'_>) {
    let auto = Text::new("auto");
    part.value("type", "input_image");
    part.value("image_url", relabelled(&image.url).as_ref().unwrap_or(&image.url));
    part.value("detail", image.detail.as_ref().unwrap_or(&auto));
}

/// Writes a file: its data, or a URL where the client has one in their place.
fn write_file(part: &mut Object<'_>, file: &FileFields<'_>) {
    part.value("type", "input_file");
    file.file_id.as_ref().map(|id| part.value("file_id", id));
    let Some(data) = &file.file_data else { return };
    let escaped = data.escaped();
    if escaped.starts_with("https:") || escaped.starts_with("http:") {
        part.value("file_url", data);
        return;
    }
    file.filename.as_ref().map(|name| part.value("filename", name));
    part.value("file_data", relabelled(data).as_ref().unwrap_or(data));
}
