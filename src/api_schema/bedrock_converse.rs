//! Amazon Bedrock's Converse, for the models of Amazon, Meta, Mistral and Cohere: Amazon Bedrock API
//! reference, *Converse* and *ConverseStream*. Conversations and tools follow the rules of
//! [`anthropic`](super::anthropic), in other shapes: both have turns with blocks.
//!
//! | Module | Holds |
//! |---|---|
//! | `fit` | parameters and parts that the API does not take |
//! | `request`, `blocks` | the body of the request, and the turns in it |
//! | `tools` | tools, and the choice among them |
//! | `decoder` | the decoder of one attempt, over `answer` and `stream` |
//! | `error` | responses and events that failed |
//! | `wire` | the types of a response |

mod answer;
mod blocks;
mod decoder;
mod error;
mod fit;
mod request;
mod stream;
mod tools;
mod wire;

pub(crate) use self::{
    decoder::BedrockConverseDecoder,
    error::classify,
    fit::fit,
    request::{ConverseRequest, request},
};
