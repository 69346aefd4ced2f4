//! Results of tools: each belongs to one call of the assistant.

use std::collections::BTreeMap;

use crate::chat::{
    message::{Message, Role},
    pending_calls::CallKey,
};

/// Pairs each result with its call. Removes a result whose call is absent or has a result already, as
/// in a history that was cut, and returns the indices of the removed messages.
///
/// A result that comes after a later turn of the assistant moves behind the message with its call,
/// because providers require all results before the assistant goes on.
pub(super) fn pair_results(messages: &mut Vec<Message<'_>>) -> Vec<usize> {
    if !messages.iter().any(Message::is_result) {
        return Vec::new();
    }
    let mut unpaired = Vec::new();
    let mut placed = Vec::with_capacity(messages.len());
    let mut waiting = WaitingCalls::default();
    for (position, mut message) in std::mem::take(messages).into_iter().enumerate() {
        if !message.is_result() {
            waiting.add_message(position, &message);
            placed.push((position, message));
            continue;
        }
        waiting.is_assistants_turn = false;
        match waiting.take(&CallKey::of_result(&message)) {
            Some(call) => {
                message.answers = Some(call.index);
                let is_late = call.turn < waiting.turn;
                placed.push((if is_late { call.position } else { position }, message));
            }
            None => unpaired.push(message.index),
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    messages.extend(placed.into_iter().map(|(_, message)| message));
    unpaired
}

/// Calls that wait for their results.
#[derive(Default)]
struct WaitingCalls {
    by_key: BTreeMap<CallKey, (CallPlace, usize)>,
    /// The number of the assistant's last turn.
    turn: usize,
    /// True if the last message is the assistant's.
    is_assistants_turn: bool,
}

/// Place of a message with calls.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CallPlace {
    position: usize,
    index: usize,
    turn: usize,
}

impl WaitingCalls {
    /// Adds the calls of a message that is no result. They replace those of an earlier message with
    /// the same key: some providers number the calls of each answer from 0.
    fn add_message(&mut self, position: usize, message: &Message<'_>) {
        let is_assistants = message.role == Role::Assistant;
        if is_assistants && !self.is_assistants_turn {
            self.turn += 1;
        }
        self.is_assistants_turn = is_assistants;
        let place = CallPlace { position, index: message.index, turn: self.turn };
        for key in CallKey::of_calls(message) {
            let (own, count) = self.by_key.entry(key).or_insert((place, 0));
            if *own != place {
                (*own, *count) = (place, 0);
            }
            *count += 1;
        }
    }

    /// Takes a call with a key.
    fn take(&mut self, key: &CallKey) -> Option<CallPlace> {
        let (place, count) = self.by_key.get_mut(key).filter(|(_, count)| *count > 0)?;
        *count -= 1;
        Some(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the messages that a word stands for: `u` and `a` are texts, `a:1,2` has calls with
    /// these ids, `f:x` a `function_call`, `t:1` and `r:x` are the results.
    fn message(index: usize, word: &str) -> Message<'static> {
        let (kind, names) = word.split_once(':').unwrap_or((word, ""));
        let call = |id| format!(r#"{{"id":"{id}","function":{{"name":"f"}}}}"#);
        let calls: Vec<String> =
            names.split(',').filter(|name| !name.is_empty()).map(call).collect();
        let json = match kind {
            "u" => r#"{"role":"user","content":"u"}"#.to_owned(),
            "a" => format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, calls.join(",")),
            "f" => format!(r#"{{"role":"assistant","function_call":{{"name":"{names}"}}}}"#),
            "t" => format!(r#"{{"role":"tool","tool_call_id":"{names}"}}"#),
            _ => format!(r#"{{"role":"function","name":"{names}"}}"#),
        };
        Message { index, ..serde_json::from_str(json.leak()).unwrap() }
    }

    #[test]
    fn every_result_follows_its_call_or_is_left_out() {
        let cases: [(&str, &[usize], &[usize]); 15] = [
            ("u a", &[0, 1], &[]),
            ("u a:1 t:1 a", &[0, 1, 2, 3], &[]),
            ("t:1 a u", &[1, 2], &[0]),
            ("t:1 t:2 u", &[2], &[0, 1]),
            ("u a:1 t:1 t:1 a", &[0, 1, 2, 4], &[3]),
            ("u a:1 t:1 a t:1 u", &[0, 1, 2, 3, 5], &[4]),
            ("u a:1,2 t:2 t:3 t:1", &[0, 1, 2, 4], &[3]),
            ("a:1 u t:1 u", &[0, 1, 2, 3], &[]),
            ("a:1 u a u t:1", &[0, 4, 1, 2, 3], &[]),
            ("a:1 a:2 t:1 t:2", &[0, 1, 2, 3], &[]),
            ("a:1 a:2 t:1 a t:2", &[0, 1, 4, 2, 3], &[]),
            ("a:0 t:0 a:0 t:0 t:0", &[0, 1, 2, 3], &[4]),
            ("a:0 a:0 t:0 t:0", &[0, 1, 2], &[3]),
            ("a:1,1 t:1 t:1 t:1", &[0, 1, 2], &[3]),
            ("f:x r:y r:x r:x t:x", &[0, 2], &[1, 3, 4]),
        ];
        for (words, kept, unpaired) in cases {
            let words_of = words.split(' ').enumerate();
            let mut messages = words_of.map(|(index, word)| message(index, word)).collect();
            assert_eq!(pair_results(&mut messages), unpaired, "{words}");
            let left: Vec<usize> = messages.iter().map(|message| message.index).collect();
            assert_eq!(left, kept, "{words}");
        }
    }
}
