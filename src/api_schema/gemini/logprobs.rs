//! Log probabilities of tokens. ai.google.dev, *LogprobsResult*; OpenAI's API reference, *The chat
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
    /// Left out when it is zero, as for a certain token.
    #[serde(default)]
    log_probability: f64,
}

/// `logprobs` of a choice in our API.
#[derive(Serialize)]
struct ChoiceLogprobs {
    content: Vec<PositionLogprobs>,
    refusal: (),
}

/// The token at one position, and its alternatives.
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

/// Translates a `logprobsResult`. Returns `None` for one that cannot be parsed.
pub(super) fn translate(raw: &RawValue) -> Option<Box<RawValue>> {
    let result: LogprobsResult<'_> = serde_json::from_str(raw.get()).ok()?;
    let mut alternatives = result.top_candidates.iter();
    let content = result.chosen_candidates.iter().map(|chosen| {
        let top = alternatives.next().map(|top| top.candidates.as_slice()).unwrap_or_default();
        let top_logprobs = top.iter().map(TokenLogprob::from).collect();
        PositionLogprobs { chosen: chosen.into(), top_logprobs }
    });
    to_raw_value(&ChoiceLogprobs { content: content.collect(), refusal: () }).ok()
}
