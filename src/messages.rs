//! The Messages API: Anthropic's, as an API of the gateway for every model. A reader translates its
//! requests into chat requests, and writers translate answers, streams and errors of the chat API
//! into its own. Claude API reference, *Messages*.
//!
//! | Module | Holds |
//! |---|---|
//! | `request` | the translation of a whole request |
//! | `conversation`, `blocks`, `tools` | the translation of its parts |
//! | `answer`, `stream_writer`, `tokens` | answers, streams and their counts of tokens |
//! | `token_estimate` | counts of tokens where the provider has none |
//! | `relay` | answers that come in this API and pass as they are |
//! | `failure`, `betas` | errors, and features that a client asks for by name |

pub mod answer;
pub mod betas;
mod blocks;
mod conversation;
pub mod failure;
pub mod relay;
pub mod request;
pub mod stream_writer;
pub mod token_estimate;
mod tokens;
mod tools;
