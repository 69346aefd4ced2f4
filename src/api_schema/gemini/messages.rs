//! The conversation: `systemInstruction` and `contents`. The roles `user` and `model` take turns,
//! no turn is empty, and the turn after calls holds a response to each, in the order of the calls.
//! ai.google.dev, *Content*; *Function calling*.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    closing::closing_message,
    fit::has_thinking_budget,
    media::MediaPart,
    request::{RequestBuilder, is_vertex},
    signature::{PLACEHOLDER, Signatures},
    turns::{self, TurnsWriter},
};
use crate::{
    api_schema::pending_calls::{CallKey, PendingCalls},
    chat::{
        message::{Content, Message, Part, Role, ToolCall},
        text::Text,
        tools::arguments_to_object,
    },
    json::{Object, too_deep},
};

const USER: &str = "user";
const MODEL: &str = "model";

/// Maximum depth of a result that is sent as an object. A request may have 100 levels at Google,
/// and each level of a result counts twice.
const MAX_DEPTH: usize = 32;

/// Call whose result has not been written.
struct PendingCall<'q, 'a> {
    /// The client's id, or `None` for a `function_call`, which has none.
    id: Option<&'q Text<'a>>,
    /// Name of the function, as it is sent.
    name: String,
    /// The result as a JSON object.
    response: Option<Vec<u8>>,
}

/// Fields of a `function_call`, the form that calls had before tools.
#[derive(Deserialize)]
struct LegacyCall<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

/// Builder of `contents`, with the calls that wait for their results.
#[derive(Default)]
struct ContentsBuilder<'q, 'a> {
    turns: TurnsWriter,
    pending: PendingCalls<PendingCall<'q, 'a>>,
}

