//! The Responses API: OpenAI's, as an API of the gateway for every model, without its storage. A
//! reader translates its requests into chat requests, and writers translate answers and streams of
//! the chat API into its own. OpenAI's API reference, *Responses*.
//!
//! | Module | Holds |
//! |---|---|
//! | `request` | the translation of a whole request |
//! | `input`, `content`, `tools` | the translation of its parts |
//! | `namespaces` | names of tools that have a namespace |
//! | `echo` | the fields of a request that its response repeats |
//! | `output` | the items of a response |
//! | `answer`, `stream_writer` | answers and streams |

pub mod answer;
mod content;
pub mod echo;
mod input;
mod namespaces;
mod output;
pub mod request;
pub mod stream_writer;
mod tools;
