//! What clients speak: OpenAI's chat completions, with the gateway's own fields. The pivot between
//! them and every provider, so it knows no provider.

pub mod answer;
pub mod attempt_log;
pub mod effort;
pub mod envelope;
pub mod error;
pub mod finish;
pub mod message;
pub mod mistake;
pub mod object;
pub mod parameter;
pub mod request;
pub mod request_variant;
pub mod stream_writer;
pub mod text;
pub mod tools;
pub mod transcript_id;
pub mod usage;
