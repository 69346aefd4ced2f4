//! Decoding of whole answers.

use serde_json::value::RawValue;

use super::wire::{end_in, thought, usage_in};
use crate::{
    api_schema::{
        origin::ResponseContext,
        raw_items::raw_items,
        tool_call_input::to_arguments,
        tool_call_pieces::{NO_CALLS, NO_NAME, NO_OBJECT},
        tool_names::ToolNames,
    },
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        object::ObjectFields,
        text::Text,
    },
    json,
};

/// Problem of an answer that is no object.
const NO_MESSAGE: &str = "is not a message";

/// Decodes a whole answer.
pub(super) fn read<'a>(
    body: &'a [u8],
    names: &ToolNames,
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let fields: ObjectFields<'a> =
        json::read(body).map_err(|error| origin.unreadable(&error, NO_MESSAGE))?;
    let message = fields.object("output").and_then(|output| output.object("message"));
    let content = message.as_ref().and_then(|message| message.get("content"));
    let content = content.ok_or_else(|| origin.bad("has no content"))?;
    let (finish, native_finish) = end_in(&fields, origin)?;
    let (mut texts, mut thoughts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for block in raw_items(Some(content)).filter_map(ObjectFields::read) {
        texts.extend(block.text("text").filter(|text| !text.is_empty()));
        let reasoning = block.object("reasoningContent");
        let reasoning = reasoning.and_then(|own| own.object("reasoningText"));
        thoughts.extend(thought(reasoning.and_then(|own| own.text("text"))));
        if let Some(call) = block.object("toolUse") {
            calls.push(to_call(&call, names, origin)?);
        }
    }
    let finish = finish.with_calls(!calls.is_empty());
    if finish == Finish::ToolCalls && calls.is_empty() {
        return Err(origin.bad(NO_CALLS));
    }
    let choice = Choice {
        content: concat(&texts).or_else(|| calls.is_empty().then(|| Text::new(""))),
        refusal: None,
        reasoning: concat(&thoughts),
        reasoning_details: Vec::new(),
        images: Vec::new(),
        calls,
        finish,
        native_finish,
        logprobs: None,
        annotations: None,
        audio: None,
    };
    Ok(Answer { choices: vec![choice], usage: usage_in(&fields), ..Answer::default() })
}

fn to_call<'a>(
    call: &ObjectFields<'a>,
    names: &ToolNames,
    origin: ResponseContext<'_>,
) -> Result<Call<'a>, Error> {
    let input: Option<&'a RawValue> = call.get("input");
    let name = call.text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| origin.bad(NO_NAME))?;
    let arguments = to_arguments(input).ok_or_else(|| origin.bad(NO_OBJECT))?;
    Ok(Call {
        id: call.text("toolUseId").filter(|id| !id.is_empty()),
        name: names.received(&name),
        arguments: Text::new(&arguments),
        extra_content: None,
    })
}

fn concat<'a>(texts: &[Text<'a>]) -> Option<Text<'a>> {
    (!texts.is_empty()).then(|| Text::concat(texts))
}
