//! Decoder of a streamed answer. Each event is a response of its own, with new content and with all
//! of the usage so far. No event marks the end: the stream ends after its candidates have.
//! ai.google.dev, *Text generation*, *Streaming responses*.

use std::borrow::Cow;

use super::{
    GeminiDecoder,
    answer::{Candidate, End, FAILED, Response, Said as Part, image},
    logprobs,
    signature::detail,
};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        answer::Call,
        delta::{Delta, MAX_ITEMS},
        error::Error,
        finish::Finish,
        text::Text,
    },
    json::into_str,
};

/// Counts of the parts that a candidate's stream has held so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CandidateState {
    /// True once there was a part other than thoughts.
    has_content: bool,
    calls: usize,
    signatures: usize,
    images: usize,
}

/// Decodes one event into the deltas it holds.
pub(super) fn decode_event<'d>(
    decoder: &mut GeminiDecoder,
    data: &'d [u8],
    origin: ResponseContext<'_>,
    deltas: &mut Vec<Delta<'d>>,
) -> Result<(), Error> {
    // Not part of Gemini's API, but proxies add it.
    if data == b"[DONE]" {
        return Ok(());
    }
    let mut response = Response::read(data, origin)?;
    if let Some(usage) = response.usage() {
        decoder.usage = decoder.usage.updated(usage);
        deltas.push(Delta::Usage(decoder.usage.told()));
    }
    if let Some(reason) = response.blocked() {
        let (text, native) = (reason.clone(), Some(reason.clone()));
        deltas.push(Delta::Refusal { choice: 0, text });
        deltas.push(Delta::Finish { choice: 0, finish: Finish::ContentFilter, native });
    }
    let candidates = response.candidates.take().unwrap_or_default();
    for (position, candidate) in candidates.into_iter().enumerate() {
        let choice = candidate.choice(position);
        if choice < MAX_ITEMS {
            decoder.decode_candidate(candidate, choice, origin, deltas)?;
        }
    }
    Ok(())
}

impl GeminiDecoder {
    fn decode_candidate<'d>(
        &mut self,
        mut candidate: Candidate<'d>,
        choice: usize,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        let logprobs = candidate.logprobs_result.and_then(logprobs::translate);
        let mut logprobs = logprobs.map(|raw| into_str(Cow::Owned(raw)));
        let mut state = self.candidates.get(&choice).copied().unwrap_or_default();
        for part in candidate.said(self, choice, state.calls) {
            state.decode_part(part, choice, &mut logprobs, deltas);
        }
        self.candidates.insert(choice, state);
        if logprobs.is_some() {
            deltas.push(Delta::Content { choice, text: Text::new(""), logprobs });
        }
        let finish = match candidate.end() {
            None => return Ok(()),
            Some(End::Failed) if !state.has_content => return Err(origin.bad(FAILED)),
            Some(End::Failed) => Finish::Stop,
            Some(End::Finish(finish)) => finish,
        };
        deltas.push(Delta::Finish { choice, finish, native: candidate.finish_reason });
        Ok(())
    }
}

impl CandidateState {
    /// Decodes one part. The first text of an event takes the event's log probabilities.
    fn decode_part<'d>(
        &mut self,
        part: Part<'d>,
        choice: usize,
        logprobs: &mut Option<Cow<'d, str>>,
        deltas: &mut Vec<Delta<'d>>,
    ) {
        match part {
            Part::Thought(text) => deltas.push(Delta::Reasoning { choice, text }),
            Part::Text(text) => {
                self.has_content = true;
                deltas.push(Delta::Content { choice, text, logprobs: logprobs.take() });
            }
            Part::Signature(signature, id) => {
                let json = detail(&signature, id.as_ref(), self.signatures);
                self.signatures += 1;
                deltas.push(Delta::ReasoningDetail { choice, json });
            }
            Part::Image(url) => {
                self.has_content = true;
                deltas.push(Delta::Image { choice, json: image(&url, self.images) });
                self.images += 1;
            }
            Part::Call(Call { id, name, arguments: text, extra_content }) => {
                self.has_content = true;
                let call = self.calls;
                self.calls += 1;
                deltas.push(Delta::Call { choice, call, id, name, extra_content });
                deltas.push(Delta::Arguments { choice, call, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::{api_schema::origin::ResponseHead, chat::usage::Usage};

    fn decode<'d>(events: &[&'d str]) -> Vec<Delta<'d>> {
        let head = ResponseHead::default();
        let origin = ResponseContext { provider: "google", model: "gemini", head: &head };
        let (mut decoder, mut deltas) = (GeminiDecoder::default(), Vec::new());
        for event in events {
            decoder.decode_event(event.as_bytes(), origin, &mut deltas).unwrap();
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
