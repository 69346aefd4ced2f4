//! The instruction for the format of an answer, in the system prompt.

use std::borrow::Cow;

use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        message::{Content, Message, Part},
        text::Text,
    },
    fit::response_format::{FormatMode, format_instruction},
};

/// Messages of a request, with an instruction at the beginning if one is needed.
pub(super) struct InstructedMessages<'q, 'a> {
    /// Instruction in front of the messages.
    pub(super) added: Option<Text<'static>>,
    /// First message of the request, which has the instruction if it is one itself: some chat
    /// templates allow a single system message.
    pub(super) first: Option<Cow<'q, Message<'a>>>,
    /// Other messages of the request.
    pub(super) rest: &'q [Message<'a>],
}

impl<'q, 'a> InstructedMessages<'q, 'a> {
    /// Adds the instruction that a request needs to its messages.
    pub(super) fn new(input: &TranslationInput<'q, 'a>) -> Self {
        let messages = input.request.messages.as_slice();
        let Some((first, rest)) = messages.split_first() else {
            return Self { added: None, first: None, rest: messages };
        };
        let is_emulated = input.fit.format != FormatMode::Native;
        let instruction = is_emulated.then(|| Text::new(&format_instruction(input.request)));
        let (added, first) = match instruction {
            Some(text) if first.is_instruction() => {
                (None, Cow::Owned(with_instruction(first, text)))
            }
            added => (added, Cow::Borrowed(first)),
        };
        Self { added, first: Some(first), rest }
    }
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
