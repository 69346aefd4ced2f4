//! What Gemini sends, as far as it is read: an answer in one piece, and each event of a stream.
//! ai.google.dev, *GenerateContentResponse*.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{decoder::GeminiDecoder, error, signature::extra_content};
use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        answer::Call,
        envelope,
        error::Error,
        finish::Finish,
        text::{Text, lenient},
        usage::Usage,
    },
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
    content: Option<GeminiContent<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct GeminiContent<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<GeminiPart<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiPart<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    thought: Option<bool>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    thought_signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    inline_data: Option<Blob<'a>>,
}

/// A picture, or a sound. ai.google.dev, *Blob*.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    id: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
}

/// Tokens as Gemini counts them. What is none is left out, as JSON of protocol buffers does.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
}

/// What a part says.
pub(super) enum PartContent<'a> {
    Text(Text<'a>),
    Thought(Text<'a>),
    Call(Call<'a>),
    /// A picture, as a data URL.
    Image(String),
    /// What must come back with the text, or under an id with a call.
    Signature(Text<'a>, Option<Text<'a>>),
}

/// What a candidate's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CandidateEnd {
    Finish(Finish),
    /// The model failed, in a way that another attempt may not.
    Failed,
}

impl<'a> GeminiResponse<'a> {
    /// Reads a response. Some servers put it into an array. An error inside is an error.
    pub(super) fn read(body: &'a [u8], origin: ResponseContext<'_>) -> Result<Self, Error> {
        let wrong = |_| origin.bad("is not a response of generateContent");
        let response = if body.trim_ascii_start().starts_with(b"[") {
            let [response] = serde_json::from_slice(body).map_err(wrong)?;
            response
        } else {
            serde_json::from_slice::<Self>(body).map_err(wrong)?
        };
        match response.error {
            Some(error) => Err(error::hidden(origin, error)),
            None => Ok(response),
        }
    }

    /// Why the prompt was not answered at all.
    pub(super) fn block_reason(&self) -> Option<&Text<'a>> {
        let none = self.candidates.as_ref().is_none_or(Vec::is_empty);
        self.prompt_feedback.as_ref()?.block_reason.as_ref().filter(|_| none)
    }

    /// What it cost so far. Some events have no counts, only other facts.
    pub(super) fn usage(&self) -> Option<UsageMetadata> {
        self.usage_metadata.filter(|usage| usage.counts().iter().any(Option::is_some))
    }
}

impl UsageMetadata {
    fn counts(&self) -> [Option<u64>; 5] {
        [
            self.prompt_token_count,
            self.tool_use_prompt_token_count,
            self.candidates_token_count,
            self.thoughts_token_count,
            self.cached_content_token_count,
        ]
    }

    /// These, with `later` in the place of what it names.
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

    /// Gemini's output leaves out thoughts, its prompt what tools of its own read.
    pub(super) fn to_usage(&self) -> Usage {
        let [prompt, tool_use, said, thoughts, cached] =
            self.counts().map(Option::unwrap_or_default);
        Usage {
            prompt: prompt.saturating_add(tool_use),
            completion: said.saturating_add(thoughts),
            cached: cached.min(prompt),
            cache_written: 0,
            reasoning: thoughts,
        }
    }
}

