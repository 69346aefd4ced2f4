//! The API of embeddings: requests with an input instead of messages, and answers with vectors
//! instead of text. OpenAI's API reference, *Create embeddings*.

pub mod answer;
pub mod request;
mod vector;

pub use self::vector::VectorEncoding;
