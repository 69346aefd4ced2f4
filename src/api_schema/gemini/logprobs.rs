//! Probabilities of tokens. ai.google.dev, *LogprobsResult*; OpenAI's API reference, *The chat
//! completion object*, `logprobs`.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::chat::text::Text;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Theirs<'a> {
    #[serde(borrow, default)]
    chosen_candidates: Vec<Candidate<'a>>,
    #[serde(borrow, default)]
    top_candidates: Vec<Top<'a>>,
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow, default)]
    candidates: Vec<Candidate<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    /// Zero, a certain token, is left out.
    #[serde(default)]
    log_probability: f64,
}

#[derive(Serialize)]
struct Ours {
    content: Vec<Token>,
    refusal: (),
}

#[derive(Serialize)]
struct Token {
    #[serde(flatten)]
    chosen: Likely,
    top_logprobs: Vec<Likely>,
}

#[derive(Serialize)]
struct Likely {
    token: String,
    logprob: f64,
    bytes: Vec<u8>,
}

impl From<&Candidate<'_>> for Likely {
    fn from(candidate: &Candidate<'_>) -> Self {
        let token = candidate.token.decode().into_owned();
        Self { bytes: token.clone().into_bytes(), token, logprob: candidate.log_probability }
    }
}

/// Theirs as ours. None for what cannot be read.
pub(super) fn translate(raw: &RawValue) -> Option<Box<RawValue>> {
    let theirs: Theirs<'_> = serde_json::from_str(raw.get()).ok()?;
    let tops = theirs.top_candidates.iter().map(|top| top.candidates.iter().map(Likely::from));
    let mut tops = tops.map(Iterator::collect);
    let chosen = theirs.chosen_candidates.iter();
    let content = chosen.map(|chosen| Token {
        chosen: chosen.into(),
        top_logprobs: tops.next().unwrap_or_default(),
    });
    to_raw_value(&Ours { content: content.collect(), refusal: () }).ok()
}
