//! An answer in one piece.

use std::borrow::Cow;

use super::{
    logprobs,
    parts::{PartContent, PartDecoder, image_entry},
    signature::reasoning_detail,
    wire::{Candidate, CandidateEnd, GeminiResponse, MODEL_FAILURE, UsageMetadata},
};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
};

/// Translates an answer in one piece.
pub(super) fn read<'a>(
    parts: &PartDecoder,
    body: &'a [u8],
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let mut response = GeminiResponse::read(body, origin)?;
    let usage = response.usage().map(UsageMetadata::to_usage);
    if let Some(reason) = response.block_reason().cloned() {
        return Ok(Answer { choices: vec![blocked(reason)], usage, ..Answer::default() });
    }
    let mut candidates = response.candidates.take().unwrap_or_default();
    if candidates.is_empty() {
        return Err(origin.bad("has no candidates"));
    }
    candidates.sort_by_key(|candidate| candidate.index);
    let choices = candidates.into_iter().enumerate();
    let choices = choices.map(|(index, candidate)| choice(parts, candidate, index, origin));
    Ok(Answer { choices: choices.collect::<Result<_, _>>()?, usage, ..Answer::default() })
}

/// Returns the choice for a blocked prompt: a refusal.
fn blocked(reason: Text<'_>) -> Choice<'_> {
    Choice {
        content: None,
        refusal: Some(reason.clone()),
        reasoning: None,
        reasoning_details: Vec::new(),
        images: Vec::new(),
        calls: Vec::new(),
        finish: Finish::ContentFilter,
        native_finish: Some(reason),
        logprobs: None,
        annotations: None,
        audio: None,
    }
}

fn choice<'a>(
    parts: &PartDecoder,
    mut candidate: Candidate<'a>,
    index: usize,
    origin: ResponseContext<'_>,
) -> Result<Choice<'a>, Error> {
    let mut content = CandidateContent::default();
    for part in parts.take_parts(&mut candidate, index, 0, origin)? {
        content.push(part);
    }
    let finish = match candidate.end() {
        None if content.is_empty() => return Err(origin.bad("says nothing and has no end")),
        Some(CandidateEnd::Failed) if content.is_empty() => return Err(origin.bad(MODEL_FAILURE)),
        None | Some(CandidateEnd::Failed) => Finish::Stop,
        Some(CandidateEnd::Finish(finish)) => finish,
    };
    let CandidateContent { texts, thoughts, calls, reasoning_details, images } = content;
    Ok(Choice {
        content: (!texts.is_empty() || calls.is_empty()).then(|| Text::concat(&texts)),
        refusal: None,
        reasoning: (!thoughts.is_empty()).then(|| Text::concat(&thoughts)),
        reasoning_details,
        images,
        finish: finish.with_calls(!calls.is_empty()),
        calls,
        native_finish: candidate.finish_reason,
        logprobs: candidate.logprobs_result.and_then(logprobs::translate).map(Cow::Owned),
        annotations: None,
        audio: None,
    })
}

/// Content of a candidate, sorted by kind.
#[derive(Default)]
struct CandidateContent<'a> {
    texts: Vec<Text<'a>>,
    thoughts: Vec<Text<'a>>,
    calls: Vec<Call<'a>>,
    reasoning_details: Vec<String>,
    images: Vec<String>,
}

impl<'a> CandidateContent<'a> {
    fn push(&mut self, part: PartContent<'a>) {
        match part {
            PartContent::Text(text) => self.texts.push(text),
            PartContent::Thought(text) => self.thoughts.push(text),
            PartContent::Call(call) => self.calls.push(call),
            PartContent::Image(url) => self.images.push(image_entry(&url, self.images.len())),
            PartContent::Signature(signature, id) => {
                let index = self.reasoning_details.len();
                self.reasoning_details.push(reasoning_detail(&signature, id.as_ref(), index));
            }
        }
    }

    /// Returns true if there is nothing besides thoughts.
    fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.calls.is_empty() && self.images.is_empty()
    }
}
