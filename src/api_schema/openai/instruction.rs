//! The instruction for the format of an answer, in the system prompt.

use super::conversation::ListedMessage;
use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        message::{Content, Message, Part},
        text::Text,
    },
    fit::response_format::{FormatMode, format_instruction},
};

/// Adds the instruction that a request needs to its messages: to the first one, if that is an
/// instruction itself, because some chat templates allow a single system message.
pub(in crate::api_schema) fn add_instruction<'q, 'a>(
    listed: &mut Vec<ListedMessage<'q, 'a>>,
    input: &TranslationInput<'q, 'a>,
) {
    if input.fit.format == FormatMode::Native {
        return;
    }
    let text = Text::new(&format_instruction(input.request));
    if let Some(first) = listed.first_mut()
        && let ListedMessage::Request(message, _) = first
        && message.is_instruction()
    {
        *first = ListedMessage::Instructed(Box::new(with_instruction(message, text)));
        return;
    }
    listed.insert(0, ListedMessage::Instruction(text));
}

/// Returns a message with an instruction at its end.
fn with_instruction<'a>(message: &Message<'a>, text: Text<'static>) -> Message<'a> {
    let mut own = message.clone();
    own.content = match own.content {
        Content::Absent => Content::Text(text),
        Content::Text(before) => Content::Text(before.join("\\n\\n", &text)),
        Content::Parts(mut parts) => {
            parts.push(Part::from_text(text));
            Content::Parts(parts)
        }
    };
    own
}
