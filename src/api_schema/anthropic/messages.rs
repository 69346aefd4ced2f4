//! Sorts the messages of a chat request into the turns that Claude's Messages have.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

use serde_json::value::RawValue;

use super::{
    conversation::{Block, Conversation, Says, Speaker, ToolResult, Turn},
    media,
    names::Ids,
    reasoning::thoughts,
};
use crate::chat::{
    message::{Content, Function, Message, Part, Role},
    mistake::{MAX_MISTAKES, Mistake, MistakeKind},
    text::Text,
    tools::arguments_to_object,
};

/// Sorts messages. What cannot be said to the provider is among the mistakes.
pub(super) fn to_turns<'q>(
    messages: &'q [Message<'_>],
    mistakes: &mut Vec<Mistake>,
) -> Conversation<'q> {
    let mut sorter = TurnBuilder {
        conversation: Conversation::default(),
        turn: None,
        ids: Ids::default(),
        calls: Vec::new(),
        waiting: BTreeMap::new(),
        mistakes,
    };
    for (index, message) in messages.iter().enumerate() {
        sorter.message(&format!("messages[{index}]"), message);
    }
    sorter.answer_rest();
    let ends_in_user = messages.last().is_some_and(|message| message.role == Role::User);
    let TurnBuilder { mut conversation, turn, .. } = sorter;
    conversation.turns.extend(turn);
    conversation.complete(ends_in_user);
    conversation
}

struct TurnBuilder<'q, 'm> {
    conversation: Conversation<'q>,
    /// The turn under way. `None`: nobody but the system has spoken.
    turn: Option<Turn<'q>>,
    ids: Ids,
    /// The calls of the assistant's last turn, and whether they have their result.
    calls: Vec<(String, bool)>,
    /// Which of them a result may be for, first come first served.
    waiting: BTreeMap<Key, VecDeque<usize>>,
    mistakes: &'m mut Vec<Mistake>,
}

/// What a result says it belongs to: the id of a call, or with functions, the name in it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Id(String),
    Name(String),
}

