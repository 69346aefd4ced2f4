//! The end of `contents`, for models that refuse a conversation whose last turn is the model's, as
//! Gemini 3.6 does. docs.cloud.google.com, *Gemini 3.6 Flash*.

use crate::{
    chat::{
        message::{Content, Message, Part, Role},
        request::Request,
        text::Text,
    },
    config::Target,
    fit::closing_message::ClosingMessage,
};

/// Returns the message that closes a conversation whose last turn would be the model's, if the model
/// refuses that. Messages without content become no turn, so the decision is up to an earlier one.
pub(super) fn closing_message(
    request: &Request<'_>,
    target: &Target<'_>,
) -> Option<ClosingMessage> {
    if target.model.continues_assistant(target.endpoint.api_schema) {
        return None;
    }
    let messages = request.messages.as_slice();
    let last = messages.iter().rposition(|message| !message.is_instruction())?;
    // Instructions at the end become a turn of the user.
    if messages.iter().skip(last + 1).any(|message| !message.content.is_blank()) {
        return None;
    }
    let mut closing = ClosingMessage::Continue;
    for (index, message) in messages.iter().enumerate().take(last + 1).rev() {
        match message.role {
            Role::System | Role::Developer => {}
            Role::User if message.content.is_blank() => closing = ClosingMessage::Placeholder,
            Role::Assistant if message.has_calls() => return None,
            Role::Assistant if has_text(message) => {
                let earlier = messages.iter().take(index);
                return (!await_results(earlier.rev())).then_some(closing);
            }
            Role::Assistant => {}
            Role::User | Role::Tool | Role::Function => return None,
        }
    }
    None
}

/// Returns true if the assistant's message has a part that is sent.
fn has_text(message: &Message<'_>) -> bool {
    let is_filled = |text: &Text<'_>| !text.is_empty();
    let has_content = match &message.content {
        Content::Absent => false,
        Content::Text(text) => is_filled(text),
        Content::Parts(parts) => parts.iter().filter_map(Part::as_text).any(is_filled),
    };
    has_content || message.refusal.as_ref().is_some_and(is_filled)
}

/// Returns true if the model's turn before a text has calls, given the messages before the text from
/// the last to the first. The turn of their results follows the text.
fn await_results<'m, 'a: 'm>(mut earlier: impl Iterator<Item = &'m Message<'a>>) -> bool {
    earlier
        .find(|message| match message.role {
            Role::System | Role::Developer => false,
            Role::Assistant => message.has_calls(),
            Role::User | Role::Tool | Role::Function => true,
        })
        .is_some_and(|message| message.role == Role::Assistant)
}
