//! Translation of the messages of a chat request into Claude's turns.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    media,
    names::ToolUseIds,
    reasoning::thinking_blocks,
    turns::{
        AnthropicConversation, AnthropicTurn, BlockContent, ContentBlock, ToolResult, TurnRole,
    },
};
use crate::chat::{
    message::{Content, Function, Message, Part, Role},
    mistake::{Mistake, add_invalid},
    pending_calls::{CallKey, PendingCalls},
    text::Text,
    tools::arguments_to_object,
};

/// Translates messages. Those that Claude cannot be sent are added to the mistakes.
pub(in crate::api_schema) fn to_turns<'q>(
    messages: &'q [Message<'_>],
    mistakes: &mut Vec<Mistake>,
) -> AnthropicConversation<'q> {
    let mut builder = TurnBuilder {
        conversation: AnthropicConversation::default(),
        turn: None,
        ids: ToolUseIds::default(),
        calls: PendingCalls::default(),
        mistakes,
    };
    for message in messages {
        builder.add_message(&format!("messages[{}]", message.index), message);
    }
    builder.add_missing_results();
    let ends_in_user = messages.last().is_some_and(|message| message.role == Role::User);
    let TurnBuilder { mut conversation, turn, .. } = builder;
    conversation.turns.extend(turn);
    conversation.add_required_user_turns(ends_in_user);
    conversation
}

/// A translation of messages in progress.
struct TurnBuilder<'q, 'm> {
    conversation: AnthropicConversation<'q>,
    /// The current turn. `None` while only instructions have been read.
    turn: Option<AnthropicTurn<'q>>,
    ids: ToolUseIds,
    /// The calls of the assistant's last turn.
    calls: PendingCalls<PendingToolUse>,
    mistakes: &'m mut Vec<Mistake>,
}

/// A call and whether the conversation has its result.
struct PendingToolUse {
    id: String,
    has_result: bool,
}

impl<'q> TurnBuilder<'q, '_> {
    fn add_message(&mut self, path: &str, message: &'q Message<'_>) {
        match message.role {
            Role::System | Role::Developer | Role::User => self.add_user(path, message),
            Role::Assistant => self.add_assistant(path, message),
            Role::Tool | Role::Function => self.add_result(path, message),
        }
    }

    /// Adds a message of a user, or instructions. Before Claude 4.8 only the instructions at the
    /// beginning have a place of their own: later ones go into the user's turn.
    fn add_user(&mut self, path: &str, message: &'q Message<'_>) {
        let mut blocks = self.blocks(path, message);
        prefix_name(&mut blocks, message.name.as_ref());
        mark_last(&mut blocks, message.cache_control);
        if blocks.is_empty() {
            return;
        }
        if message.role != Role::User && self.turn.is_none() {
            self.conversation.system.extend(blocks);
        } else {
            self.turn_of(TurnRole::User).blocks.extend(blocks);
        }
    }

    fn add_assistant(&mut self, path: &str, message: &'q Message<'_>) {
        let mut blocks = self.blocks(path, message);
        blocks.extend(message.refusal.as_ref().and_then(|refusal| text_block(refusal, None)));
        prefix_name(&mut blocks, message.name.as_ref());
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        if blocks.is_empty() && calls.is_empty() && message.function_call.is_none() {
            return;
        }
        let thinking = thinking_blocks(message).into_iter().map(BlockContent::Thinking);
        let thinking = thinking.map(ContentBlock::uncached);
        self.turn_of(TurnRole::Assistant).blocks.extend(thinking.chain(blocks));
        for (number, call) in calls.iter().enumerate() {
            let path = format!("{path}.tool_calls[{number}].function");
            let arguments = call.function.arguments.as_ref().map(Text::decode);
            let key = CallKey::Id(call.id.decode().into_owned());
            self.add_call(&path, key, &call.function.name, arguments);
        }
        if let Some(raw) = message.function_call {
            self.add_function_call(&format!("{path}.function_call"), raw);
        }
        mark_last(&mut self.turn_of(TurnRole::Assistant).blocks, message.cache_control);
    }

    fn add_function_call(&mut self, path: &str, raw: &'q RawValue) {
        let Ok(Function { name, arguments }) = serde_json::from_str(raw.get()) else {
            return self.add_mistake(path, "must be an object with name and arguments");
        };
        let key = CallKey::Name(name.decode().into_owned());
        self.add_call(path, key, &name, arguments.map(Text::into_decoded));
    }

    fn add_call(
        &mut self,
        path: &str,
        key: CallKey,
        name: &Text<'q>,
        arguments: Option<Cow<'q, str>>,
    ) {
        let input = arguments_to_object(arguments.unwrap_or_default()).unwrap_or_else(|| {
            self.add_mistake(&format!("{path}.arguments"), "is not JSON");
            Cow::Borrowed("{}")
        });
        let id = match &key {
            CallKey::Id(id) => self.ids.assign(id),
            CallKey::Name(_) => self.ids.assign(""),
        };
        self.calls.push(key, PendingToolUse { id: id.clone(), has_result: false });
        let content = BlockContent::ToolUse { id, name: name.clone(), input };
        self.turn_of(TurnRole::Assistant).blocks.push(ContentBlock::uncached(content));
    }

    fn add_result(&mut self, path: &str, message: &'q Message<'_>) {
        let blocks = self.blocks(path, message);
        let Some(call) = self.calls.pair(&CallKey::of_result(message)) else { return };
        call.has_result = true;
        let (id, content) = (call.id.clone(), Some(blocks));
        let result = ToolResult { id, content, cache_control: message.cache_control };
        self.turn_of(TurnRole::User).results.push(result);
    }

    /// Returns the current turn if it is of this role, else begins one.
    fn turn_of(&mut self, role: TurnRole) -> &mut AnthropicTurn<'q> {
        let begins = self.turn.as_ref().is_none_or(|turn| turn.role != role);
        if begins && role == TurnRole::Assistant {
            self.add_missing_results();
        }
        let ended = if begins { self.turn.take() } else { None };
        self.conversation.turns.extend(ended);
        self.turn.get_or_insert_with(|| AnthropicTurn::new(role))
    }

    /// Adds a result that reports an error for every call without one: Claude refuses a
    /// conversation that lacks any.
    fn add_missing_results(&mut self) {
        for PendingToolUse { id, has_result } in self.calls.take() {
            if !has_result {
                let result = ToolResult { id, content: None, cache_control: None };
                self.turn_of(TurnRole::User).results.push(result);
            }
        }
    }

    /// Returns the blocks of a message's content, without blank texts.
    fn blocks(&mut self, path: &str, message: &'q Message<'_>) -> Vec<ContentBlock<'q>> {
        match &message.content {
            Content::Absent => Vec::new(),
            Content::Text(content) => text_block(content, None).into_iter().collect(),
            Content::Parts(parts) => {
                let blocks = parts.iter().enumerate().filter_map(|(number, part)| {
                    to_block(part, message.role).unwrap_or_else(|problem| {
                        self.add_mistake(&format!("{path}.content[{number}]"), &problem);
                        None
                    })
                });
                blocks.collect()
            }
        }
    }

    fn add_mistake(&mut self, path: &str, problem: &str) {
        add_invalid(self.mistakes, path, problem);
    }
}