impl<'q, 'a> RequestBuilder<'q, 'a> {
    /// Returns the parts of `systemInstruction`: the texts of system and developer messages,
    /// without the trailing ones.
    pub(super) fn system_parts(&mut self) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        let messages = self.input.request.messages.iter().enumerate();
        for (index, message) in messages.take(self.trailing_instructions()) {
            if !message.is_instruction() {
                continue;
            }
            for text in self.texts(index, message) {
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
        for (index, message) in self.input.request.messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer if index < trailing => {}
                Role::System | Role::Developer | Role::User => users.push((index, message)),
                Role::Assistant => {
                    if !users.is_empty() || contents.has_results() {
                        self.write_user_side(&mut contents, &mut users);
                    }
                    self.write_assistant(&mut contents, index, message);
                }
                Role::Tool | Role::Function => self.add_result(&mut contents, index, message),
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
        users: &mut Vec<(usize, &'q Message<'a>)>,
    ) {
        contents.write_results(self.has_call_ids());
        for (index, message) in users.drain(..) {
            self.write_user(&mut contents.turns, index, message);
        }
    }

    /// Returns true if calls have ids and require signatures, as for Gemini 3 and later.
    fn has_call_ids(&self) -> bool {
        !has_thinking_budget(self.input.target.model)
    }

    /// Returns the texts of a message, the first prefixed by the speaker's name. A part of another
    /// kind is a mistake.
    fn texts(&mut self, index: usize, message: &Message<'a>) -> Vec<Text<'a>> {
        let mut texts = match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(text) => vec![text.clone()],
            Content::Parts(parts) => {
                for (number, part) in parts.iter().enumerate() {
                    if part.as_text().is_none() {
                        let param = format!("messages[{index}].content[{number}]");
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

    fn write_user(&mut self, turns: &mut TurnsWriter, index: usize, message: &Message<'a>) {
        let Content::Parts(parts) = &message.content else {
            for text in self.texts(index, message) {
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
                None => self.write_media(turns, index, number, part),
            }
        }
    }

    fn write_media(
        &mut self,
        turns: &mut TurnsWriter,
        index: usize,
        number: usize,
        part: &Part<'_>,
    ) {
        match MediaPart::read(part, is_vertex(&self.input.target)) {
            Ok(media) => media.write(turns.begin_part(USER)),
            Err(problem) => {
                let param = format!("messages[{index}].content[{number}]");
                self.add_mistake(param, &format!("{}: {problem}", part.kind));
            }
        }
    }

    /// Writes the texts of an assistant message, then its calls.
    fn write_assistant(
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        index: usize,
        message: &'q Message<'a>,
    ) {
        let signatures = Signatures::read(message);
        let mut texts = self.texts(index, message);
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
        if let Some(raw) = message.function_call.filter(|_| !has_calls) {
            self.write_legacy_call(contents, index, raw);
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
        let name = self.names.sent(&call.function.name.decode());
        let id = Some(&call.id).filter(|id| self.has_call_ids() && !id.is_empty());
        let signature = signature.or(self.placeholder(contents));
        turns::write_call_part(contents.turns.begin_part(MODEL), id, &name, &args, signature);
        let key = CallKey::Id(call.id.decode().into_owned());
        contents.pending.push(key, PendingCall { id: Some(&call.id), name, response: None });
    }

    fn write_legacy_call(
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        index: usize,
        raw: &RawValue,
    ) {
        let param = format!("messages[{index}].function_call");
        let Ok(call) = serde_json::from_str::<LegacyCall<'_>>(raw.get()) else {
            return self.add_mistake(param, "must hold name and arguments");
        };
        let args = self.arguments_object(call.arguments.as_ref(), &format!("{param}.arguments"));
        let name = self.names.sent(&call.name.decode());
        let signature = self.placeholder(contents);
        turns::write_call_part(contents.turns.begin_part(MODEL), None, &name, &args, signature);
        let key = CallKey::Name(call.name.decode().into_owned());
        contents.pending.push(key, PendingCall { id: None, name, response: None });
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

    /// Assigns a result to its call.
    fn add_result(
        &mut self,
        contents: &mut ContentsBuilder<'q, 'a>,
        index: usize,
        message: &Message<'a>,
    ) {
        let texts = self.texts(index, message);
        match contents.pending.pair(&CallKey::of_result(message)) {
            Some(call) => call.response = Some(result_object(&texts)),
            None => {
                self.add_mistake(format!("messages[{index}]"), "answers no tool call before it");
            }
        }
    }
}

impl ContentsBuilder<'_, '_> {
    /// Returns true if a call has its result. Otherwise an assistant message continues the model's
    /// turn.
    fn has_results(&self) -> bool {
        self.pending.calls().iter().any(|call| call.response.is_some())
    }

    /// Writes the turn with the results of the pending calls, if there are any.
    fn write_results(&mut self, with_ids: bool) {
        if self.pending.calls().is_empty() {
            return;
        }
        self.turns.end_turn();
        for call in self.pending.take() {
            let mut part = Object::open(self.turns.begin_part(USER));
            part.object("functionResponse", |response| {
                if let Some(id) = call.id.filter(|id| with_ids && !id.is_empty()) {
                    response.raw("id", id.json());
                }
                response.value("name", &call.name);
                let missing = || br#"{"error":"the call was not answered"}"#.to_vec();
                response.raw("response", call.response.unwrap_or_else(missing));
            });
            part.close();
        }
        self.turns.end_turn();
    }
}

/// Returns a result as a JSON object: the result itself, if it is one and not too deep.
/// ai.google.dev, *FunctionResponse*, `response`.
fn result_object(texts: &[Text<'_>]) -> Vec<u8> {
    let text = Text::concat(texts);
    let decoded = text.decode();
    let json = decoded.trim();
    let is_object = json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok();
    if is_object && too_deep(json.as_bytes(), MAX_DEPTH).is_none() {
        return json.as_bytes().to_vec();
    }
    format!("{{\"output\":{}}}", text.json()).into_bytes()
}

/// Returns the speaker's name, which prefixes the message's text. The `name` of a result is that of
/// its function.
fn speaker_name<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    message.name.as_ref().filter(|name| speaks && !name.is_empty())
}
