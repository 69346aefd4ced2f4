//! The translation of content into parts of a chat message. OpenAI's API reference, *Create a
//! response*: `input`.

use serde_json::value::RawValue;

use crate::{
    chat::{mistake::MistakeKind, object::ObjectFields, text::Text},
    client_api::{chat_messages::PartArray, translation::InletTranslation},
};

/// Translates content, a string or an array of parts.
pub(super) fn add_content(
    translation: &mut InletTranslation,
    path: &str,
    content: &RawValue,
    parts: &mut PartArray,
) {
    if let Some(text) = Text::from_raw(content) {
        return parts.add_text(&text, None);
    }
    let all = translation.read_list(path, content, "a string or an array of parts");
    for (index, raw) in all.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let fields = translation.read_object(&path, raw, "a part with a type");
        let Some(fields) = fields else { continue };
        let Some(kind) = translation.read_text(&path, &fields, "type") else { continue };
        add_part(translation, &path, &kind.decode(), &fields, parts);
    }
}

fn add_part(
    translation: &mut InletTranslation,
    path: &str,
    kind: &str,
    part: &ObjectFields<'_>,
    parts: &mut PartArray,
) {
    match kind {
        "input_text" | "output_text" | "text" => {
            if let Some(text) = translation.read_text(path, part, "text") {
                parts.add_text(&text, None);
            }
        }
        "refusal" => {
            if let Some(refusal) = translation.read_text(path, part, "refusal") {
                parts.add(None, |own| {
                    own.value("type", "refusal").value("refusal", &refusal);
                });
            }
        }
        "input_image" => add_image(translation, path, part, parts),
        "input_file" => add_file(translation, path, part, parts),
        "input_audio" => {
            if let Some(audio) = part.get("input_audio") {
                parts.add(None, |own| {
                    own.value("type", kind).raw("input_audio", audio.get());
                });
            }
        }
        _ => translation.add_invalid(
            path,
            "the type must be input_text, input_image, input_file, input_audio, output_text or refusal",
        ),
    }
    if part.get("prompt_cache_breakpoint").is_some() {
        translation.leave_out("input", "prompt_cache_breakpoint");
    }
}

fn add_image(
    translation: &mut InletTranslation,
    path: &str,
    part: &ObjectFields<'_>,
    parts: &mut PartArray,
) {
    match (part.text("image_url"), part.text("file_id")) {
        (Some(url), _) => parts.add_image(&url, part.get("detail"), None),
        (None, Some(file_id)) => parts.add_file_id(&file_id, None),
        (None, None) => translation.add(MistakeKind::Missing, path, "image_url is missing"),
    }
}

fn add_file(
    translation: &mut InletTranslation,
    path: &str,
    part: &ObjectFields<'_>,
    parts: &mut PartArray,
) {
    let data = part.text("file_data").or_else(|| part.text("file_url"));
    match (data, part.text("file_id")) {
        (Some(data), _) => parts.add_file(part.text("filename").as_ref(), &data, None),
        (None, Some(file_id)) => parts.add_file_id(&file_id, None),
        (None, None) => {
            let problem = "file_data, file_url or file_id is missing";
            translation.add(MistakeKind::Missing, path, problem);
        }
    }
}
