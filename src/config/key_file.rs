//! Files that hold keys.

use std::collections::BTreeSet;

use super::read::ValueReader;

/// Reads the path of a key file that is not in `keys`, the files that hold accounts' keys.
pub(super) fn read_key_file(value: &ValueReader<'_>, keys: &BTreeSet<String>) -> String {
    let file = value.string();
    if keys.contains(&file) {
        value.wrong("a file that holds no account's key");
    }
    file
}
