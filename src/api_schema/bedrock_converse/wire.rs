//! The types of a response. Amazon Bedrock API reference, *Converse*, "Response Syntax".

use serde::Deserialize;

use crate::{
    api_schema::origin::ResponseContext,
    chat::{
        error::Error,
        finish::Finish,
        object::ObjectFields,
        text::Text,
        usage::{Usage, token_count},
    },
};

/// Tokens of an answer: Amazon Bedrock API reference, *TokenUsage*.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenUsage {
    #[serde(default, deserialize_with = "token_count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "token_count")]
    cache_write_input_tokens: Option<u64>,
}

/// Returns the tokens in the `usage` of an object, if they are known. `inputTokens` lacks those that
/// were read from the cache or written to it.
pub(super) fn usage_in(fields: &ObjectFields<'_>) -> Option<Usage> {
    let tokens: TokenUsage = serde_json::from_str(fields.get("usage")?.get()).ok()?;
    tokens.input_tokens.or(tokens.output_tokens)?;
    let cached = tokens.cache_read_input_tokens.unwrap_or_default();
    let cache_written = tokens.cache_write_input_tokens.unwrap_or_default();
    let input = tokens.input_tokens.unwrap_or_default();
    Some(Usage {
        prompt: input.saturating_add(cached).saturating_add(cache_written),
        completion: tokens.output_tokens.unwrap_or_default(),
        cached,
        cache_written,
        ..Usage::default()
    })
}

/// Returns the meaning of the `stopReason` in an object, and the word itself. A call or a response
/// that the model got wrong is an error. Amazon Bedrock API reference, *Converse*, `stopReason`.
pub(super) fn end_in<'a>(
    fields: &ObjectFields<'a>,
    origin: ResponseContext<'_>,
) -> Result<(Finish, Option<Text<'a>>), Error> {
    let reason = fields.text("stopReason");
    let finish = match reason.as_ref().map(Text::decode).unwrap_or_default().as_ref() {
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "malformed_model_output" | "malformed_tool_use" => {
            return Err(origin.bad("ended in a call or a response that the model got wrong"));
        }
        _ => Finish::Stop,
    };
    Ok((finish, reason))
}

/// Returns the text of reasoning, if there is any: Amazon Nova writes `[REDACTED]` in its place
/// (Amazon Nova 2, *Reasoning capabilities*).
pub(super) fn thought(text: Option<Text<'_>>) -> Option<Text<'_>> {
    text.filter(|text| !text.is_empty() && text.escaped() != "[REDACTED]")
}
