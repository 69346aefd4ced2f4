//! Decoding of whole answers. Claude API reference, *Messages*, "Response"; *Errors*.

use super::{
    reasoning::ThinkingBlock,
    wire::{AnthropicMessage, ResponseBlock, UsageTokens, WireBlock, to_finish},
};
use crate::{
    api_schema::{
        error,
        origin::ResponseContext,
        tool_call_input::to_arguments,
        tool_call_pieces::{NO_CALLS, NO_NAME, NO_OBJECT},
        tool_names::ToolNames,
    },
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
    json,
};

/// Decodes a whole answer.
pub(super) fn read<'a>(
    body: &'a [u8],
    names: &ToolNames,
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let message: AnthropicMessage<'a> =
        json::read(body).map_err(|error| origin.unreadable(&error, "is not a message"))?;
    if let Some(error) = message.error {
        return Err(error::classify_embedded(origin, error));
    }
    let content = message.content.ok_or_else(|| origin.bad("has no content"))?;
    let mut parts = ContentParts::default();
    for raw in content {
        let block: WireBlock<'a> =
            serde_json::from_str(raw.get()).map_err(|_| origin.bad("holds no block"))?;
        parts.add(block.decode(), names, origin)?;
    }
    let finish = to_finish(message.stop_reason.as_ref()).with_calls(!parts.calls.is_empty());
    if finish == Finish::ToolCalls && parts.calls.is_empty() {
        return Err(origin.bad(NO_CALLS));
    }
    let refusal = message.stop_details.and_then(|details| details.explanation);
    let has_no_calls = parts.calls.is_empty();
    let choice = Choice {
        content: concat(&parts.texts).or_else(|| has_no_calls.then(|| Text::new(""))),
        refusal: refusal.filter(|_| finish == Finish::ContentFilter),
        reasoning: concat(&parts.thinking),
        reasoning_details: parts.details,
        images: Vec::new(),
        calls: parts.calls,
        finish,
        native_finish: message.stop_reason,
        logprobs: None,
        annotations: None,
        audio: None,
    };
    let usage = message.usage.and_then(UsageTokens::usage);
    Ok(Answer { choices: vec![choice], usage, system_fingerprint: None, service_tier: None })
}

/// The blocks of a message, sorted by the fields of the chat API.
#[derive(Default)]
struct ContentParts<'a> {
    texts: Vec<Text<'a>>,
    thinking: Vec<Text<'a>>,
    /// `reasoning_details`.
    details: Vec<String>,
    calls: Vec<Call<'a>>,
}

impl<'a> ContentParts<'a> {
    fn add(
        &mut self,
        block: ResponseBlock<'a>,
        names: &ToolNames,
        origin: ResponseContext<'_>,
    ) -> Result<(), Error> {
        match block {
            ResponseBlock::Text(text) if text.is_empty() => {}
            ResponseBlock::Text(text) => self.texts.push(text),
            ResponseBlock::Thinking(thinking) => {
                self.details.push(thinking.to_detail(self.details.len()));
                if let ThinkingBlock::Signed { text, .. } = thinking {
                    self.thinking.extend((!text.is_empty()).then_some(text));
                }
            }
            ResponseBlock::ToolUse { id, name, input } => {
                let name = name.ok_or_else(|| origin.bad(NO_NAME))?;
                let arguments = to_arguments(input).ok_or_else(|| origin.bad(NO_OBJECT))?;
                self.calls.push(Call {
                    id: id.filter(|id| !id.is_empty()),
                    name: names.received(&name),
                    arguments: Text::new(&arguments),
                    extra_content: None,
                });
            }
            ResponseBlock::Other => {}
        }
        Ok(())
    }
}

fn concat<'a>(texts: &[Text<'a>]) -> Option<Text<'a>> {
    (!texts.is_empty()).then(|| Text::concat(texts))
}
