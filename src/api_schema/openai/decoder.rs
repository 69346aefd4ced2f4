//! The decoder of a response: an answer in one piece, or the chunks of a stream.

use super::{answer, reasoning_stage::ReasoningStage, reasoning_tags::OpeningTag, stream};
use crate::{
    api_schema::{
        origin::ResponseContext, tool_call_pieces::ToolCallPieces, translation::TranslationInput,
    },
    chat::{answer::Answer, delta::Delta, effort::Effort, error::Error},
    config::{Provider, Quirk},
    fit::StreamMode,
};

/// Decoder of a response, with the state of its stream.
#[derive(Clone, Debug)]
pub(crate) struct OpenAiDecoder {
    /// Tool calls of a stream so far.
    calls: ToolCallPieces,
    /// Stage that moves reasoning out of the content, for a server that sends it there.
    reasoning: Option<ReasoningStage>,
}

impl OpenAiDecoder {
    /// Creates the decoder of the response to a request.
    pub(super) fn new(input: &TranslationInput<'_, '_>) -> Self {
        let reasoning = opening_tag(input).map(ReasoningStage::new);
        Self { calls: ToolCallPieces::default(), reasoning }
    }

    /// Decodes an answer in one piece.
    pub(crate) fn answer<'b>(
        &self,
        body: &'b [u8],
        origin: ResponseContext<'_>,
    ) -> Result<Answer<'b>, Error> {
        let mut answer = answer::read(body, origin)?;
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
        let first = deltas.len();
        let decoded = stream::decode_event(&mut self.calls, data, origin, deltas);
        if let Some(stage) = &mut self.reasoning {
            stage.split_deltas(deltas, first);
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
