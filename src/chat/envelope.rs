//! What surrounds an answer: who asked what, under which id.

use std::iter;

/// Facts about the request that every answer to it repeats.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// The request's id, a UUID.
    pub request_id: String,
    /// The model that answers, under the name clients know.
    pub model: String,
    /// When the answer began, in Unix seconds.
    pub created: u64,
    /// The effective request without prompt and messages, as JSON.
    pub request: Vec<u8>,
    /// Whether a stream ends with its usage.
    pub include_usage: bool,
}

impl Envelope {
    /// The completion's id. It follows from the request's, so that either leads to the other.
    pub fn completion_id(&self) -> String {
        iter::once("chatcmpl-").chain(self.request_id.split('-')).collect()
    }

    /// An id for a tool call whose provider gave none: unique as the request's id is.
    pub fn call_id(&self, choice: usize, call: usize) -> String {
        call_id(&self.request_id, choice, call)
    }
}

/// [`Envelope::call_id`], for whoever needs the id before there is an envelope.
pub fn call_id(request_id: &str, choice: usize, call: usize) -> String {
    let unique: String = request_id.chars().filter(|c| *c != '-').take(20).collect();
    format!("call_{unique}{choice:02x}{call:04x}")
}
