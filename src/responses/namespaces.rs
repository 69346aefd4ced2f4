//! Names of tools that have a namespace. The chat API has none: a tool's name begins with it there.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    chat::{object::ObjectFields, text::Text},
    json,
};

/// Separator between the namespace and the name.
const SEPARATOR: &str = "__";

/// Returns the name that a tool of a namespace has in the chat API.
pub(super) fn joined(namespace: &Text<'_>, name: &Text<'_>) -> Text<'static> {
    namespace.join(SEPARATOR, name)
}

/// Names of the namespaced tools of a request.
#[derive(Debug, Default)]
pub(super) struct NamespacedTools(BTreeSet<(String, String)>);

impl NamespacedTools {
    /// Reads the tools that a response repeats.
    pub(super) fn read(echo: &[u8]) -> Self {
        // A shortcut: most requests have no namespaces.
        let fields: Option<ObjectFields<'_>> = match memchr::memmem::find(echo, b"\"namespace\"") {
            Some(_) => json::read(echo).ok(),
            None => None,
        };
        let tools = fields.as_ref().and_then(|fields| fields.get("tools")).map(objects);
        let mut names = BTreeSet::new();
        for tool in tools.into_iter().flatten() {
            let (Some(namespace), Some(own)) = (tool.text("name"), tool.get("tools")) else {
                continue;
            };
            let own = objects(own).into_iter().filter_map(|tool| tool.text("name"));
            let namespace = namespace.decode();
            names.extend(own.map(|name| (namespace.to_string(), name.decode().into_owned())));
        }
        Self(names)
    }

    /// Returns the namespace and the name of a tool, by its name in the chat API.
    pub(super) fn split(&self, name: &Text<'_>) -> Option<(&str, &str)> {
        if self.0.is_empty() {
            return None;
        }
        let name = name.decode();
        let is_whole = |(namespace, own): &&(String, String)| {
            let rest = name.strip_prefix(namespace.as_str());
            rest.and_then(|rest| rest.strip_prefix(SEPARATOR)) == Some(own)
        };
        self.0.iter().find(is_whole).map(|(namespace, own)| (namespace.as_str(), own.as_str()))
    }
}

fn objects(raw: &RawValue) -> Vec<ObjectFields<'_>> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespaced_name_comes_apart_as_it_was_joined() {
        let echo = br#"{"tools":[{"type":"namespace","name":"a__b","tools":[{"name":"c"},{"name":"d__e"}]},
            {"type":"function","name":"f"}]}"#;
        let tools = NamespacedTools::read(echo);
        for (namespace, name) in [("a__b", "c"), ("a__b", "d__e")] {
            let whole = joined(&Text::new(namespace), &Text::new(name));
            assert_eq!(tools.split(&whole), Some((namespace, name)));
        }
        for name in ["f", "a__b", "a__b__f", "c"] {
            assert_eq!(tools.split(&Text::new(name)), None, "{name}");
        }
    }
}
