//! An answer in one piece.

use super::wire::{self, Completion, WireCall, WireChoice, WireMessage};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_pieces::{NO_CALLS, NO_NAME},
    },
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
    json,
};

/// Translates an answer in one piece.
pub(super) fn read<'a>(body: &'a [u8], origin: ResponseContext<'_>) -> Result<Answer<'a>, Error> {
    let wire: Completion<'a> =
        json::read(body).map_err(|error| origin.unreadable(&error, "is not a chat completion"))?;
    if let Some(error) = wire.error {
        return Err(error::classify_embedded(origin, error));
    }
    let mut choices = wire.choices.unwrap_or_default();
    choices.sort_by_key(|choice| choice.index);
    if choices.is_empty() {
        return Err(origin.bad("has no choices"));
    }
    let usage = wire.usage.or_else(|| choices.iter().find_map(|choice| choice.usage));
    if choices.iter().any(WireChoice::is_failed) {
        return Err(origin.bad("ended in an error it does not name"));
    }
    Ok(Answer {
        choices: choices.into_iter().map(|own| choice(own, origin)).collect::<Result<_, _>>()?,
        usage,
        system_fingerprint: wire.system_fingerprint,
        service_tier: wire.service_tier,
    })
}

fn choice<'a>(wire: WireChoice<'a>, origin: ResponseContext<'_>) -> Result<Choice<'a>, Error> {
    let finish = wire.finish().unwrap_or(Finish::Stop);
    let word = wire.finish_reason.filter(|word| !word.is_empty());
    let mut message = wire.message.or(wire.delta).unwrap_or_default();
    let calls = calls(&mut message, origin)?;
    if finish == Finish::ToolCalls && calls.is_empty() {
        return Err(origin.bad(NO_CALLS));
    }
    let silent = calls.is_empty() && message.refusal.is_none();
    let (reasoning_details, images) = (message.details(), message.images());
    let content = message.content;
    let (text, thoughts) = content.map_or((None, None), |content| (content.text, content.thoughts));
    Ok(Choice {
        content: text.or_else(|| silent.then(|| Text::new(""))),
        refusal: message.refusal,
        reasoning: message.reasoning_content.or(message.reasoning).or(thoughts),
        reasoning_details,
        images,
        finish: finish.with_calls(!calls.is_empty()),
        calls,
        native_finish: wire.native_finish_reason.or(word),
        logprobs: wire.logprobs.map(wire::logprobs),
        annotations: message.annotations,
        audio: message.audio,
    })
}

/// Takes the calls out of a message: `tool_calls`, or else `function_call`.
fn calls<'a>(
    message: &mut WireMessage<'a>,
    origin: ResponseContext<'_>,
) -> Result<Vec<Call<'a>>, Error> {
    let mut wires = message.tool_calls.take().unwrap_or_default();
    if wires.iter().all(WireCall::is_empty) {
        let legacy = message.function_call.take();
        wires.extend(legacy.map(|own| WireCall::of_function(None, own)));
    }
    let mut calls = Vec::with_capacity(wires.len());
    for wire in wires {
        add_call(wire, &mut calls, origin)?;
    }
    Ok(calls.into_iter().map(WholeCall::into_call).collect())
}

/// Call of an answer in one piece, while its parts are collected.
struct WholeCall<'a> {
    index: Option<u64>,
    id: Option<Text<'a>>,
    name: Text<'a>,
    arguments: Option<Text<'a>>,
}

/// Adds a call, or the arguments of the call before, which some servers list as an entry of their
/// own. An entry without any field is no call.
fn add_call<'a>(
    wire: WireCall<'a>,
    calls: &mut Vec<WholeCall<'a>>,
    origin: ResponseContext<'_>,
) -> Result<(), Error> {
    if wire.is_empty() {
        return Ok(());
    }
    let (index, id) = (wire.index, wire.id.clone().filter(|id| !id.is_empty()));
    let (name, arguments) = wire.into_function();
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        calls.push(WholeCall { index, id, name, arguments });
        return Ok(());
    }
    let same = |call: &&mut WholeCall<'_>| {
        let has_index = index.is_none() || index == call.index;
        call.arguments.is_none() && has_index && (id.is_none() || id == call.id)
    };
    let call = calls.last_mut().filter(same).ok_or_else(|| origin.bad(NO_NAME))?;
    call.arguments = arguments;
    Ok(())
}

impl<'a> WholeCall<'a> {
    fn into_call(self) -> Call<'a> {
        Call {
            id: self.id,
            name: self.name,
            arguments: self.arguments.unwrap_or_else(|| Text::new("{}")),
            extra_content: None,
        }
    }
}
