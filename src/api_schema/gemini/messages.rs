//! The conversation: `systemInstruction` and `contents`. The roles `user` and `model` take turns,
//! no turn is empty, and the turn after calls holds a response to each, in the order of the calls.
//! ai.google.dev, *Content*; *Function calling*.

use std::borrow::Cow;

use super::{
    closing::closing_message,
    fit::has_thinking_budget,
    media::{MediaPart, is_vertex},
    request::RequestBuilder,
    results::{ContentsBuilder, PendingCall},
    signature::{PLACEHOLDER, Signatures},
    turns::{self, MODEL, TurnsWriter, USER},
};
use crate::chat::{
    message::{Content, Message, Part, Role, ToolCall},
    pending_calls::CallKey,
    text::Text,
    tools::arguments_to_object,
};

impl<'q, 'a> RequestBuilder<'q, 'a> {
    /// Returns the parts of `systemInstruction`: the texts of system and developer messages,
    /// without the trailing ones.
    pub(super) fn system_parts(&mut self) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        let messages = self.input.request.messages.iter().take(self.trailing_instructions());
        for message in messages.filter(|message| message.is_instruction()) {
            for text in self.texts(message) {
                parts.push(if parts.is_empty() { b'[' } else { b',' });
                turns::write_text_part(&mut parts, &text, None);
            }
        }
        (!parts.is_empty()).then(|| {
            parts.push(b']');
            parts
        })
    }

    /// Returns the index of the first instruction after the last other message, or the number of
    /// messages if all are instructions. Trailing instructions are about the next answer and become
    /// a turn of the user's, because `contents` must not end in the model's turn.
    fn trailing_instructions(&self) -> usize {
        let messages = &self.input.request.messages;
        let last = messages.iter().rposition(|message| !message.is_instruction());
        last.map_or(messages.len(), |last| last + 1)
    }

    /// Returns `contents`.
    pub(super) fn contents(&mut self) -> Vec<u8> {
        let trailing = self.trailing_instructions();
        let mut contents = ContentsBuilder::default();
        // User messages between calls and their results are written after the results.
        let mut users = Vec::new();
        for (position, message) in self.input.request.messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer if position < trailing => {}
                Role::System | Role::Developer | Role::User => users.push(message),
                Role::Assistant => {
                    if !users.is_empty() || contents.has_results() {
                        self.write_user_side(&mut contents, &mut users);
                    }
                    self.write_assistant(&mut contents, message);
                }
                Role::Tool | Role::Function => self.add_result(&mut contents, message),
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
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        users: &mut Vec<&'q Message<'a>>,
    ) {
        contents.write_results(self.has_call_ids());
        for message in users.drain(..) {
            self.write_user(&mut contents.turns, message);
        }
    }

    /// Returns true if calls have ids and require signatures, as for Gemini 3 and later.
    pub(super) fn has_call_ids(&self) -> bool {
        !has_thinking_budget(self.input.target.model)
    }

    /// Returns the texts of a message, the first prefixed by the speaker's name. A part of another
    /// kind is a mistake.
    fn texts(&mut self, message: &Message<'a>) -> Vec<Text<'a>> {
        let mut texts = match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(text) => vec![text.clone()],
            Content::Parts(parts) => {
                for (number, part) in parts.iter().enumerate() {
                    if part.as_text().is_none() {
                        let param = message.part_path(number);
                        self.add_mistake(param, "only text is supported here");
                    }
                }
                parts.iter().filter_map(Part::as_text).cloned().collect()
            }
        };
        texts.retain(|text| !text.is_empty());
        if let (Some(first), Some(name)) = (texts.first_mut(), speaker_name(message)) {
            *first = name.join(": ", first);
        }
        texts
    }

    fn write_user(&mut self, turns: &mut TurnsWriter, message: &Message<'a>) {
        let Content::Parts(parts) = &message.content else {
            for text in self.texts(message) {
                turns::write_text_part(turns.begin_part(USER), &text, None);
            }
            return;
        };
        let is_filled = |part: &Part<'_>| part.as_text().is_some_and(|text| !text.is_empty());
        let first = parts.iter().position(is_filled);
        let name = speaker_name(message);
        if let Some(name) = name.filter(|_| first.is_none() && !parts.is_empty()) {
            turns::write_text_part(turns.begin_part(USER), &name.join(":", &Text::new("")), None);
        }
        for (number, part) in parts.iter().enumerate() {
            match part.as_text() {
                Some(text) if text.is_empty() => {}
                Some(text) => {
                    let prefix = name.filter(|_| first == Some(number));
                    let named = prefix.map(|name| name.join(": ", text));
                    let text = named.as_ref().unwrap_or(text);
                    turns::write_text_part(turns.begin_part(USER), text, None);
                }
                None => {
                    if let Some(media) = self.media(message, number, part) {
                        media.write(turns.begin_part(USER));
                    }
                }
            }
        }
    }

    /// Returns the media in a part that is not text. One that cannot be sent is a mistake.
    pub(super) fn media<'p>(
        &mut self,
        message: &Message<'_>,
        number: usize,
        part: &'p Part<'_>,
    ) -> Option<MediaPart<'p>> {
        let media = MediaPart::read(part, is_vertex(&self.input.target));
        media
            .map_err(|problem| {
                let problem = format!("{}: {problem}", part.kind);
                self.add_mistake(message.part_path(number), &problem);
            })
            .ok()
    }

    /// Writes the texts of an assistant message, then its calls.
    fn write_assistant(
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        message: &'q Message<'a>,
    ) {
        let (signatures, index) = (Signatures::read(message), message.index);
        let mut texts = self.texts(message);
        texts.extend(message.refusal.clone().filter(|text| !text.is_empty()));
        let last = texts.len();
        for (number, text) in texts.iter().enumerate() {
            // The signature of an answer's text belongs to its last part.
            let signature = signatures.for_text().filter(|_| number + 1 == last);
            turns::write_text_part(contents.turns.begin_part(MODEL), text, signature);
        }
        let calls = message.tool_calls.iter().flatten();
        for (number, call) in calls.enumerate() {
            let param = format!("messages[{index}].tool_calls[{number}].function.arguments");
            let signature = signatures.for_call(call);
            self.write_call(contents, call, &param, signature.as_deref());
        }
        let has_calls = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        if message.function_call.is_some() && !has_calls {
            self.write_legacy_call(contents, message);
        }
    }

    fn write_call(
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        call: &'q ToolCall<'a>,
        param: &str,
        signature: Option<&str>,
    ) {
        let args = self.arguments_object(call.function.arguments.as_ref(), param);
        let name = self.names.sent(&call.function.name);
        let id = Some(&call.id).filter(|id| self.has_call_ids() && !id.is_empty());
        let signature = signature.or(self.placeholder(contents));
        turns::write_call_part(contents.turns.begin_part(MODEL), id, &name, &args, signature);
        let key = CallKey::Id(call.id.decode().into_owned());
        contents.pending.push(key, PendingCall::new(Some(&call.id), name));
    }

    fn write_legacy_call(&mut self, contents: &mut ContentsBuilder<'q, 'a>, message: &Message<'a>) {
        let param = format!("messages[{}].function_call", message.index);
        let Some(call) = message.legacy_call() else {
            return self.add_mistake(param, "must hold name and arguments");
        };
        let args = self.arguments_object(call.arguments.as_ref(), &format!("{param}.arguments"));
        let name = self.names.sent(&call.name);
        let signature = self.placeholder(contents);
        turns::write_call_part(contents.turns.begin_part(MODEL), None, &name, &args, signature);
        let key = CallKey::Name(call.name.decode().into_owned());
        contents.pending.push(key, PendingCall::new(None, name));
    }

    /// Returns the placeholder signature for the first call of a step, which must have one.
    fn placeholder(&self, contents: &ContentsBuilder<'_, '_>) -> Option<&'static str> {
        (self.has_call_ids() && contents.pending.calls().is_empty()).then_some(PLACEHOLDER)
    }

    /// Returns the arguments of a call as a JSON object.
    fn arguments_object(&mut self, arguments: Option<&Text<'_>>, param: &str) -> String {
        let decoded = arguments.map(Text::decode).unwrap_or_default();
        let object = arguments_to_object(decoded).unwrap_or_else(|| {
            self.add_mistake(param, "is not JSON");
            Cow::Borrowed("{}")
        });
        object.into_owned()
    }
}

/// Returns the speaker's name, which prefixes the message's text. The `name` of a result is that of
/// its function.
fn speaker_name<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    message.name.as_ref().filter(|name| speaks && !name.is_empty())
}
