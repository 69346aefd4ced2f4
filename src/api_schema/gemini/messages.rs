//! The conversation: `systemInstruction` and `contents`. Two speakers take turns, `user` and
//! `model`, no turn is empty, and right after calls comes one turn with a response to each, in
//! their order. ai.google.dev, *Content*; *Function calling*.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    RequestBuilder,
    fit::has_budget,
    is_vertex,
    media::Media,
    signature::{LOST, Signatures},
    turns::{self, Turns},
};
use crate::{
    chat::{
        message::{Content, Message, Part, Role, ToolCall},
        text::Text,
        tools::arguments_to_object,
    },
    json::{Object, too_deep},
};

const USER: &str = "user";
const MODEL: &str = "model";

/// How deep a result may nest and still be an object of its own: Google reads at most 100 levels of
/// a request, and two for each of these.
const MAX_DEPTH: usize = 32;

/// A call that waits for its result.
struct Pending<'q, 'a> {
    /// None for a call in the old form, which goes by its name.
    id: Option<&'q Text<'a>>,
    /// The name that is sent.
    name: String,
    /// An object.
    response: Option<Vec<u8>>,
}

/// A call in the old form, `function_call`.
#[derive(Deserialize)]
struct OldCall<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Option<Text<'a>>,
}

/// The conversation so far.
#[derive(Default)]
struct Conversation<'q, 'a> {
    turns: Turns,
    pending: Vec<Pending<'q, 'a>>,
    /// Places of those without a result, by their ids.
    open: BTreeMap<String, VecDeque<usize>>,
}

impl<'q, 'a> RequestBuilder<'q, 'a> {
    /// The parts of `systemInstruction`: what system and developer messages say, but for the last
    /// words.
    pub(super) fn system(&mut self) -> Option<Vec<u8>> {
        let mut parts = Vec::new();
        let messages = self.asked.request.messages.iter().enumerate();
        for (index, message) in messages.take(self.last_words()) {
            if !instructs(message) {
                continue;
            }
            for text in self.texts(index, message) {
                parts.push(if parts.is_empty() { b'[' } else { b',' });
                turns::text(&mut parts, &text, None);
            }
        }
        (!parts.is_empty()).then(|| {
            parts.push(b']');
            parts
        })
    }

    /// Where the instructions begin that stand after all that was said: they are about what is to
    /// be said next, and a conversation must not end in the model's own words. Where nobody has
    /// spoken there are none.
    fn last_words(&self) -> usize {
        let messages = &self.asked.request.messages;
        let spoken = messages.iter().rposition(|message| !instructs(message));
        spoken.map_or(messages.len(), |last| last + 1)
    }

