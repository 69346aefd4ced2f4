//! Who may call.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    limits::{Allowance, LimitSettings},
    read::{ValueReader, one_of},
};

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What its plan and its own entry allow it.
    pub allowance: Allowance,
    /// Files that hold one key each.
    pub key_files: Vec<String>,
}

/// What an account's entry may refer to.
#[derive(Clone, Copy)]
pub(super) struct AccountContext<'c> {
    pub(super) plans: &'c BTreeMap<String, LimitSettings>,
    /// Every model's name.
    pub(super) names: &'c BTreeSet<&'c str>,
    /// Whether there is no other way for an account to show itself.
    pub(super) needs_key: bool,
}

pub(super) fn read_plan(node: &ValueReader<'_>, names: &BTreeSet<&str>) -> LimitSettings {
    let mut entry = node.object();
    let stated = LimitSettings::read(&mut entry, names);
    if node.value().is_object() && !stated.has_requests() {
        entry.wrong("requests_per_minute", "a whole number, 0 for no access, or `unlimited`");
    }
    entry.finish();
    stated
}

pub(super) fn read_account(
    node: &ValueReader<'_>,
    around: AccountContext<'_>,
    keys: &mut BTreeSet<String>,
) -> Account {
    let mut entry = node.object();
    let allowed = one_of(around.plans.keys().map(String::as_str));
    let plan = entry.required("plan", &allowed);
    let plan = plan.map(|node| node.name_in(around.plans)).unwrap_or_default();
    let files = match around.needs_key {
        true => entry.required("key_files", "a list of files that hold one key each"),
        false => entry.optional("key_files"),
    };
    let key_files = files.map(|node| read_key_files(&node, keys)).unwrap_or_default();
    let stated = LimitSettings::read(&mut entry, around.names);
    entry.finish();
    let plan = around.plans.get(&plan);
    Account { allowance: stated.over(plan.unwrap_or(&LimitSettings::default())), key_files }
}

/// `keys` are the files named so far: a key is one account's.
fn read_key_files(node: &ValueReader<'_>, keys: &mut BTreeSet<String>) -> Vec<String> {
    let items = node.list();
    if items.is_empty() && node.value().is_array() {
        node.wrong("at least one file");
    }
    let read = |item: &ValueReader<'_>| {
        let file = item.string();
        if !file.is_empty() && !keys.insert(file.clone()) {
            item.wrong("a file that no account has named yet");
        }
        file
    };
    items.iter().map(read).collect()
}
