//! Parts that all client APIs beside the chat API need: the translation of a body into a chat request,
//! and values that go to clients and come back.
//!
//! | Module | Holds |
//! |---|---|
//! | `chat_body` | the chat request that a body was translated into |
//! | `chat_messages` | its messages and their parts |
//! | `assistant_turn` | a turn of the assistant among them |
//! | `translation` | the reports of a translation |
//! | `carried` | data of providers that clients carry from one turn to the next |
//! | `call_queue` | the calls of a stream, one after the other |
//! | `stream_state` | what the writers of streams have in common |

pub(crate) mod assistant_turn;
pub(crate) mod call_queue;
pub mod carried;
pub mod chat_body;
pub(crate) mod chat_messages;
pub(crate) mod stream_state;
pub(crate) mod translation;
