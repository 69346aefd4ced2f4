//! References from a schema to its own definitions.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The definition that a `$ref` names.
pub(super) fn definition(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/$defs/").or_else(|| reference.strip_prefix("#/definitions/"))
}

/// Whether a definition comes to itself again. Each is looked at once.
pub(super) fn is_recursive(root: &Map<String, Value>) -> bool {
    let Some(definitions) = root.get("$defs").and_then(Value::as_object) else { return false };
    let (mut open, mut done) = (BTreeSet::new(), BTreeSet::new());
    definitions.keys().any(|name| returns(name, definitions, &mut open, &mut done))
}

fn returns<'s>(
    name: &'s str,
    definitions: &'s Map<String, Value>,
    open: &mut BTreeSet<&'s str>,
    done: &mut BTreeSet<&'s str>,
) -> bool {
    if done.contains(name) {
        return false;
    }
    // A chain of definitions longer than any person writes is as good as endless.
    if open.len() > 64 || !open.insert(name) {
        return true;
    }
    let mut found = Vec::new();
    definitions.get(name).into_iter().for_each(|schema| references(schema, &mut found));
    let returns = found.into_iter().any(|next| returns(next, definitions, open, done));
    open.remove(name);
    done.insert(name);
    returns
}

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
