//! The decoder of a response: an answer in one piece, or the chunks of a stream.

use std::rc::Rc;

use super::{
    answer, custom_calls::CustomCalls, reasoning_stage::ReasoningStage, reasoning_tags::OpeningTag,
    stream,
};
use crate::{
    api_schema::{
        origin::ResponseContext, tool_call_pieces::ToolCallPieces, tool_names::ToolNames,
        translation::TranslationInput,
    },
    chat::{answer::Answer, delta::Delta, effort::Effort, error::Error},
    config::{Provider, Quirk},
    fit::StreamMode,
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiDecoder {
    /// Names of tools as they were sent, and as the client knows them.
    names: Rc<ToolNames>,
    /// Tool calls of a stream so far.
    calls: ToolCallPieces,
    custom_calls: CustomCalls,
    /// Stage that moves reasoning out of the content, for a server that sends it there.
    reasoning: Option<ReasoningStage>,
}

impl OpenAiDecoder {
    /// Creates the decoder of the response to a request.
    pub(super) fn new(input: &TranslationInput<'_, '_>, names: ToolNames) -> Self {
        let (calls, custom_calls) = (ToolCallPieces::default(), CustomCalls::default());
        let reasoning = opening_tag(input).map(ReasoningStage::new);
        Self { names: Rc::new(names), calls, custom_calls, reasoning }
    }

    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        let mut answer = answer::read(body, origin)?;
        let calls = answer.choices.iter_mut().flat_map(|choice| &mut choice.calls);
        calls.for_each(|call| call.name = self.names.received(&call.name));
        if let Some(stage) = &self.reasoning {
            answer.choices.iter_mut().for_each(|choice| stage.split_choice(choice));
        }
        Ok(answer)
    }

    /// Decodes one event of a stream into the deltas it holds.
    pub(crate) fn decode_event<'d>(
        &mut self,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let (calls, custom_calls, before) = (&mut self.calls, &mut self.custom_calls, deltas.len());
        let decoded = stream::decode_event(calls, custom_calls, data, origin, deltas);
        if !self.names.is_empty() {
            for delta in deltas.iter_mut().skip(before) {
                if let Delta::Call { name, .. } = delta {
                    *name = self.names.received(name);
                }
            }
        }
        if let Some(stage) = &mut self.reasoning {
            stage.split_deltas(deltas, before);
        }
        decoded
    }
}

/// Returns the place of the tag that opens reasoning in the content, or `None` for a server that
/// sends reasoning elsewhere. A chat template opens no tag in a request without reasoning.
fn opening_tag(input: &TranslationInput<'_, '_>) -> Option<OpeningTag> {
    let (provider, fit) = (input.target.provider, input.fit);
    let thinks_in_streams_only = provider.has(Quirk::ThinkingOnlyStreamed);
    let is_off = fit.effort == Some(Effort::None)
        || (thinks_in_streams_only && fit.stream != StreamMode::On);
    if provider.has(Quirk::ReasoningTagInPrompt) && !is_off {
        return Some(OpeningTag::Prompt);
    }
    has_reasoning_tags(provider).then_some(OpeningTag::Content)
}

/// Returns true for a provider whose content may begin with reasoning in tags.
pub(super) fn has_reasoning_tags(provider: &Provider) -> bool {
    provider.has(Quirk::ReasoningTags) || provider.has(Quirk::ReasoningTagInPrompt)
}
