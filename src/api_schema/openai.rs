//! OpenAI's chat completions, at OpenAI and at compatible servers: OpenAI's API reference, *Chat*.
//! A [`Quirk`](crate::config::Quirk) is a deviation of such a server.

mod answer;
mod call_ids;
mod conversation;
mod custom_calls;
mod decoder;
mod embeddings;
mod fit;
mod instruction;
mod messages;
mod moonshot_schema;
mod reasoning_history;
mod reasoning_stage;
mod reasoning_tags;
mod request;
mod stream;
mod tools;
mod wire;

#[cfg(test)]
mod tests;

/// Rules of OpenAI that hold in each of its API schemas.
pub(super) use self::{
    call_ids::CallIds,
    conversation::{ListedMessage, listed_messages},
    custom_calls::CustomCalls,
    fit::{fit_conversation, refuse_parts},
    instruction::add_instruction,
    messages::{non_empty_name, plain_text, write_texts},
    tools::{RULES, kind_of, takes_custom_tools},
    wire::{WireCall, WireCustomCall, WireFunction, raw, to_index},
};
pub(crate) use self::{
    decoder::OpenAiDecoder,
    embeddings::{embeddings, embeddings_request},
    fit::{fit, unsupported_parameters},
    request::request,
};
