//! The marks of Claude's prompt cache. Guide *Prompt caching*.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{chat::text::Text, json::Object};

/// A cache mark: `{"type": "ephemeral"}`, with an optional `ttl`.
#[derive(Deserialize)]
pub(in crate::api_schema) struct CacheControl<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    ttl: Option<Text<'a>>,
}

impl<'a> CacheControl<'a> {
    /// Reads a mark. Returns `None` for one that Claude does not know.
    pub(in crate::api_schema) fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str::<Self>(raw.get()).ok().filter(|mark| mark.kind == "ephemeral")
    }

    /// Returns the lifetime that the mark asks for, if that is one of the two there are.
    pub(in crate::api_schema) fn ttl(&self) -> Option<&Text<'a>> {
        self.ttl.as_ref().filter(|ttl| matches!(ttl.decode().as_ref(), "5m" | "1h"))
    }
}

/// The maximum number of marks in a request. Guide *Prompt caching*, "When to use multiple
/// breakpoints".
pub(super) const MAX_MARKS: usize = 4;

/// The marks of a request, by their place: an earlier place comes earlier in the prompt.
pub(super) struct CacheMarks<'m, 'q> {
    pub(super) tools: Vec<&'m mut Option<&'q RawValue>>,
    pub(super) system: Vec<&'m mut Option<&'q RawValue>>,
    pub(super) turns: Vec<&'m mut Option<&'q RawValue>>,
}

/// Numbers of marks that were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RemovedMarks {
    pub(super) tools: usize,
    pub(super) messages: usize,
}

impl CacheMarks<'_, '_> {
    /// Removes marks until at most `limit` are left. The last mark of each place stays, because it
    /// covers all before it; the rest go to the latest marks, which cover the longest prompts.
    pub(super) fn limit(self, limit: usize) -> RemovedMarks {
        let Self { tools, system, turns } = self;
        let mut room = limit;
        let mut reserve = |marks: &[_]| {
            let count = marks.len().min(1).min(room);
            room -= count;
            count
        };
        let mut kept = [reserve(&turns), reserve(&system), reserve(&tools)];
        for (count, all) in kept.iter_mut().zip([turns.len(), system.len(), tools.len()]) {
            let more = room.min(all - *count);
            *count += more;
            room -= more;
        }
        let [in_turns, in_system, in_tools] = kept;
        RemovedMarks {
            tools: keep_last(tools, in_tools),
            messages: keep_last(turns, in_turns) + keep_last(system, in_system),
        }
    }
}

/// Removes all marks but the last ones. Returns the number of removed marks.
fn keep_last(marks: Vec<&mut Option<&RawValue>>, count: usize) -> usize {
    let removed = marks.len().saturating_sub(count);
    marks.into_iter().take(removed).for_each(|mark| *mark = None);
    removed
}

/// Returns whether Claude knows a mark.
pub(super) fn is_known_cache_control(raw: &RawValue) -> bool {
    CacheControl::read(raw).is_some()
}

/// Returns whether there is a mark that Claude knows.
pub(super) fn is_known_mark(mark: Option<&RawValue>) -> bool {
    mark.is_some_and(is_known_cache_control)
}

/// Writes a mark, if Claude knows it.
pub(super) fn write_cache_control(object: &mut Object<'_>, cache_control: Option<&RawValue>) {
    let Some(mark) = cache_control.and_then(CacheControl::read) else { return };
    object.object("cache_control", |fields| {
        fields.value("type", "ephemeral");
        if let Some(ttl) = mark.ttl() {
            fields.value("ttl", ttl);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_marks_of_each_place_stay() {
        let cases = [
            ([1, 1, 2], 4, ["x", "x", "xx"]),
            ([3, 1, 1], 4, ["-xx", "x", "x"]),
            ([0, 0, 6], 4, ["", "", "--xxxx"]),
            ([2, 2, 3], 4, ["-x", "-x", "-xx"]),
            ([2, 2, 3], 3, ["-x", "-x", "--x"]),
            ([0, 5, 1], 4, ["", "--xxx", "x"]),
        ];
        for (counts, limit, expected) in cases {
            let raw: &RawValue = serde_json::from_str("1").unwrap();
            let mut places = counts.map(|count| vec![Some(raw); count]);
            let [tools, system, turns] = places.each_mut().map(|marks| marks.iter_mut().collect());
            let removed = CacheMarks { tools, system, turns }.limit(limit);
            let left = places.each_ref().map(|marks| {
                let shown = marks.iter().map(|mark| if mark.is_some() { 'x' } else { '-' });
                shown.collect::<String>()
            });
            assert_eq!(left, expected, "{counts:?}");
            let count = |marks: &str| marks.matches('-').count();
            let [tools, system, turns] = expected.map(count);
            assert_eq!(removed, RemovedMarks { tools, messages: system + turns }, "{counts:?}");
        }
    }

    #[test]
    fn only_marks_the_provider_knows_go_to_its_cache() {
        let cases = [
            (r#"{"type":"ephemeral"}"#, r#"{"cache_control":{"type":"ephemeral"}}"#),
            (
                r#"{"type":"ephemeral","ttl":"1h","x":1}"#,
                r#"{"cache_control":{"type":"ephemeral","ttl":"1h"}}"#,
            ),
            (r#"{"type":"ephemeral","ttl":"9h"}"#, r#"{"cache_control":{"type":"ephemeral"}}"#),
            (r#"{"type":"persistent"}"#, "{}"),
            ("true", "{}"),
        ];
        for (mark, expected) in cases {
            let raw: &RawValue = serde_json::from_str(mark).unwrap();
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            write_cache_control(&mut object, Some(raw));
            object.close();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{mark}");
        }
    }
}
