//! Decoder of a streamed answer. Each event is a response of its own, with new content and with all
//! of the usage so far. No event marks the end: the stream ends after its candidates have.
//! ai.google.dev, *Text generation*, *Streaming responses*.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    logprobs,
    parts::{PartContent, PartDecoder, image_entry},
    signature::reasoning_detail,
    wire::{Candidate, CandidateEnd, GeminiResponse, MODEL_FAILURE, UsageMetadata},
};
use crate::{
    api_schema::{
        origin::ResponseContext,
        tool_call_pieces::{CallPiece, ToolCallPieces},
    },
    chat::{
        answer::Call,
        delta::{Delta, MAX_ITEMS},
        error::Error,
        finish::Finish,
        text::Text,
    },
    json::into_str,
};

/// State of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct GeminiStream {
    candidates: BTreeMap<usize, CandidateState>,
    calls: ToolCallPieces,
    /// The usage so far.
    usage: UsageMetadata,
}

/// Counts of the parts that a candidate's stream has held so far.
#[derive(Clone, Copy, Debug, Default)]
struct CandidateState {
    /// True once there was a part other than a thought.
    has_content: bool,
    calls: usize,
    signatures: usize,
    images: usize,
}

impl GeminiStream {
    /// Decodes one event into the deltas it holds.
    pub(super) fn decode_event<'d>(
        &mut self,
        parts: &PartDecoder,
        data: &'d [u8],
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        // Gemini sends no such event, but proxies in front of it do.
        if data == b"[DONE]" {
            return Ok(());
        }
        let mut response = GeminiResponse::read(data, origin)?;
        if let Some(usage) = response.usage() {
            self.usage = self.usage.updated(usage);
            deltas.push(Delta::Usage(self.usage.to_usage()));
        }
        if let Some(reason) = response.block_reason() {
            let (text, native) = (reason.clone(), Some(reason.clone()));
            deltas.push(Delta::Refusal { choice: 0, text });
            deltas.push(Delta::Finish { choice: 0, finish: Finish::ContentFilter, native });
        }
        let candidates = response.candidates.take().unwrap_or_default();
        for (position, mut candidate) in candidates.into_iter().enumerate() {
            let choice = candidate.choice_index(position);
            if choice < MAX_ITEMS {
                let state = self.candidates.entry(choice).or_default();
                let contents = parts.take_parts(&mut candidate, choice, state.calls, origin)?;
                let mut output = CandidateOutput { choice, origin, calls: &mut self.calls, deltas };
                state.decode_candidate(candidate, contents, &mut output)?;
            }
        }
        Ok(())
    }
}

/// Output of the decoding of a candidate.
struct CandidateOutput<'o, 'd> {
    choice: usize,
    origin: ResponseContext<'o>,
    calls: &'o mut ToolCallPieces,
    deltas: &'o mut Vec<Delta<'d>>,
}

