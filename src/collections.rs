//! Ordered maps and sets, built by insertion. `collect` sorts the items first, and Rust compiles that
//! sort for each type of item: 6 KB of the module each.

use std::collections::{BTreeMap, BTreeSet};

/// Returns a map of pairs. The last pair with a key stays.
pub fn map_of<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// Returns a set of items.
pub fn set_of<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}