    /// `contents`.
    pub(super) fn contents(&mut self) -> Vec<u8> {
        let last_words = self.last_words();
        let mut conversation = Conversation::default();
        // What users say between calls and their results comes after the results.
        let mut users = Vec::new();
        for (index, message) in self.asked.request.messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer if index < last_words => {}
                Role::System | Role::Developer | Role::User => users.push((index, message)),
                Role::Assistant => {
                    if !users.is_empty() || conversation.has_results() {
                        self.answer(&mut conversation, &mut users);
                    }
                    self.assistant(&mut conversation, index, message);
                }
                Role::Tool | Role::Function => self.result(&mut conversation, index, message),
            }
        }
        self.answer(&mut conversation, &mut users);
        conversation.turns.finish()
    }

    /// What is not the model's: results of its calls, and what users say.
    fn answer(
        &mut self,
        conversation: &mut Conversation<'q, 'a>,
        users: &mut Vec<(usize, &'q Message<'a>)>,
    ) {
        conversation.respond(self.takes_ids());
        for (index, message) in users.drain(..) {
            self.user(&mut conversation.turns, index, message);
        }
    }

    /// Whether calls have ids, and signatures are asked for: Gemini 3 and later.
    fn takes_ids(&self) -> bool {
        !has_budget(self.asked.target.model)
    }

    /// What a message says, its speaker's name in front. Anything but text is a mistake.
    fn texts(&mut self, index: usize, message: &Message<'a>) -> Vec<Text<'a>> {
        let mut texts = match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(text) => vec![text.clone()],
            Content::Parts(parts) => {
                for (number, part) in parts.iter().enumerate() {
                    if part.as_text().is_none() {
                        let param = format!("messages[{index}].content[{number}]");
                        self.wrong(param, "only text is supported here");
                    }
                }
                parts.iter().filter_map(Part::as_text).cloned().collect()
            }
        };
        texts.retain(|text| !text.is_empty());
        if let (Some(first), Some(name)) = (texts.first_mut(), speaker(message)) {
            *first = name.join(": ", first);
        }
        texts
    }

    fn user(&mut self, turns: &mut Turns, index: usize, message: &Message<'a>) {
        let Content::Parts(parts) = &message.content else {
            for text in self.texts(index, message) {
                turns::text(turns.part(USER), &text, None);
            }
            return;
        };
        let first =
            parts.iter().position(|part| part.as_text().is_some_and(|text| !text.is_empty()));
        let name = speaker(message);
        if let Some(name) = name.filter(|_| first.is_none() && !parts.is_empty()) {
            turns::text(turns.part(USER), &name.join(":", &Text::new("")), None);
        }
        for (number, part) in parts.iter().enumerate() {
            match part.as_text() {
                Some(text) if text.is_empty() => {}
                Some(text) => match name.filter(|_| first == Some(number)) {
                    Some(name) => turns::text(turns.part(USER), &name.join(": ", text), None),
                    None => turns::text(turns.part(USER), text, None),
                },
                None => self.media(turns, index, number, part),
            }
        }
    }

    fn media(&mut self, turns: &mut Turns, index: usize, number: usize, part: &Part<'_>) {
        match Media::read(part, is_vertex(&self.asked.target)) {
            Ok(media) => media.write(turns.part(USER)),
            Err(problem) => {
                let param = format!("messages[{index}].content[{number}]");
                self.wrong(param, &format!("{}: {problem}", part.kind));
            }
        }
    }

    /// What the model said, and then what it called.
    fn assistant(
        &mut self,
        conversation: &mut Conversation<'q, 'a>,
        index: usize,
        message: &'q Message<'a>,
    ) {
        let signatures = Signatures::of(message);
        let mut texts = self.texts(index, message);
        texts.extend(message.refusal.clone().filter(|text| !text.is_empty()));
        let last = texts.len();
        for (number, text) in texts.iter().enumerate() {
            // The signature of a whole answer comes with the last of it.
            let signature = signatures.of_text().filter(|_| number + 1 == last);
            turns::text(conversation.turns.part(MODEL), text, signature);
        }
        let calls = message.tool_calls.iter().flatten();
        for (number, call) in calls.enumerate() {
            let param = format!("messages[{index}].tool_calls[{number}].function.arguments");
            let signature = signatures.of_call(call);
            self.call(conversation, call, &param, signature.as_deref());
        }
        let has_calls = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        if let Some(raw) = message.function_call.filter(|_| !has_calls) {
            self.old_call(conversation, index, raw);
        }
    }

    fn call(
        &mut self,
        conversation: &mut Conversation<'q, 'a>,
        call: &'q ToolCall<'a>,
        param: &str,
        signature: Option<&str>,
    ) {
        let args = self.args(call.function.arguments.as_ref(), param);
        let name = self.names.sent(&call.function.name.decode());
        let id = Some(&call.id).filter(|id| self.takes_ids() && !id.is_empty());
        // The first call of a step must have one, also where it was lost.
        let lost = self.takes_ids() && conversation.pending.is_empty();
        let signature = signature.or(lost.then_some(LOST));
        turns::call(conversation.turns.part(MODEL), id, &name, &args, signature);
        conversation.await_result(Some(&call.id), name);
    }

    fn old_call(&mut self, conversation: &mut Conversation<'q, 'a>, index: usize, raw: &RawValue) {
        let param = format!("messages[{index}].function_call");
        let Ok(call) = serde_json::from_str::<OldCall<'_>>(raw.get()) else {
            return self.wrong(param, "must hold name and arguments");
        };
        let args = self.args(call.arguments.as_ref(), &format!("{param}.arguments"));
        let name = self.names.sent(&call.name.decode());
        let lost = self.takes_ids() && conversation.pending.is_empty();
        let signature = lost.then_some(LOST);
        turns::call(conversation.turns.part(MODEL), None, &name, &args, signature);
        conversation.await_result(None, name);
    }

    /// Arguments as the object they must be here.
    fn args(&mut self, arguments: Option<&Text<'_>>, param: &str) -> String {
        let decoded = arguments.map(Text::decode).unwrap_or_default();
        let object = arguments_to_object(decoded).unwrap_or_else(|| {
            self.wrong(param, "is not JSON");
            Cow::Borrowed("{}")
        });
        object.into_owned()
    }

    /// Finds the call a result belongs to.
    fn result(
        &mut self,
        conversation: &mut Conversation<'q, 'a>,
        index: usize,
        message: &Message<'a>,
    ) {
        let texts = self.texts(index, message);
        let old = message.name.as_ref().filter(|_| message.role == Role::Function);
        let call = match (old, &message.tool_call_id) {
            (Some(name), _) => {
                let name = self.names.sent(&name.decode());
                conversation.old(&name)
            }
            (None, Some(id)) => conversation.take(&id.decode()),
            (None, None) => None,
        };
        match call {
            Some(call) => call.response = Some(response(&texts)),
            None => self.wrong(format!("messages[{index}]"), "answers no tool call before it"),
        }
    }
}

