//! Anthropic's Messages API, as Anthropic itself, Amazon Bedrock's endpoint of that name and, with
//! a quirk, Vertex AI provide it. Claude API reference, *Messages*.
//!
//! | Module | Holds |
//! |---|---|
//! | `fit` | parameters that Claude takes in another form, or not at all |
//! | `request` | the body of the request |
//! | `messages`, `turns` | the conversation: its translation, and the turns that are sent |
//! | `tools`, `names` | tools, and names that Claude accepts for them |
//! | `media`, `reasoning`, `cache_control` | blocks besides text, and marks for the prompt cache |
//! | `prompt_cache` | marks that the gateway places itself |
//! | `fields` | fields that depend on the target |
//! | `original` | requests that came in this API |
//! | `thinking` | the ways in which Claude thinks before it answers |
//! | `response_format`, `json_schema` | structured outputs |
//! | `decoder` | the decoder of one attempt, over `answer` and `stream` |
//! | `wire` | the types of an answer, as Claude writes it |

mod answer;
mod cache_control;
mod decoder;
mod fields;
mod fit;
mod json_schema;
mod media;
mod messages;
mod names;
mod original;
mod prompt_cache;
mod reasoning;
mod request;
mod response_format;
mod stream;
mod thinking;
mod tools;
mod turns;
mod wire;

#[cfg(test)]
mod tests;

pub(in crate::api_schema) use self::{
    cache_control::CacheControl,
    fit::{fit_cache_control, limit_cache_control},
    media::{MediaBlock, MediaSource, media_block},
    messages::to_turns,
    response_format::OutputFormat,
    tools::{AnthropicToolChoice, AnthropicTools, DeclaredTool, NO_ARGUMENTS, write_schema},
    turns::{
        AnthropicConversation, AnthropicTurn, BlockContent, ContentBlock, ToolResult, TurnRole,
    },
};
pub(crate) use self::{
    decoder::AnthropicDecoder,
    fit::fit,
    request::{AnthropicRequest, headers, request},
};