/// Translates a part of a message of this role. Returns `None` for a blank text; an error is a
/// sentence for the client.
fn to_block<'q>(part: &'q Part<'_>, role: Role) -> Result<Option<ContentBlock<'q>>, String> {
    if let Some(text) = part.as_text() {
        return Ok(text_block(text, part.cache_control));
    }
    if part.kind == "input_audio" {
        return Err("sound cannot be sent to this provider".to_owned());
    }
    let takes_media = matches!(role, Role::User | Role::Tool | Role::Function);
    let media = media::media_block(part)?.filter(|_| takes_media);
    let media = media.ok_or_else(|| format!("{} cannot be sent from this role", part.kind))?;
    let (content, cache_control) = (BlockContent::Media(media), part.cache_control);
    Ok(Some(ContentBlock { content, cache_control }))
}

/// Returns a block of text. Returns `None` for a blank text, which Claude refuses.
fn text_block<'q>(
    text: &Text<'q>,
    cache_control: Option<&'q RawValue>,
) -> Option<ContentBlock<'q>> {
    let content = || BlockContent::Text(text.clone());
    (!text.is_blank()).then(|| ContentBlock { content: content(), cache_control })
}

/// Puts the name of a message's author before its first text.
fn prefix_name(blocks: &mut Vec<ContentBlock<'_>>, name: Option<&Text<'_>>) {
    let Some(name) = name.filter(|name| !name.is_empty() && !blocks.is_empty()) else { return };
    let first = blocks.iter_mut().find_map(|block| match &mut block.content {
        BlockContent::Text(text) => Some(text),
        _ => None,
    });
    match first {
        Some(text) => *text = name.join(": ", text),
        None => {
            let content = BlockContent::Text(name.join(":", &Text::new("")));
            blocks.insert(0, ContentBlock::uncached(content));
        }
    }
}

/// Moves the `cache_control` of a message as a whole to its last block, unless that has its own.
fn mark_last<'q>(blocks: &mut [ContentBlock<'q>], cache_control: Option<&'q RawValue>) {
    if let Some(last) = blocks.last_mut() {
        last.cache_control = last.cache_control.or(cache_control);
    }
}
