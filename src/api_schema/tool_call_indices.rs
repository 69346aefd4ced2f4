//! Indices of the tool calls in a provider's stream.

use std::collections::BTreeMap;

use crate::chat::{delta::MAX_ITEMS, text::Text};

/// Map from a provider's numbers of tool calls to the indices that clients see.
///
/// Providers count from 0, but some start at 1, leave numbers out, give several calls the same one
/// and tell them apart by id, or give none at all.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolCallIndices {
    /// The calls that have begun, by choice.
    choices: BTreeMap<usize, Vec<ProviderCall>>,
}

/// The provider's names of a call.
#[derive(Clone, Debug)]
struct ProviderCall {
    number: usize,
    /// As JSON.
    id: Option<String>,
}

/// Index of the call that a piece of a stream belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToolCallIndex {
    /// The piece begins a call.
    New(usize),
    /// The piece continues a call.
    Known(usize),
}

impl ToolCallIndex {
    /// Returns the index.
    pub(super) fn call(self) -> usize {
        match self {
            Self::New(call) | Self::Known(call) => call,
        }
    }
}

impl ToolCallIndices {
    /// Returns the call that a piece of a stream belongs to.
    ///
    /// A piece with a name begins a call, unless its number is known and its id is not another one.
    /// `None` for a piece that belongs to no call, or to one too many.
    pub(super) fn resolve(
        &mut self,
        choice: usize,
        number: Option<usize>,
        id: Option<&Text<'_>>,
        name: Option<&Text<'_>>,
    ) -> Option<ToolCallIndex> {
        if choice >= MAX_ITEMS {
            return None;
        }
        let calls = self.choices.entry(choice).or_default();
        let id = id.filter(|id| !id.is_empty()).map(Text::json);
        let name = name.filter(|name| !name.is_empty());
        let number = number.unwrap_or_else(|| infer_number(calls, id, name));
        let known = calls.iter().rposition(|call| call.number == number);
        let call = known.and_then(|index| calls.get(index));
        let is_same = call.is_some_and(|call| id.is_none() || id == call.id.as_deref());
        if name.is_none() || is_same {
            return known.map(ToolCallIndex::Known);
        }
        let index = calls.len();
        if index >= MAX_ITEMS {
            return None;
        }
        calls.push(ProviderCall { number, id: id.map(str::to_owned) });
        Some(ToolCallIndex::New(index))
    }

    /// Returns the index of the last call with a number.
    pub(super) fn find(&self, choice: usize, number: usize) -> Option<usize> {
        self.choices.get(&choice)?.iter().rposition(|call| call.number == number)
    }
}

/// Returns the number of a call whose provider gives none. An unknown id begins a call, and so does
/// a name without an id; anything else belongs to the last call.
fn infer_number(calls: &[ProviderCall], id: Option<&str>, name: Option<&Text<'_>>) -> usize {
    let next = calls.iter().map(|call| call.number.saturating_add(1)).max().unwrap_or_default();
    if id.is_some() {
        let known = calls.iter().find(|call| call.id.as_deref() == id);
        return known.map_or(next, |call| call.number);
    }
    match calls.last() {
        Some(last) if name.is_none() => last.number,
        _ => next,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn each_piece_belongs_to_the_call_its_provider_means() {
        use ToolCallIndex::{Known, New};
        let cases: [(Option<usize>, &str, &str, Option<ToolCallIndex>); 10] = [
            (Some(7), "", "", None),
            (Some(7), "a", "f", Some(New(0))),
            (Some(7), "a", "f", Some(Known(0))),
            (Some(7), "", "", Some(Known(0))),
            (Some(7), "b", "g", Some(New(1))),
            (None, "c", "h", Some(New(2))),
            (None, "c", "", Some(Known(2))),
            (None, "", "i", Some(New(3))),
            (None, "", "", Some(Known(3))),
            (Some(8), "", "", Some(Known(2))),
        ];
        let mut indices = ToolCallIndices::default();
        for (number, id, name, expected) in cases {
            let (id, name) = (Text::new(id), Text::new(name));
            let found = indices.resolve(0, number, Some(&id), Some(&name));
            assert_eq!(found, expected, "{number:?} {} {}", id.json(), name.json());
        }
        assert_eq!((indices.find(0, 7), indices.find(1, 7)), (Some(1), None));
    }

    #[test]
    fn calls_and_choices_are_bounded() {
        let (mut indices, name) = (ToolCallIndices::default(), Text::new("f"));
        for number in 0..MAX_ITEMS {
            assert!(indices.resolve(0, Some(number), None, Some(&name)).is_some());
        }
        assert_eq!(indices.resolve(0, Some(MAX_ITEMS), None, Some(&name)), None);
        assert_eq!(indices.resolve(MAX_ITEMS, None, None, Some(&name)), None);
    }
}