impl CandidateState {
    /// Decodes the parts of a candidate, then its end.
    fn decode_candidate<'d>(
        &mut self,
        candidate: Candidate<'d>,
        contents: Vec<PartContent<'d>>,
        output: &mut CandidateOutput<'_, 'd>,
    ) -> Result<(), Error> {
        let (choice, origin) = (output.choice, output.origin);
        let logprobs = candidate.logprobs_result.and_then(logprobs::translate);
        let mut logprobs = logprobs.map(|raw| into_str(Cow::Owned(raw)));
        for content in contents {
            self.decode_part(content, &mut logprobs, output)?;
        }
        if logprobs.is_some() {
            output.deltas.push(Delta::Content { choice, text: Text::new(""), logprobs });
        }
        let finish = match candidate.end() {
            None => return Ok(()),
            Some(CandidateEnd::Failed) if !self.has_content => {
                return Err(origin.bad(MODEL_FAILURE));
            }
            Some(CandidateEnd::Failed) => Finish::Stop,
            Some(CandidateEnd::Finish(finish)) => finish,
        };
        output.calls.finish(choice, finish, origin, output.deltas)?;
        output.deltas.push(Delta::Finish { choice, finish, native: candidate.finish_reason });
        Ok(())
    }

    /// Decodes one part. The first text of an event takes the event's log probabilities.
    fn decode_part<'d>(
        &mut self,
        part: PartContent<'d>,
        logprobs: &mut Option<Cow<'d, str>>,
        output: &mut CandidateOutput<'_, 'd>,
    ) -> Result<(), Error> {
        let CandidateOutput { choice, origin, calls, deltas } = output;
        let choice = *choice;
        match part {
            PartContent::Thought(text) => deltas.push(Delta::Reasoning { choice, text }),
            PartContent::Text(text) => {
                self.has_content = true;
                deltas.push(Delta::Content { choice, text, logprobs: logprobs.take() });
            }
            PartContent::Signature(signature, id) => {
                let json = reasoning_detail(&signature, id.as_ref(), self.signatures);
                self.signatures += 1;
                deltas.push(Delta::ReasoningDetail { choice, json });
            }
            PartContent::Image(url) => {
                self.has_content = true;
                deltas.push(Delta::Image { choice, json: image_entry(&url, self.images) });
                self.images += 1;
            }
            PartContent::Call(Call { id, name, arguments: text, extra_content }) => {
                self.has_content = true;
                self.calls += 1;
                let (number, name, arguments) = (None, Some(name), Some(text));
                let piece = CallPiece { choice, number, id, name, arguments, extra_content };
                calls.place(piece, *origin, deltas)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api_schema::origin::ResponseHead, chat::usage::Usage};

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let (head, parts) = (ResponseHead::default(), PartDecoder::default());
        let origin = ResponseContext { provider: "google", model: "gemini", head: &head };
        let (mut stream, mut deltas) = (GeminiStream::default(), Vec::new());
        for event in events {
            stream.decode_event(&parts, event.as_bytes(), origin, &mut deltas).unwrap();
        }
        deltas
    }

    #[test]
    fn parts_are_decoded_in_order_and_numbered_across_events() {
        let deltas = decode(&[
            r#"{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true},{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":3}}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"a","name":"f","args":{"x": 1}}}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"b","name":"g"}}]},"finishReason":"STOP"}]}"#,
        ]);
        let begin = |call, id, name| {
            let (id, name) = (Some(Text::new(id)), Text::new(name));
            Delta::Call { choice: 0, call, id, name, extra_content: None }
        };
        let arguments = |call, json| Delta::Arguments { choice: 0, call, text: Text::new(json) };
        let expected = [
            Delta::Usage(Usage { prompt: 3, ..Usage::default() }),
            Delta::Reasoning { choice: 0, text: Text::new("Hm") },
            Delta::Content { choice: 0, text: Text::new("Hi"), logprobs: None },
            begin(0, "a", "f"),
            arguments(0, r#"{"x":1}"#),
            begin(1, "b", "g"),
            arguments(1, "{}"),
            Delta::Finish { choice: 0, finish: Finish::Stop, native: Some(Text::new("STOP")) },
        ];
        assert_eq!(deltas, expected);
    }

    #[test]
    fn signatures_are_numbered_and_candidates_beyond_the_bound_are_left_out() {
        let part = |signature: &str| format!(r#"{{"text":"","thoughtSignature":"{signature}"}}"#);
        let event = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{},{}]}}}}]}}"#,
            part("b25l"),
            part("dHdv")
        );
        let numbers: Vec<u64> = decode(&[&event])
            .iter()
            .filter_map(|delta| match delta {
                Delta::ReasoningDetail { json, .. } => {
                    serde_json::from_str::<serde_json::Value>(json).ok()?["index"].as_u64()
                }
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [0, 1]);
        let last = MAX_ITEMS - 1;
        for (index, count) in [(last, 1), (MAX_ITEMS, 0)] {
            let event = format!(
                r#"{{"candidates":[{{"index":{index},"content":{{"parts":[{{"text":"x"}}]}}}}]}}"#
            );
            assert_eq!(decode(&[&event]).len(), count, "{index}");
        }
    }

    #[test]
    fn a_blocked_prompt_is_a_refusal() {
        let reason = || Text::new("SAFETY");
        let native = Some(reason());
        let expected = [
            Delta::Refusal { choice: 0, text: reason() },
            Delta::Finish { choice: 0, finish: Finish::ContentFilter, native },
        ];
        assert_eq!(decode(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, "[DONE]"]), expected);
    }
}
