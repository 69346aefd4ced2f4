//! Wire types of a response: an answer in one piece, or one event of a stream. ai.google.dev,
//! *GenerateContentResponse*.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        error::Error,
        finish::Finish,
        text::{Text, lenient},
        usage::{Usage, token_count},
    },
    json,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeminiResponse<'a> {
    #[serde(borrow, default)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    usage_metadata: Option<UsageMetadata>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback<'a> {
    #[serde(borrow, default)]
    block_reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) content: Option<GeminiContent<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct GeminiContent<'a> {
    #[serde(borrow, default)]
    pub(super) parts: Option<Vec<GeminiPart<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GeminiPart<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) thought: Option<bool>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) thought_signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) inline_data: Option<Blob<'a>>,
}

/// Media in base64. ai.google.dev, *Blob*.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow)]
    pub(super) mime_type: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) args: Option<&'a RawValue>,
}

/// Token counts of an answer. A count of zero is left out, as in all JSON of protocol buffers.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    #[serde(default, deserialize_with = "token_count")]
    prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    candidates_token_count: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    thoughts_token_count: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    cached_content_token_count: Option<u64>,
}

/// End of a candidate, as its `finishReason` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CandidateEnd {
    Finish(Finish),
    /// A failure of the model, which another attempt may avoid.
    Failed,
}

/// The problem of an answer whose only content is such a failure.
pub(super) const MODEL_FAILURE: &str = "ended in a call or a response that the model got wrong";

impl<'a> GeminiResponse<'a> {
    /// Parses a response, which some servers wrap in an array. An `error` inside is returned as
    /// one.
    pub(super) fn read(body: &'a [u8], origin: ResponseContext<'_>) -> Result<Self, Error> {
        let wrong = |error: serde_json::Error| {
            origin.unreadable(&error, "is not a response of generateContent")
        };
        let response = if body.trim_ascii_start().starts_with(b"[") {
            let [response] = json::read(body).map_err(wrong)?;
            response
        } else {
            json::read::<Self>(body).map_err(wrong)?
        };
        match response.error {
            Some(error) => Err(error::classify_embedded(origin, error)),
            None => Ok(response),
        }
    }

    /// Returns the reason why the prompt was blocked, or `None` if there is an answer.
    pub(super) fn block_reason(&self) -> Option<&Text<'a>> {
        let is_empty = self.candidates.as_ref().is_none_or(Vec::is_empty);
        self.prompt_feedback.as_ref()?.block_reason.as_ref().filter(|_| is_empty)
    }

    /// Returns the usage so far, or `None` for an event whose metadata holds no counts.
    pub(super) fn usage(&self) -> Option<UsageMetadata> {
        self.usage_metadata.and_then(UsageMetadata::known)
    }
}

impl UsageMetadata {
    /// Returns these counts, or `None` if there is none.
    pub(super) fn known(self) -> Option<Self> {
        self.counts().iter().any(Option::is_some).then_some(self)
    }

    fn counts(&self) -> [Option<u64>; 5] {
        [
            self.prompt_token_count,
            self.tool_use_prompt_token_count,
            self.candidates_token_count,
            self.thoughts_token_count,
            self.cached_content_token_count,
        ]
    }

    /// Returns these counts, replaced by those of `later` that are present.
    pub(super) fn updated(self, later: Self) -> Self {
        Self {
            prompt_token_count: later.prompt_token_count.or(self.prompt_token_count),
            tool_use_prompt_token_count: later
                .tool_use_prompt_token_count
                .or(self.tool_use_prompt_token_count),
            candidates_token_count: later.candidates_token_count.or(self.candidates_token_count),
            thoughts_token_count: later.thoughts_token_count.or(self.thoughts_token_count),
            cached_content_token_count: later
                .cached_content_token_count
                .or(self.cached_content_token_count),
        }
    }

    /// Returns the usage in our terms. Gemini's output excludes thoughts, and its prompt excludes
    /// the results of Google's own tools.
    pub(super) fn to_usage(self) -> Usage {
        let [prompt, tool_use, output, thoughts, cached] =
            self.counts().map(Option::unwrap_or_default);
        Usage {
            prompt: prompt.saturating_add(tool_use),
            completion: output.saturating_add(thoughts),
            cached: cached.min(prompt),
            reasoning: thoughts,
            ..Usage::default()
        }
    }
}

impl Candidate<'_> {
    /// Returns the index of its choice: `index`, or the position among the candidates. An index
    /// that does not fit into `usize` becomes `usize::MAX`, which is over every bound.
    pub(super) fn choice_index(&self, position: usize) -> usize {
        self.index.map_or(position, |index| usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// Returns the end of the candidate, or `None` while there is more to come.
    pub(super) fn end(&self) -> Option<CandidateEnd> {
        let reason = self.finish_reason.as_ref().filter(|reason| !reason.is_empty())?;
        Some(CandidateEnd::from_reason(&reason.decode()))
    }
}

impl CandidateEnd {
    /// ai.google.dev and cloud.google.com, *FinishReason*.
    fn from_reason(reason: &str) -> Self {
        match reason {
            "MAX_TOKENS" | "CONTINUATION" => Self::Finish(Finish::Length),
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "MODEL_ARMOR" | "ESCALATION" | "NO_IMAGE" | "OTHER" => {
                Self::Finish(Finish::ContentFilter)
            }
            image if image.starts_with("IMAGE_") => Self::Finish(Finish::ContentFilter),
            "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "MISSING_THOUGHT_SIGNATURE"
            | "TOO_MANY_TOOL_CALLS"
            | "UNEXPECTED_TOOL_CALL" => Self::Failed,
            _ => Self::Finish(Finish::Stop),
        }
    }
}