impl<'a> Candidate<'a> {
    /// Its number. One that is beyond this machine's numbers is beyond any bound too.
    pub(super) fn choice_index(&self, position: usize) -> usize {
        self.index.map_or(position, |index| usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// What it says, part by part. `calls` is how many calls came before.
    pub(super) fn take_parts(
        &mut self,
        reader: &GeminiDecoder,
        choice: usize,
        mut calls: usize,
    ) -> Vec<PartContent<'a>> {
        let parts = self.content.take().and_then(|content| content.parts).unwrap_or_default();
        let mut said = Vec::with_capacity(parts.len());
        for part in parts {
            let thought = part.thought == Some(true);
            let signature = part.thought_signature.filter(|text| !text.is_empty() && !thought);
            if let Some(call) = part.function_call.and_then(|call| call.read()) {
                let (id, call) = reader.call(call, signature.as_ref(), choice, calls);
                calls += 1;
                said.extend(signature.map(|signature| PartContent::Signature(signature, Some(id))));
                said.push(PartContent::Call(call));
                continue;
            }
            let image = part.inline_data.filter(|_| !thought).and_then(|blob| blob.image());
            said.extend(image.map(PartContent::Image));
            let text = part.text.filter(|text| !text.is_empty());
            said.extend(text.map(if thought { PartContent::Thought } else { PartContent::Text }));
            said.extend(signature.map(|signature| PartContent::Signature(signature, None)));
        }
        said
    }

    /// What its end means, if it has come to one.
    pub(super) fn end(&self) -> Option<CandidateEnd> {
        let word = self.finish_reason.as_ref().filter(|word| !word.is_empty())?;
        Some(end(&word.decode()))
    }
}

/// ai.google.dev and cloud.google.com, *FinishReason*.
fn end(word: &str) -> CandidateEnd {
    match word {
        "MAX_TOKENS" | "CONTINUATION" => CandidateEnd::Finish(Finish::Length),
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
        | "MODEL_ARMOR" | "ESCALATION" | "NO_IMAGE" | "OTHER" => {
            CandidateEnd::Finish(Finish::ContentFilter)
        }
        image if image.starts_with("IMAGE_") => CandidateEnd::Finish(Finish::ContentFilter),
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE"
        | "TOO_MANY_TOOL_CALLS"
        | "UNEXPECTED_TOOL_CALL" => CandidateEnd::Failed,
        _ => CandidateEnd::Finish(Finish::Stop),
    }
}

impl Blob<'_> {
    /// The picture, if it is one.
    fn image(&self) -> Option<String> {
        let kind = self.mime_type.decode();
        let (kind, data) = (kind.strip_prefix("image/")?, self.data.decode());
        Some(format!("data:image/{kind};base64,{data}"))
    }
}

/// A picture as clients get it. `index` is its number in the answer.
pub(super) fn image(url: &str, index: usize) -> String {
    json!({"type": "image_url", "image_url": {"url": url}, "index": index}).to_string()
}

/// A call with a name.
pub(super) struct NamedCall<'a> {
    id: Option<Text<'a>>,
    name: Text<'a>,
    args: Option<&'a RawValue>,
}

impl<'a> FunctionCall<'a> {
    /// A call without a name is none.
    fn read(self) -> Option<NamedCall<'a>> {
        let name = self.name.filter(|name| !name.is_empty())?;
        Some(NamedCall { id: self.id.filter(|id| !id.is_empty()), name, args: self.args })
    }
}

impl GeminiDecoder {
    /// A call under the client's own name for it, and its id: Gemini 2.5 gives none.
    fn call<'a>(
        &self,
        call: NamedCall<'a>,
        signature: Option<&Text<'a>>,
        choice: usize,
        number: usize,
    ) -> (Text<'a>, Call<'a>) {
        let minted = || Text::new(&envelope::call_id(&self.request_id, choice, number));
        let id = call.id.unwrap_or_else(minted);
        let name = match self.original_names.get(call.name.decode().as_ref()) {
            Some(original) => Text::new(original),
            None => call.name,
        };
        let call = Call {
            id: Some(id.clone()),
            name,
            arguments: arguments(call.args),
            extra_content: signature.map(extra_content),
        };
        (id, call)
    }
}

/// Arguments as a string without the white space between tokens that some answers have. They are an
/// object, whatever came.
fn arguments(args: Option<&RawValue>) -> Text<'static> {
    let json = args.map(RawValue::get).filter(|json| json.starts_with('{'));
    Text::new(&compact(json.unwrap_or("{}")))
}

fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains(['\n', ' ', '\t', '\r']) {
        return Cow::Borrowed(json);
    }
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.chars().filter(|c| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match c {
            '"' if !was_escaped => in_string = !in_string,
            '\\' if !was_escaped => escaped = true,
            ' ' | '\n' | '\t' | '\r' => return in_string,
            _ => {}
        }
        true
    });
    Cow::Owned(kept.collect())
}
