//! Merging of `allOf`, which Gemini does not support, into one schema.

use serde_json::{Map, Value};

use super::{MAX_NODES, SchemaTranslation};

/// Maximum depth of merged schemas, because some contain themselves.
const MAX_MERGE_DEPTH: usize = 4;

/// One of the schemas that a merged schema consists of.
pub(super) struct AllOfPart<'r> {
    map: &'r Map<String, Value>,
    /// Keywords that the other parts cover.
    merged_keywords: &'static [&'static str],
}

impl<'r> AllOfPart<'r> {
    /// Returns the keywords of this part alone.
    pub(super) fn keywords(&self) -> impl Iterator<Item = (&'r str, &'r Value)> {
        let keywords =
            self.map.iter().filter(|(key, _)| !self.merged_keywords.contains(&key.as_str()));
        keywords.map(|(key, value)| (key.as_str(), value))
    }
}

impl<'r> SchemaTranslation<'r> {
    /// Returns a schema and the members of its `allOf`.
    pub(super) fn all_of_parts(&mut self, map: &'r Map<String, Value>) -> Vec<AllOfPart<'r>> {
        let mut parts = Vec::with_capacity(1);
        self.collect_parts(map, false, MAX_MERGE_DEPTH, &mut parts);
        parts
    }

    /// Collects the parts of `map`. With `resolve` a reference is replaced by its target, because
    /// only one of several parts could keep its `$ref`. Parts that are too deep stay as they are.
    fn collect_parts(
        &mut self,
        map: &'r Map<String, Value>,
        resolve: bool,
        depth: usize,
        parts: &mut Vec<AllOfPart<'r>>,
    ) {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return;
        }
        let all = map
            .get("allOf")
            .and_then(Value::as_array)
            .filter(|all| depth > 0 && (all.len() == 1 || self.merge_depth < MAX_MERGE_DEPTH));
        let reference = map.get("$ref").and_then(Value::as_str).filter(|_| resolve && depth > 0);
        let target = reference.and_then(|pointer| self.resolve(pointer)?.as_object());
        let merged_keywords: &[&str] = match (all, target) {
            (Some(_), Some(_)) => &["allOf", "$ref"],
            (Some(_), None) => &["allOf"],
            (None, Some(_)) => &["$ref"],
            (None, None) => &[],
        };
        parts.push(AllOfPart { map, merged_keywords });
        if let Some(target) = target {
            self.collect_parts(target, true, depth - 1, parts);
        }
        let resolve = resolve || all.is_some_and(|all| all.len() > 1);
        for part in all.into_iter().flatten().filter_map(Value::as_object) {
            self.collect_parts(part, resolve, depth - 1, parts);
        }
    }
}
