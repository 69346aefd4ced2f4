//! Fields around an answer: the request's id, the model, the time.

use std::{collections::BTreeSet, iter};

use super::{price::Price, text::Text, tools::CallForm, usage::Usage};
use crate::usd::Usd;

/// Fields of the request that every answer repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The request's id, a UUID.
    pub request_id: String,
    /// The model that answers, by its name in the chat API.
    pub model: String,
    /// The time at which the answer began, in Unix seconds.
    pub created: u64,
    /// The fields of the request that the answer repeats, as JSON.
    pub request: Vec<u8>,
    /// The form in which the client reads calls.
    pub call_form: CallForm,
    /// The names of custom tools, whose calls have an input instead of arguments.
    pub custom_tools: BTreeSet<String>,
    /// True if a stream ends with its usage.
    pub include_usage: bool,
    /// The price by which the usage reports the cost. `None`: it reports none.
    pub price: Option<Price>,
    /// True if the client carries the reasoning to the next turn in a form that it cannot read.
    pub carries_reasoning: bool,
}

impl Envelope {
    /// Returns true if a tool is a custom tool.
    pub fn is_custom(&self, name: &Text<'_>) -> bool {
        !self.custom_tools.is_empty() && self.custom_tools.contains(name.decode().as_ref())
    }

    /// Returns the cost that the usage of an answer reports.
    pub fn cost(&self, usage: Option<&Usage>) -> Option<Usd> {
        self.price.and_then(|price| price.cost_of(usage))
    }

    /// Returns the completion's id, which is derived from the request's.
    pub fn completion_id(&self) -> String {
        iter::once("chatcmpl-").chain(self.request_id.split('-')).collect()
    }

    /// Returns an id for a tool call whose provider gave none, as unique as the request's id.
    pub fn call_id(&self, choice: usize, call: usize) -> String {
        call_id(&self.request_id, choice, call)
    }
}

/// Returns [`Envelope::call_id`] where there is no envelope yet.
pub fn call_id(request_id: &str, choice: usize, call: usize) -> String {
    let unique: String = request_id.chars().filter(|c| *c != '-').take(20).collect();
    format!("call_{unique}{choice:02x}{call:04x}")
}
