//! A streamed answer. Every event is a response of its own, with what is new in it and with all of
//! the usage so far. No event is the last: the stream ends after the candidates have.
//! ai.google.dev, *Text generation*, *Streaming responses*.

use super::{
    decoder::GeminiDecoder,
    logprobs,
    parts::{PartContent as Part, image_entry},
    signature::reasoning_detail,
    wire::{Candidate, CandidateEnd, GeminiResponse, MODEL_FAILURE},
};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        answer::Call,
        error::Error,
        finish::Finish,
        stream_writer::{MAX_ITEMS, Writer},
        text::Text,
    },
};

/// What a candidate has said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CandidateState {
    /// Whether that was more than thoughts.
    has_output: bool,
    calls: usize,
    signatures: usize,
    images: usize,
}

/// Reads one event.
pub(super) fn read(
    reader: &mut GeminiDecoder,
    data: &[u8],
    writer: &mut Writer,
    origin: ResponseContext<'_>,
) -> Result<(), Error> {
    // Not Gemini's, but that of proxies in between.
    if data == b"[DONE]" {
        return Ok(());
    }
    let mut response = GeminiResponse::read(data, origin)?;
    if let Some(usage) = response.usage() {
        reader.usage = reader.usage.updated(usage);
        writer.usage(reader.usage.to_usage());
    }
    if let Some(reason) = response.block_reason() {
        writer.refusal(0, reason);
        writer.finish(0, Finish::ContentFilter, Some(reason));
    }
    let candidates = response.candidates.take().unwrap_or_default();
    for (position, candidate) in candidates.into_iter().enumerate() {
        let choice = candidate.choice_index(position);
        if choice < MAX_ITEMS {
            reader.candidate(candidate, choice, writer, origin)?;
        }
    }
    Ok(())
}

impl GeminiDecoder {
    fn candidate(
        &mut self,
        mut candidate: Candidate<'_>,
        choice: usize,
        writer: &mut Writer,
        origin: ResponseContext<'_>,
    ) -> Result<(), Error> {
        let mut logprobs = candidate.logprobs_result.and_then(logprobs::translate);
        let calls = self.candidate_state(choice).calls;
        for part in self.parts.take_parts(&mut candidate, choice, calls) {
            let said = self.candidate_state(choice);
            match part {
                Part::Thought(text) => writer.reasoning(choice, &text),
                Part::Text(text) => {
                    said.has_output = true;
                    writer.content(choice, &text, logprobs.take().as_deref());
                }
                Part::Signature(signature, id) => {
                    let number = said.signatures;
                    said.signatures += 1;
                    writer.reasoning_detail(
                        choice,
                        &reasoning_detail(&signature, id.as_ref(), number),
                    );
                }
                Part::Image(url) => {
                    said.has_output = true;
                    writer.image(choice, &image_entry(&url, said.images));
                    said.images += 1;
                }
                Part::Call(call) => {
                    said.has_output = true;
                    write_call(&call, choice, said.calls, writer);
                    said.calls += 1;
                }
            }
        }
        if let Some(logprobs) = logprobs {
            writer.content(choice, &Text::new(""), Some(&logprobs));
        }
        match candidate.end() {
            None => {}
            Some(CandidateEnd::Failed) if !self.candidate_state(choice).has_output => {
                return Err(origin.bad(MODEL_FAILURE));
            }
            Some(end) => {
                let finish =
                    if let CandidateEnd::Finish(finish) = end { finish } else { Finish::Stop };
                writer.finish(choice, finish, candidate.finish_reason.as_ref());
            }
        }
        Ok(())
    }

    fn candidate_state(&mut self, choice: usize) -> &mut CandidateState {
        self.candidates.entry(choice).or_default()
    }
}

fn write_call(call: &Call<'_>, choice: usize, number: usize, writer: &mut Writer) {
    let extra = call.extra_content.as_deref();
    writer.call(choice, number, call.id.as_ref(), Some(&call.name), extra);
    writer.arguments(choice, number, &call.arguments);
}
