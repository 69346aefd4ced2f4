//! OpenAI's Responses, at OpenAI, Azure and Amazon Bedrock: OpenAI's API reference, *Responses*.
//! Conversations and tools follow the rules of [`openai`](super::openai), in other shapes.
//!
//! | Module | Holds |
//! |---|---|
//! | `fit` | parameters and parts that the API does not take |
//! | `request`, `flat_fields` | the body of the request, and fields without an object of their own |
//! | `messages`, `content` | the conversation as items, and the parts of a message |
//! | `reasoning` | reasoning that only OpenAI can decrypt, and that it needs back |
//! | `tools` | tools, and the choice among them |
//! | `decoder` | the decoder of one attempt, over `answer` and `stream` |
//! | `error` | responses that failed |
//! | `wire`, `logprobs` | the types of a response, and its log probabilities |

mod answer;
mod content;
mod decoder;
mod error;
mod fit;
mod flat_fields;
mod logprobs;
mod messages;
mod reasoning;
mod request;
mod stream;
mod tools;
mod wire;

pub(crate) use self::{decoder::OpenAiResponsesDecoder, fit::fit, request::request};
