//! Reasoning in the messages of a conversation.

use std::borrow::Cow;

use super::{
    decoder::has_reasoning_tags,
    reasoning_tags::{OpeningTag, ReasoningSplitter, SplitContent},
};
use crate::{
    chat::{
        message::{Content, Message, Part, Role},
        text::Text,
    },
    config::Provider,
};

/// Returns a message without reasoning in its content, for a provider whose answers may begin with
/// it: a client may have it from elsewhere, and the chat templates of open models remove it from
/// earlier turns. The reasoning becomes `reasoning_content`, unless the message has one.
pub(super) fn without_reasoning<'q, 'a>(
    message: &'q Message<'a>,
    provider: &Provider,
) -> Cow<'q, Message<'a>> {
    if message.role != Role::Assistant || !has_reasoning_tags(provider) {
        return Cow::Borrowed(message);
    }
    let text = match &message.content {
        Content::Absent => None,
        Content::Text(text) => Some(text),
        Content::Parts(parts) => {
            parts.first().filter(|part| part.kind == "text").and_then(Part::as_text)
        }
    };
    let split = text.and_then(|text| ReasoningSplitter::split(text, OpeningTag::Content));
    let Some(SplitContent { reasoning, content }) = split else { return Cow::Borrowed(message) };
    let mut own = message.clone();
    own.reasoning_content = own.reasoning_content.or(reasoning);
    own.content = with_first_text(own.content, content);
    Cow::Owned(own)
}

/// Returns content with another first text, or without the first text.
fn with_first_text<'a>(content: Content<'a>, first: Option<Text<'a>>) -> Content<'a> {
    let Content::Parts(mut parts) = content else {
        return first.map_or(Content::Absent, Content::Text);
    };
    if first.is_none() {
        parts.remove(0);
    } else if let Some(part) = parts.first_mut() {
        part.text = first;
    }
    if parts.is_empty() { Content::Absent } else { Content::Parts(parts) }
}
