//! Arrays of a request whose items belong to one API schema.

use serde_json::value::RawValue;

/// Returns the items of an array, unread. Any other value has none.
pub(super) fn raw_items(raw: Option<&RawValue>) -> impl Iterator<Item = &RawValue> {
    let items: Option<Vec<&RawValue>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    items.into_iter().flatten()
}
