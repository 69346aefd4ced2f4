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

pub(crate) use self::{
    decoder::OpenAiDecoder,
    embeddings::{embeddings, embeddings_request},
    fit::{fit, unsupported_parameters},
    request::request,
};
