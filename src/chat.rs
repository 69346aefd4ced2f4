//! The chat API: OpenAI's chat completions, with the gateway's own fields. Requests and answers of
//! every API schema are translated from and to these types, which depend on no provider and no
//! configuration.

pub mod answer;
pub mod attempt_log;
pub mod delta;
pub mod effort;
pub mod envelope;
pub mod error;
pub mod finish;
pub mod message;
pub mod mistake;
pub mod object;
pub mod parameter;
pub mod pending_calls;
pub mod price;
pub mod replay;
pub mod request;
pub mod request_variant;
pub mod stream_writer;
pub mod text;
pub mod tools;
pub mod transcript_id;
pub mod usage;
