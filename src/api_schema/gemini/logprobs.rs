//! Probabilities of tokens. ai.google.dev, *LogprobsResult*; OpenAI's API reference, *The chat
//! completion object*, `logprobs`.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::chat::text::Text;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogprobsResult<'a> {
    #[serde(borrow, default)]
    chosen_candidates: Vec<TokenCandidate<'a>>,
    #[serde(borrow, default)]
    top_candidates: Vec<TopCandidates<'a>>,
}

#[derive(Deserialize)]
struct TopCandidates<'a> {
    #[serde(borrow, default)]
    candidates: Vec<TokenCandidate<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenCandidate<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    /// Zero, a certain token, is left out.
    #[serde(default)]
    log_probability: f64,
}

#[derive(Serialize)]
struct ChoiceLogprobs {
    content: Vec<PositionLogprobs>,
    refusal: (),
}

#[derive(Serialize)]
struct PositionLogprobs {
    #[serde(flatten)]
    chosen: TokenLogprob,
    top_logprobs: Vec<TokenLogprob>,
}

#[derive(Serialize)]
struct TokenLogprob {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

impl From<&TokenCandidate<'_>> for TokenLogprob {
    fn from(candidate: &TokenCandidate<'_>) -> Self {
        let token = candidate.token.decode().into_owned();
        Self { bytes: token.clone().into_bytes(), token, logprob: candidate.log_probability }
    }
}

/// Theirs as ours. None for what cannot be read.
pub(super) fn translate(raw: &RawValue) -> Option<Box<RawValue>> {
    let theirs: LogprobsResult<'_> = serde_json::from_str(raw.get()).ok()?;
    let tops =
        theirs.top_candidates.iter().map(|top| top.candidates.iter().map(TokenLogprob::from));
    let mut tops = tops.map(Iterator::collect);
    let chosen = theirs.chosen_candidates.iter();
    let content = chosen.map(|chosen| PositionLogprobs {
        chosen: chosen.into(),
        top_logprobs: tops.next().unwrap_or_default(),
    });
    to_raw_value(&ChoiceLogprobs { content: content.collect(), refusal: () }).ok()
}
