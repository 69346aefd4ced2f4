//! `allOf`, which Gemini does not read, as one schema.

use serde_json::{Map, Value};

use super::{MAX_NODES, Translation};

/// How deep schemas that are put together may nest: some contain themselves.
const MAX_MERGED: usize = 4;

/// One of the schemas that a schema is put together from.
pub(super) struct Part<'r> {
    map: &'r Map<String, Value>,
    /// Keywords whose meaning is among the other parts.
    done: &'static [&'static str],
}

impl<'r> Part<'r> {
    /// What it says itself.
    pub(super) fn keywords(&self) -> impl Iterator<Item = (&'r str, &'r Value)> {
        let keywords = self.map.iter().filter(|(key, _)| !self.done.contains(&key.as_str()));
        keywords.map(|(key, value)| (key.as_str(), value))
    }
}

impl<'r> Translation<'r> {
    /// A schema and the parts of its `allOf`.
    pub(super) fn parts(&mut self, map: &'r Map<String, Value>) -> Vec<Part<'r>> {
        let mut parts = Vec::with_capacity(1);
        self.collect(map, false, MAX_MERGED, &mut parts);
        parts
    }

    /// One part alone may stay a reference; of several, only one could, so `resolve` takes in what
    /// they point at. What is too deep stays as it is.
    fn collect(
        &mut self,
        map: &'r Map<String, Value>,
        resolve: bool,
        depth: usize,
        parts: &mut Vec<Part<'r>>,
    ) {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return;
        }
        let all = map
            .get("allOf")
            .and_then(Value::as_array)
            .filter(|all| depth > 0 && (all.len() == 1 || self.merged < MAX_MERGED));
        let reference = map.get("$ref").and_then(Value::as_str).filter(|_| resolve && depth > 0);
        let target = reference.and_then(|pointer| self.target(pointer)?.as_object());
        let done: &[&str] = match (all, target) {
            (Some(_), Some(_)) => &["allOf", "$ref"],
            (Some(_), None) => &["allOf"],
            (None, Some(_)) => &["$ref"],
            (None, None) => &[],
        };
        parts.push(Part { map, done });
        if let Some(target) = target {
            self.collect(target, true, depth - 1, parts);
        }
        let resolve = resolve || all.is_some_and(|all| all.len() > 1);
        for part in all.into_iter().flatten().filter_map(Value::as_object) {
            self.collect(part, resolve, depth - 1, parts);
        }
    }
}
