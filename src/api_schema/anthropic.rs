//! Anthropic's Messages: Claude at Anthropic itself, on Amazon Bedrock's endpoint of that name, and,
//! with a quirk, on Vertex AI. Claude API reference, *Messages*.
//!
//! A request is sorted ([`sort`]), fitted ([`fit`]) and written ([`request`]); an answer is read in
//! one piece ([`answer`]) or as a stream ([`stream`]).

mod answer;
mod cache_control;
mod decoder;
mod fit;
mod json_schema;
mod media;
mod messages;
mod names;
mod reasoning;
mod request;
mod response_format;
mod stream;
mod tools;
mod turns;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    decoder::AnthropicDecoder,
    fit::fit,
    request::{HEADERS, request},
};
