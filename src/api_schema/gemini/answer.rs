//! An answer in one piece.

use std::borrow::Cow;

use super::{
    decoder::GeminiDecoder,
    logprobs,
    signature::reasoning_detail,
    wire::{Candidate, CandidateEnd, GeminiResponse, PartContent, image},
};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        answer::{Answer, Choice},
        error::Error,
        finish::Finish,
        text::Text,
    },
};

/// Reads an answer in one piece.
pub(super) fn read<'a>(
    reader: &GeminiDecoder,
    body: &'a [u8],
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let mut response = GeminiResponse::read(body, origin)?;
    let usage = response.usage().map(|usage| usage.to_usage());
    if let Some(reason) = response.block_reason().cloned() {
        return Ok(Answer { choices: vec![blocked(reason)], usage, ..Answer::default() });
    }
    let mut candidates = response.candidates.take().unwrap_or_default();
    if candidates.is_empty() {
        return Err(origin.bad("has no candidates"));
    }
    candidates.sort_by_key(|candidate| candidate.index);
    let choices = candidates.into_iter().enumerate();
    let choices = choices.map(|(index, candidate)| choice(reader, candidate, index, origin));
    Ok(Answer { choices: choices.collect::<Result<_, _>>()?, usage, ..Answer::default() })
}

/// A prompt that was not let through.
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
    reader: &GeminiDecoder,
    mut candidate: Candidate<'a>,
    index: usize,
    origin: ResponseContext<'_>,
) -> Result<Choice<'a>, Error> {
    let (mut texts, mut thoughts) = (Vec::new(), Vec::new());
    let (mut calls, mut reasoning_details, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for said in candidate.take_parts(reader, index, 0) {
        match said {
            PartContent::Text(text) => texts.push(text),
            PartContent::Thought(text) => thoughts.push(text),
            PartContent::Call(call) => calls.push(call),
            PartContent::Image(url) => images.push(image(&url, images.len())),
            PartContent::Signature(signature, id) => {
                let number = reasoning_details.len();
                reasoning_details.push(reasoning_detail(&signature, id.as_ref(), number));
            }
        }
    }
    let silent = texts.is_empty() && calls.is_empty() && images.is_empty();
    let finish = match candidate.end() {
        None if silent => return Err(origin.bad("says nothing and has no end")),
        Some(CandidateEnd::Failed) if silent => return Err(origin.bad(FAILED)),
        None | Some(CandidateEnd::Failed) => Finish::Stop,
        Some(CandidateEnd::Finish(finish)) => finish,
    };
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

/// What is wrong with an answer that ended in the model's own failure.
pub(super) const FAILED: &str = "ended in a call or a response that the model got wrong";
