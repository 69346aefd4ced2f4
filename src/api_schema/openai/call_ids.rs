//! Ids of tool calls that OpenAI's API accepts. Longer ones come from answers of other providers.

use std::collections::BTreeMap;

use crate::{
    api_schema::unique_names::UniqueNames,
    chat::{message::Message, text::Text},
};

/// The maximum number of characters: OpenAI's error `string_above_max_length` for
/// `messages[].tool_calls[].id`.
const MAX_LENGTH: usize = 40;

/// The replacements of ids that are too long, for the calls of a conversation and for their results.
#[derive(Debug, Default)]
pub(in crate::api_schema) struct CallIds {
    sent: BTreeMap<String, String>,
}

impl CallIds {
    /// Finds a replacement for every id that is too long. None is equal to another id.
    pub(in crate::api_schema) fn new(messages: &[Message<'_>]) -> Self {
        let calls = messages.iter().flat_map(|message| message.tool_calls.iter().flatten());
        let ids = calls.map(|call| call.id.decode());
        let (long, short): (Vec<_>, Vec<_>) = ids.partition(|id| id.chars().count() > MAX_LENGTH);
        let mut call_ids = Self::default();
        if long.is_empty() {
            return call_ids;
        }
        let mut unique = UniqueNames::default();
        short.iter().for_each(|id| unique.reserve(id));
        for id in long {
            if !call_ids.sent.contains_key(id.as_ref()) {
                let start = id.chars().take(MAX_LENGTH).collect();
                call_ids.sent.insert(id.into_owned(), unique.claim(start, MAX_LENGTH));
            }
        }
        call_ids
    }

    /// Returns the id to send for a client's id.
    pub(in crate::api_schema) fn sent<'t>(&self, id: &Text<'t>) -> Text<'t> {
        if self.sent.is_empty() {
            return id.clone();
        }
        self.sent.get(id.decode().as_ref()).map_or_else(|| id.clone(), |other| Text::new(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_stay_different() {
        let (stem, other) = ("c".repeat(40), "é".repeat(41));
        let ids = [&stem, &format!("{stem}1"), &format!("{stem}2"), &other, "call_1"];
        let expected = [
            &stem,
            &format!("{}_2", &stem[2..]),
            &format!("{}_3", &stem[2..]),
            &other[2..],
            "call_1",
        ];
        let calls: Vec<String> =
            ids.iter().map(|id| format!(r#"{{"id":"{id}","function":{{"name":"f"}}}}"#)).collect();
        let message = format!(r#"{{"role":"assistant","tool_calls":[{}]}}"#, calls.join(","));
        let message: Message<'_> = serde_json::from_str(&message).unwrap();
        let call_ids = CallIds::new(&[message]);
        for (id, sent) in ids.iter().zip(expected) {
            assert_eq!(call_ids.sent(&Text::new(id)).decode(), sent, "{id}");
        }
    }
}
