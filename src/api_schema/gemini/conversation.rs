//! The conversation as the fit has checked it: what Gemini may refuse of it is read here, and only
//! here. ai.google.dev, *Content*.

use std::borrow::Cow;

use super::media::MediaPart;
use crate::chat::{
    message::{Content, Message, Part, Role},
    mistake::{Mistake, add_invalid},
    request::Request,
    text::Text,
    tools::arguments_to_object,
};

/// A message whose content and calls are checked.
#[derive(Debug)]
pub(super) struct CheckedMessage<'q> {
    pub(super) message: &'q Message<'q>,
    /// The content. Plain text is one part.
    pub(super) parts: Vec<CheckedPart<'q>>,
    /// The arguments of the calls, in their order, each a JSON object.
    pub(super) arguments: Vec<Cow<'q, str>>,
}

/// A part of a message's content.
#[derive(Debug)]
pub(super) enum CheckedPart<'q> {
    Text(&'q Text<'q>),
    Media(MediaPart<'q>),
}

impl<'q> CheckedMessage<'q> {
    /// Returns the texts of the content.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'q Text<'q>> {
        self.parts.iter().filter_map(|part| match part {
            CheckedPart::Text(text) => Some(*text),
            CheckedPart::Media(_) => None,
        })
    }

    /// Returns the media of the content.
    pub(super) fn media(&self) -> impl Iterator<Item = &MediaPart<'q>> {
        self.parts.iter().filter_map(|part| match part {
            CheckedPart::Text(_) => None,
            CheckedPart::Media(media) => Some(media),
        })
    }
}

/// Checks the messages of a request. What Gemini cannot be sent is added to the mistakes.
pub(super) fn check_messages<'q>(
    request: &'q Request<'q>,
    is_vertex: bool,
    mistakes: &mut Vec<Mistake>,
) -> Vec<CheckedMessage<'q>> {
    let trailing = trailing_instructions(&request.messages);
    let mut checker = MessageChecker { is_vertex, mistakes };
    let messages = request.messages.iter().enumerate();
    messages.map(|(position, message)| checker.check(message, position >= trailing)).collect()
}

/// Returns the position of the first instruction after the last other message, or the number of
/// messages if all are instructions. Trailing instructions are about the next answer and become a
/// turn of the user's, because `contents` must not end in the model's turn.
pub(super) fn trailing_instructions(messages: &[Message<'_>]) -> usize {
    let last = messages.iter().rposition(|message| !message.is_instruction());
    last.map_or(messages.len(), |last| last + 1)
}

/// Checker of messages, with the list of their mistakes.
struct MessageChecker<'m> {
    is_vertex: bool,
    mistakes: &'m mut Vec<Mistake>,
}

impl MessageChecker<'_> {
    /// Checks a message. `is_trailing` is true for an instruction that becomes a turn of the user's.
    fn check<'q>(&mut self, message: &'q Message<'q>, is_trailing: bool) -> CheckedMessage<'q> {
        let takes_media = match message.role {
            Role::System | Role::Developer => is_trailing,
            Role::Assistant => false,
            Role::User | Role::Tool | Role::Function => true,
        };
        let parts = match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(text) => vec![CheckedPart::Text(text)],
            Content::Parts(parts) => {
                let parts = parts.iter().enumerate();
                parts
                    .filter_map(|(number, part)| self.part(message, number, part, takes_media))
                    .collect()
            }
        };
        CheckedMessage { message, parts, arguments: self.arguments(message) }
    }

    /// Returns a part. One that cannot be sent is a mistake.
    fn part<'q>(
        &mut self,
        message: &Message<'_>,
        number: usize,
        part: &'q Part<'q>,
        takes_media: bool,
    ) -> Option<CheckedPart<'q>> {
        if let Some(text) = part.as_text() {
            return Some(CheckedPart::Text(text));
        }
        let media = if takes_media {
            let media = MediaPart::read(part, self.is_vertex);
            media.map_err(|problem| format!("{}: {problem}", part.kind))
        } else {
            Err("only text is supported here".to_owned())
        };
        media
            .map(CheckedPart::Media)
            .map_err(|problem| add_invalid(self.mistakes, message.part_path(number), &problem))
            .ok()
    }

    /// Returns the arguments of a message's calls.
    fn arguments<'q>(&mut self, message: &'q Message<'q>) -> Vec<Cow<'q, str>> {
        let index = message.index;
        if message.role != Role::Assistant || !message.has_calls() {
            return Vec::new();
        }
        let Some(calls) = message.tool_calls.as_ref().filter(|calls| !calls.is_empty()) else {
            let param = format!("messages[{index}].function_call");
            let Some(call) = message.legacy_call() else {
                add_invalid(self.mistakes, param, "must hold name and arguments");
                return Vec::new();
            };
            let arguments = call.arguments.map(Text::into_decoded);
            return vec![self.object(arguments, || format!("{param}.arguments"))];
        };
        let calls = calls.iter().enumerate().map(|(number, call)| {
            let arguments = call.function.arguments.as_ref().map(Text::decode);
            self.object(arguments, || {
                format!("messages[{index}].tool_calls[{number}].function.arguments")
            })
        });
        calls.collect()
    }

    /// Returns the arguments of a call as a JSON object. `param` names their place.
    fn object<'q>(
        &mut self,
        arguments: Option<Cow<'q, str>>,
        param: impl FnOnce() -> String,
    ) -> Cow<'q, str> {
        arguments_to_object(arguments.unwrap_or_default()).unwrap_or_else(|| {
            add_invalid(self.mistakes, param(), "is not JSON");
            Cow::Borrowed("{}")
        })
    }
}