impl<'q, 'a> Conversation<'q, 'a> {
    /// Keeps a call until its result comes.
    fn await_result(&mut self, id: Option<&'q Text<'a>>, name: String) {
        if let Some(id) = id {
            let places = self.open.entry(id.decode().into_owned()).or_default();
            places.push_back(self.pending.len());
        }
        self.pending.push(Pending { id, name, response: None });
    }

    /// The call with an id that has no result yet.
    fn take(&mut self, id: &str) -> Option<&mut Pending<'q, 'a>> {
        let place = self.open.get_mut(id)?.pop_front()?;
        self.pending.get_mut(place)
    }

    /// The call in the old form that waits for a result under its name.
    fn old(&mut self, name: &str) -> Option<&mut Pending<'q, 'a>> {
        let waits = |call: &&mut Pending<'_, '_>| call.id.is_none() && call.response.is_none();
        self.pending.iter_mut().filter(waits).find(|call| call.name == name)
    }

    /// Whether results have come for the calls. Until then the model may still be calling.
    fn has_results(&self) -> bool {
        self.pending.iter().any(|call| call.response.is_some())
    }

    /// Writes the turn that answers the calls, if there were any.
    fn respond(&mut self, with_ids: bool) {
        if self.pending.is_empty() {
            return;
        }
        self.turns.close();
        self.open.clear();
        for call in self.pending.drain(..) {
            let mut part = Object::open(self.turns.part(USER));
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
        self.turns.close();
    }
}

/// A result as an object: itself, if it is one. ai.google.dev, *FunctionResponse*, `response`.
fn response(texts: &[Text<'_>]) -> Vec<u8> {
    let text = Text::concat(texts);
    let decoded = text.decode();
    let json = decoded.trim();
    let is_object = json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok();
    if is_object && too_deep(json.as_bytes(), MAX_DEPTH).is_none() {
        return json.as_bytes().to_vec();
    }
    format!("{{\"output\":{}}}", text.json()).into_bytes()
}

/// The name that goes in front of what a message says. A function's name is no speaker's.
fn instructs(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn speaker<'m, 'a>(message: &'m Message<'a>) -> Option<&'m Text<'a>> {
    let speaks = !matches!(message.role, Role::Tool | Role::Function);
    message.name.as_ref().filter(|name| speaks && !name.is_empty())
}
