//! Pairs the results of tools with the calls that they belong to.

use std::collections::{BTreeMap, VecDeque};

use super::{
    message::{Message, Role},
    text::Text,
};

/// A key that a call and its result share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallKey {
    /// The id of a tool call.
    Id(String),
    /// The name of a function that was called in the legacy form, which has no ids.
    Name(String),
}

impl CallKey {
    /// Returns the keys of the calls in a message, in their order.
    pub fn of_calls(message: &Message<'_>) -> Vec<Self> {
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        let ids = calls.iter().map(|call| Self::Id(call.id.decode().into_owned()));
        let legacy = message.legacy_call().map(|call| Self::Name(call.name.decode().into_owned()));
        ids.chain(legacy).collect()
    }

    /// Returns the key of the call that a message of the role `tool` or `function` answers.
    pub fn of_result(message: &Message<'_>) -> Self {
        let decoded = |text: &Option<Text<'_>>| {
            text.as_ref().map(Text::decode).unwrap_or_default().into_owned()
        };
        match message.role {
            Role::Function => Self::Name(decoded(&message.name)),
            _ => Self::Id(decoded(&message.tool_call_id)),
        }
    }
}

/// The calls of one assistant turn in their order, each in the form of an API schema.
#[derive(Debug)]
pub struct PendingCalls<C> {
    calls: Vec<C>,
    /// The indexes of the calls without a result, by key, each in the order of the calls.
    waiting: BTreeMap<CallKey, VecDeque<usize>>,
}

impl<C> Default for PendingCalls<C> {
    fn default() -> Self {
        Self { calls: Vec::new(), waiting: BTreeMap::new() }
    }
}

impl<C> PendingCalls<C> {
    /// Returns the calls, those with a result included.
    pub fn calls(&self) -> &[C] {
        &self.calls
    }

    /// Adds a call. Several may have the same key.
    pub fn push(&mut self, key: CallKey, call: C) {
        self.waiting.entry(key).or_default().push_back(self.calls.len());
        self.calls.push(call);
    }

    /// Returns the first call with a key that no result has been paired with, and pairs it.
    pub fn pair(&mut self, key: &CallKey) -> Option<&mut C> {
        let index = self.waiting.get_mut(key)?.pop_front()?;
        self.calls.get_mut(index)
    }

    /// Removes and returns all calls: the next turn has calls of its own.
    pub fn take(&mut self) -> Vec<C> {
        self.waiting.clear();
        std::mem::take(&mut self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_with_one_key_are_paired_in_their_order() {
        let id = |id: &str| CallKey::Id(id.to_owned());
        let mut calls = PendingCalls::default();
        calls.push(id("a"), 1);
        calls.push(CallKey::Name("a".to_owned()), 2);
        calls.push(id("a"), 3);
        assert_eq!(calls.pair(&id("a")), Some(&mut 1));
        assert_eq!(calls.pair(&id("a")), Some(&mut 3));
        assert_eq!(calls.pair(&id("a")), None);
        assert_eq!(calls.take(), [1, 2, 3]);
        assert_eq!(calls.pair(&CallKey::Name("a".to_owned())), None, "after the turn");
    }

    #[test]
    fn a_result_names_its_call_by_id_or_in_the_legacy_form_by_name() {
        let cases = [
            (r#"{"role":"tool","tool_call_id":"1","name":"f"}"#, CallKey::Id("1".to_owned())),
            (r#"{"role":"function","name":"f"}"#, CallKey::Name("f".to_owned())),
        ];
        for (message, key) in cases {
            assert_eq!(CallKey::of_result(&serde_json::from_str(message).unwrap()), key);
        }
    }
}
