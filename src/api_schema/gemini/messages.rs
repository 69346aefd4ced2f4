//! The conversation: `systemInstruction` and `contents`. The roles `user` and `model` take turns,
//! no turn is empty, and the turn after calls holds a response to each, in the order of the calls.
//! ai.google.dev, *Content*; *Function calling*.

use super::{
    closing::closing_message,
    conversation::{CheckedMessage, CheckedPart, trailing_instructions},
    fit::has_thinking_budget,
    request::RequestBuilder,
    results::{ContentsBuilder, PendingCall},
    signature::{PLACEHOLDER, Signatures},
    turns::{self, MODEL, TurnsWriter, USER},
};
use crate::chat::{
    message::{Content, Message, Role, ToolCall},
    pending_calls::CallKey,
    text::Text,
};

impl<'q> RequestBuilder<'q> {
    /// Returns the parts of `systemInstruction`: the texts of system and developer messages,
    /// without the trailing ones.
    pub(super) fn system_parts(&self) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        let trailing = trailing_instructions(&self.input.request.messages);
        let messages = self.checked.messages.iter().take(trailing);
        for checked in messages.filter(|checked| checked.message.is_instruction()) {
            for text in texts(checked) {
                parts.push(if parts.is_empty() { b'[' } else { b',' });
                turns::write_text_part(&mut parts, &text, None);
            }
        }
        (!parts.is_empty()).then(|| {
            parts.push(b']');
            parts
        })
    }

    /// Returns `contents`.
    pub(super) fn contents(&self) -> Vec<u8> {
        let trailing = trailing_instructions(&self.input.request.messages);
        let mut contents = ContentsBuilder::default();
        // User messages between calls and their results are written after the results.
        let mut users = Vec::new();
        for (position, checked) in self.checked.messages.iter().enumerate() {
            match checked.message.role {
                Role::System | Role::Developer if position < trailing => {}
                Role::System | Role::Developer | Role::User => users.push(checked),
                Role::Assistant => {
                    if !users.is_empty() || contents.has_results() {
                        self.write_user_side(&mut contents, &mut users);
                    }
                    self.write_assistant(&mut contents, checked);
                }
                Role::Tool | Role::Function => self.add_result(&mut contents, checked),
            }
        }
        self.write_user_side(&mut contents, &mut users);
        if let Some(message) = closing_message(self.input.request, &self.input.target) {
            let part = contents.turns.begin_part(USER);
            turns::write_text_part(part, &Text::new(message.text()), None);
        }
        contents.turns.finish()
    }

    /// Writes the results of pending calls, then the messages of `users`.
    fn write_user_side(
        &self,
        contents: &mut ContentsBuilder<'q>,
        users: &mut Vec<&'q CheckedMessage<'q>>,
    ) {
        contents.write_results(self.has_call_ids());
        for checked in users.drain(..) {
            write_user(&mut contents.turns, checked);
        }
    }

    /// Returns true if calls have ids and require signatures, as for Gemini 3 and later.
    pub(super) fn has_call_ids(&self) -> bool {
        !has_thinking_budget(self.input.target.model)
    }

    /// Writes the texts of an assistant message, then its calls.
    fn write_assistant(&self, contents: &mut ContentsBuilder<'q>, checked: &'q CheckedMessage<'q>) {
        let message = checked.message;
        let signatures = Signatures::read(message);
        let mut texts = texts(checked);
        texts.extend(message.refusal.clone().filter(|text| !text.is_empty()));
        let last = texts.len();
        for (number, text) in texts.iter().enumerate() {
            // The signature of an answer's text belongs to its last part.
            let signature = signatures.for_text().filter(|_| number + 1 == last);
            turns::write_text_part(contents.turns.begin_part(MODEL), text, signature);
        }
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        for (call, args) in calls.iter().zip(&checked.arguments) {
            let signature = signatures.for_call(call);
            self.write_call(contents, call, args, signature.as_deref());
        }
        if calls.is_empty() {
            self.write_legacy_call(contents, checked);
        }
    }

    fn write_call(
        &self,
        contents: &mut ContentsBuilder<'q>,
        call: &'q ToolCall<'q>,
        args: &str,
        signature: Option<&str>,
    ) {
        let name = self.names.sent(&call.function.name);
        let id = Some(&call.id).filter(|id| self.has_call_ids() && !id.is_empty());
        let signature = signature.or(self.placeholder(contents));
        turns::write_call_part(contents.turns.begin_part(MODEL), id, &name, args, signature);
        let key = CallKey::Id(call.id.decode().into_owned());
        contents.pending.push(key, PendingCall::new(Some(&call.id), name));
    }

    /// Writes the call in the older form, if the message has one.
    fn write_legacy_call(
        &self,
        contents: &mut ContentsBuilder<'q>,
        checked: &'q CheckedMessage<'q>,
    ) {
        let Some((call, args)) = checked.message.legacy_call().zip(checked.arguments.first())
        else {
            return;
        };
        let name = self.names.sent(&call.name);
        let signature = self.placeholder(contents);
        turns::write_call_part(contents.turns.begin_part(MODEL), None, &name, args, signature);
        let key = CallKey::Name(call.name.decode().into_owned());
        contents.pending.push(key, PendingCall::new(None, name));
    }

    /// Returns the placeholder signature for the first call of a step, which must have one.
    fn placeholder(&self, contents: &ContentsBuilder<'_>) -> Option<&'static str> {
        (self.has_call_ids() && contents.pending.calls().is_empty()).then_some(PLACEHOLDER)
    }
}

/// Returns the texts of a message that are not empty, the first prefixed by the speaker's name.
fn texts<'q>(checked: &CheckedMessage<'q>) -> Vec<Text<'q>> {
    let filled = checked.texts().filter(|text| !text.is_empty());
    let mut texts: Vec<Text<'q>> = filled.cloned().collect();
    if let (Some(first), Some(name)) = (texts.first_mut(), speaker_name(checked.message)) {
        *first = name.join(": ", first);
    }
    texts
}

fn write_user(turns: &mut TurnsWriter, checked: &CheckedMessage<'_>) {
    let is_filled =
        |part: &CheckedPart<'_>| matches!(part, CheckedPart::Text(text) if !text.is_empty());
    let first = checked.parts.iter().position(is_filled);
    let name = speaker_name(checked.message);
    let is_nameless = first.is_none() && matches!(checked.message.content, Content::Parts(_));
    if let Some(name) = name.filter(|_| is_nameless && !checked.parts.is_empty()) {
        turns::write_text_part(turns.begin_part(USER), &name.join(":", &Text::new("")), None);
    }
    for (number, part) in checked.parts.iter().enumerate() {
        match part {
            CheckedPart::Text(text) if text.is_empty() => {}
            CheckedPart::Text(text) => {
                let prefix = name.filter(|_| first == Some(number));
                let named = prefix.map(|name| name.join(": ", text));
                turns::write_text_part(
                    turns.begin_part(USER),
                    named.as_ref().unwrap_or(text),
                    None,
                );
            }
            CheckedPart::Media(media) => media.write(turns.begin_part(USER)),
        }
    }
}

/// Returns the speaker's name, which prefixes the message's text. The `name` of a result is that of
/// its function.
fn speaker_name<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    message.name.as_ref().filter(|name| speaks && !name.is_empty())
}
