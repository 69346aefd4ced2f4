//! The list of messages that is sent. Behind a message with calls follow the results of all of them
//! at once, and images, files and audio only come from a user: OpenAI's API reference, *Create chat
//! completion*, `messages`.

use std::collections::BTreeMap;

use crate::{
    api_schema::translation::TranslationInput,
    chat::{
        message::{Function, Message, Part, Role, ToolCall},
        pending_calls::{CallKey, PendingCalls},
        request::Request,
        text::Text,
    },
    config::{ApiSchema, Target},
    fit::closing_message::ClosingMessage,
};

/// Message that is sent.
pub(in crate::api_schema) enum ListedMessage<'q, 'a> {
    /// Instruction at the beginning.
    Instruction(Text<'static>),
    /// First message of the request, with an instruction at its end.
    Instructed(Box<Message<'a>>),
    /// Message of the request, with its `function_call` as a tool call.
    Request(&'q Message<'a>, Option<ToolCall<'a>>),
    /// Result of a call, with the id of the call.
    Result(&'q Message<'a>, Text<'a>),
    /// Result that the conversation lacks, by the id of its call.
    MissingResult(Text<'a>),
    /// Message of the user with the media of results.
    Media(Vec<ResultMedia<'q, 'a>>),
    /// Message of the user at the end.
    Closing(ClosingMessage),
}

/// Images, files and audio of one result.
pub(in crate::api_schema) struct ResultMedia<'q, 'a> {
    /// The name of the function that returned them.
    pub(super) function: Text<'a>,
    pub(super) parts: Vec<&'q Part<'a>>,
}

/// Call whose result has not been listed.
struct WaitingCall<'a> {
    id: Text<'a>,
    function: Text<'a>,
    has_result: bool,
}

/// Builder of the list.
struct ListBuilder<'q, 'a> {
    listed: Vec<ListedMessage<'q, 'a>>,
    calls: PendingCalls<WaitingCall<'a>>,
    media: Vec<ResultMedia<'q, 'a>>,
    /// Whether images, files and audio of results stay in the results.
    keeps_media: bool,
}

/// Returns true if images, files and audio of results stay in the results: the server may accept them
/// there, or the API schema has a place for them.
pub(super) fn keeps_media(target: &Target<'_>) -> bool {
    let has_place = target.endpoint.api_schema == ApiSchema::OpenAiResponses;
    has_place || target.provider.forward_unknown
}

/// Returns the messages that are sent for those of a request.
pub(in crate::api_schema) fn listed_messages<'q, 'a>(
    input: &TranslationInput<'q, 'a>,
) -> Vec<ListedMessage<'q, 'a>> {
    let mut builder = ListBuilder {
        listed: Vec::with_capacity(input.request.messages.len() + 1),
        calls: PendingCalls::default(),
        media: Vec::new(),
        keeps_media: keeps_media(&input.target),
    };
    let (results, others): (Vec<_>, Vec<_>) =
        input.request.messages.iter().partition(|message| message.is_result());
    let mut results_by_call: BTreeMap<Option<usize>, Vec<&'q Message<'a>>> = BTreeMap::new();
    for result in results {
        results_by_call.entry(result.answers).or_default().push(result);
    }
    for message in others {
        builder.add_message(message);
        let results = results_by_call.remove(&Some(message.index)).unwrap_or_default();
        results.into_iter().for_each(|result| builder.add_result(result));
        builder.end_results();
    }
    let closing = closing_message(input.request, &input.target);
    builder.listed.extend(closing.map(ListedMessage::Closing));
    builder.listed
}

impl<'q, 'a> ListBuilder<'q, 'a> {
    fn add_message(&mut self, message: &'q Message<'a>) {
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        let legacy = if calls.is_empty() { legacy_call(message) } else { None };
        for ToolCall { id, function, .. } in calls {
            self.await_result(CallKey::Id(id.decode().into_owned()), id, function);
        }
        if let Some(ToolCall { id, function, .. }) = &legacy {
            self.await_result(CallKey::Name(function.name.decode().into_owned()), id, function);
        }
        self.listed.push(ListedMessage::Request(message, legacy));
    }

    fn await_result(&mut self, key: CallKey, id: &Text<'a>, function: &Function<'a>) {
        let (id, function) = (id.clone(), function.name.clone());
        self.calls.push(key, WaitingCall { id, function, has_result: false });
    }

    fn add_result(&mut self, message: &'q Message<'a>) {
        let Some(call) = self.calls.pair(&CallKey::of_result(message)) else { return };
        call.has_result = true;
        let (id, function) = (call.id.clone(), call.function.clone());
        self.listed.push(ListedMessage::Result(message, id));
        let parts = message.content.parts().iter();
        let parts: Vec<_> =
            parts.filter(|part| !self.keeps_media && part.as_text().is_none()).collect();
        if !parts.is_empty() {
            self.media.push(ResultMedia { function, parts });
        }
    }

    /// Adds the results that the calls lack, and a message with the media of all results.
    fn end_results(&mut self) {
        let missing = self.calls.take().into_iter().filter(|call| !call.has_result);
        self.listed.extend(missing.map(|call| ListedMessage::MissingResult(call.id)));
        if !self.media.is_empty() {
            self.listed.push(ListedMessage::Media(std::mem::take(&mut self.media)));
        }
    }
}

/// Returns the `function_call` of a message as a tool call, because newer servers know no functions.
/// Its id follows from the message's index.
fn legacy_call<'a>(message: &Message<'a>) -> Option<ToolCall<'a>> {
    let function = message.legacy_call()?;
    let id = Text::new(&format!("call_of_message_{}", message.index));
    Some(ToolCall { id, function, custom_input: None, extra_content: None })
}

/// Returns the message that closes a conversation whose last message the model refuses: that of an
/// assistant without calls. Instructions and messages of the user without content do not count,
/// because a server can move the former and drop the latter.
pub(super) fn closing_message(
    request: &Request<'_>,
    target: &Target<'_>,
) -> Option<ClosingMessage> {
    if target.model.continues_assistant(target.endpoint.api_schema) {
        return None;
    }
    let mut closing = ClosingMessage::Continue;
    for message in request.messages.iter().rev() {
        match message.role {
            Role::System | Role::Developer => {}
            Role::User if message.content.is_blank() => closing = ClosingMessage::Placeholder,
            Role::Assistant if !message.has_calls() => return Some(closing),
            _ => return None,
        }
    }
    None
}