impl<'q> TurnBuilder<'q, '_> {
    fn message(&mut self, place: &str, message: &'q Message<'_>) {
        match message.role {
            Role::System | Role::Developer | Role::User => self.user(place, message),
            Role::Assistant => self.assistant(place, message),
            Role::Tool => {
                let id = message.tool_call_id.as_ref().map(Text::decode).unwrap_or_default();
                self.result(place, message, Key::Id(id.into_owned()));
            }
            Role::Function => {
                let name = message.name.as_ref().map(Text::decode).unwrap_or_default();
                self.result(place, message, Key::Name(name.into_owned()));
            }
        }
    }

    /// What is not the assistant's. Instructions after the first turn have no place of their own
    /// before Claude 4.8, so they stand where they are, in the user's name.
    fn user(&mut self, place: &str, message: &'q Message<'_>) {
        let mut blocks = self.said(place, message);
        prefix(&mut blocks, message.name.as_ref());
        mark(&mut blocks, message.cache_control);
        if blocks.is_empty() {
        } else if message.role != Role::User && self.turn.is_none() {
            self.conversation.system.extend(blocks);
        } else {
            self.turn(Speaker::User).blocks.extend(blocks);
        }
    }

    fn assistant(&mut self, place: &str, message: &'q Message<'_>) {
        let mut blocks = self.said(place, message);
        blocks.extend(message.refusal.as_ref().and_then(|refusal| text(refusal, None)));
        prefix(&mut blocks, message.name.as_ref());
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        if blocks.is_empty() && calls.is_empty() && message.function_call.is_none() {
            return;
        }
        let thoughts = thoughts(message).into_iter();
        let thoughts = thoughts.map(|thought| Block { says: Says::Thought(thought), cache: None });
        self.turn(Speaker::Assistant).blocks.extend(thoughts.chain(blocks));
        for (number, call) in calls.iter().enumerate() {
            let place = format!("{place}.tool_calls[{number}].function");
            let arguments = call.function.arguments.as_ref().map(Text::decode);
            let key = Key::Id(call.id.decode().into_owned());
            self.call(&place, key, &call.function.name, arguments);
        }
        if let Some(raw) = message.function_call {
            self.function_call(&format!("{place}.function_call"), raw);
        }
        mark(&mut self.turn(Speaker::Assistant).blocks, message.cache_control);
    }

    fn function_call(&mut self, place: &str, raw: &'q RawValue) {
        let Ok(Function { name, arguments }) = serde_json::from_str(raw.get()) else {
            return self.wrong(place, "must be an object with name and arguments");
        };
        let key = Key::Name(name.decode().into_owned());
        self.call(place, key, &name, arguments.map(Text::into_decoded));
    }

    fn call(&mut self, place: &str, key: Key, name: &Text<'q>, arguments: Option<Cow<'q, str>>) {
        let input = arguments_to_object(arguments.unwrap_or_default()).unwrap_or_else(|| {
            self.wrong(&format!("{place}.arguments"), "is not JSON");
            Cow::Borrowed("{}")
        });
        let id = match &key {
            Key::Id(id) => self.ids.assign(id),
            Key::Name(_) => self.ids.assign(""),
        };
        self.waiting.entry(key).or_default().push_back(self.calls.len());
        self.calls.push((id.clone(), false));
        let says = Says::Call { id, name: name.clone(), input };
        self.turn(Speaker::Assistant).blocks.push(Block { says, cache: None });
    }

    fn result(&mut self, place: &str, message: &'q Message<'_>, key: Key) {
        let content = self.said(place, message);
        let waiting = self.waiting.get_mut(&key).and_then(VecDeque::pop_front);
        let Some((id, has_result)) = waiting.and_then(|call| self.calls.get_mut(call)) else {
            return self.wrong(place, "no call of the assistant before it waits for this result");
        };
        *has_result = true;
        let (id, content) = (id.clone(), Some(content));
        let result = ToolResult { id, content, cache: message.cache_control };
        self.turn(Speaker::User).results.push(result);
    }

    /// A speaker's turn, begun if it is another's.
    fn turn(&mut self, speaker: Speaker) -> &mut Turn<'q> {
        let begins = self.turn.as_ref().is_none_or(|turn| turn.speaker != speaker);
        if begins && speaker == Speaker::Assistant {
            self.answer_rest();
        }
        let over = if begins { self.turn.take() } else { None };
        self.conversation.turns.extend(over);
        self.turn.get_or_insert_with(|| Turn::new(speaker))
    }

    /// Gives every call without a result one that says so: the provider refuses to go on without.
    fn answer_rest(&mut self) {
        self.waiting.clear();
        for (id, has_result) in std::mem::take(&mut self.calls) {
            if !has_result {
                let result = ToolResult { id, content: None, cache: None };
                self.turn(Speaker::User).results.push(result);
            }
        }
    }

    /// What a message says and shows, without what says nothing.
    fn said(&mut self, place: &str, message: &'q Message<'_>) -> Vec<Block<'q>> {
        match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(content) => text(content, None).into_iter().collect(),
            Content::Parts(parts) => {
                let may_show = matches!(message.role, Role::User | Role::Tool | Role::Function);
                let blocks = parts.iter().enumerate().filter_map(|(number, part)| {
                    block(part, may_show).unwrap_or_else(|problem| {
                        self.wrong(&format!("{place}.content[{number}]"), &problem);
                        None
                    })
                });
                blocks.collect()
            }
        }
    }

    fn wrong(&mut self, place: &str, problem: &str) {
        if self.mistakes.len() < MAX_MISTAKES {
            let message = format!("{place}: {problem}");
            self.mistakes.push(Mistake::new(MistakeKind::Invalid, place, &message));
        }
    }
}

/// A part's block. None for one that says nothing.
fn block<'q>(part: &'q Part<'_>, may_show: bool) -> Result<Option<Block<'q>>, String> {
    if let Some(said) = part.as_text() {
        return Ok(text(said, part.cache_control));
    }
    if part.kind == "input_audio" {
        return Err("sound cannot be sent to this provider".to_owned());
    }
    let media = media::media(part)?.filter(|_| may_show);
    let media = media.ok_or_else(|| format!("{} cannot be sent from this role", part.kind))?;
    Ok(Some(Block { says: Says::Media(media), cache: part.cache_control }))
}

/// A block of text, if it says anything: the provider refuses one that does not.
fn text<'q>(text: &Text<'q>, cache: Option<&'q RawValue>) -> Option<Block<'q>> {
    (!text.is_blank()).then(|| Block { says: Says::Text(text.clone()), cache })
}

/// Puts a speaker's name before the first that is said.
fn prefix(blocks: &mut Vec<Block<'_>>, name: Option<&Text<'_>>) {
    let Some(name) = name.filter(|name| !name.is_empty() && !blocks.is_empty()) else { return };
    let first = blocks.iter_mut().find_map(|block| match &mut block.says {
        Says::Text(text) => Some(text),
        _ => None,
    });
    match first {
        Some(text) => *text = name.join(": ", text),
        None => {
            let says = Says::Text(name.join(":", &Text::new("")));
            blocks.insert(0, Block { says, cache: None });
        }
    }
}

/// Marks the last block for the cache, if the message is marked as a whole.
fn mark<'q>(blocks: &mut [Block<'q>], cache: Option<&'q RawValue>) {
    if let Some(last) = blocks.last_mut() {
        last.cache = last.cache.or(cache);
    }
}
