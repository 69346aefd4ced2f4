//! References from a schema to its own definitions.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The longest chain of definitions that is followed.
const MAX_CHAIN: usize = 64;

/// Returns the name of the definition that a `$ref` points at.
pub(super) fn definition(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/$defs/").or_else(|| reference.strip_prefix("#/definitions/"))
}

/// Returns whether a definition refers to itself, directly or through others.
pub(super) fn is_recursive(root: &Map<String, Value>) -> bool {
    let Some(definitions) = root.get("$defs").and_then(Value::as_object) else { return false };
    let (mut ancestors, mut done) = (BTreeSet::new(), BTreeSet::new());
    definitions.keys().any(|name| reaches_itself(name, definitions, &mut ancestors, &mut done))
}

/// Follows the references of a definition, each of which is visited once.
fn reaches_itself<'s>(
    name: &'s str,
    definitions: &'s Map<String, Value>,
    ancestors: &mut BTreeSet<&'s str>,
    done: &mut BTreeSet<&'s str>,
) -> bool {
    if done.contains(name) {
        return false;
    }
    // A chain longer than any real schema's is treated as endless, so that the recursion is
    // bounded.
    if ancestors.len() > MAX_CHAIN || !ancestors.insert(name) {
        return true;
    }
    let mut found = Vec::new();
    definitions.get(name).into_iter().for_each(|schema| references(schema, &mut found));
    let is_recursive =
        found.into_iter().any(|next| reaches_itself(next, definitions, ancestors, done));
    ancestors.remove(name);
    done.insert(name);
    is_recursive
}

/// Collects the names of the definitions that a schema refers to.
fn references<'s>(schema: &'s Value, found: &mut Vec<&'s str>) {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(definition);
            found.extend(own);
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
