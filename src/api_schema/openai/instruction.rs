//! The instruction for the format of an answer, in the system prompt.

use super::conversation::ListedMessage;
use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        message::{Content, Part},
        text::Text,
    },
    fit::response_format::{FormatMode, format_instruction},
};

/// Adds the instruction that a request needs to its messages: to the first one, if that is an
/// instruction itself, because some chat templates allow a single system message.
pub(super) fn add_instruction<'q, 'a>(
    listed: &mut Vec<ListedMessage<'q, 'a>>,
    input: &TranslationInput<'q, 'a>,
) {
    if input.fit.format == FormatMode::Native {
        return;
    }
    let text = Text::new(&format_instruction(input.request));
    match listed.first_mut() {
        Some(ListedMessage::Request(message, _)) if message.is_instruction() => {
            let content = std::mem::take(&mut message.to_mut().content);
            message.to_mut().content = with_instruction(content, text);
        }
        _ => listed.insert(0, ListedMessage::Instruction(text)),
    }
}

/// Returns a content with an instruction at its end.
fn with_instruction<'a>(content: Content<'a>, text: Text<'static>) -> Content<'a> {
    match content {
        Content::Absent => Content::Text(text),
        Content::Text(before) => Content::Text(before.join("\\n\\n", &text)),
        Content::Parts(mut parts) => {
            parts.push(Part::from_text(text));
            Content::Parts(parts)
        }
    }
}
