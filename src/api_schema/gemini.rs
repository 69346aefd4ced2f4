//! Gemini's `generateContent`, as AI Studio and Vertex AI offer it: ai.google.dev, *Generating
//! content*; cloud.google.com, *GenerateContentRequest*.

mod answer;
mod closing;
mod conversation;
mod decoder;
mod embeddings;
mod error;
mod fit;
mod generation;
mod json_schema;
mod logprobs;
mod media;
mod messages;
mod parts;
mod request;
mod results;
mod schemas;
mod signature;
mod stream;
mod tools;
mod turns;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    decoder::GeminiDecoder,
    embeddings::{embeddings, embeddings_request},
    error::classify,
    fit::fit,
    request::{GeminiRequest, request},
};
