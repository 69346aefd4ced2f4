//! Accounts: the clients that may call, with their keys and limits.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    budget::BUDGET,
    limits::{Allowance, LimitSettings, MODEL_LIMITS, REQUESTS, TOKENS},
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{ByModel, List, Name, Object, Path},
        object_table, optional, required_name,
    },
};

object_table! {
    /// Client that may call.
    pub(super) static ACCOUNT = "account" {
        /// Plan whose limits apply.
        "plan": Name("plans"), required_name();
        /// Files that hold one key each, such as the old key and the new one; at least one.
        "key_files": List(&Path), optional("required without `jwt`");
        /// Requests per model in 60 seconds; 0 is no access.
        "requests_per_minute": REQUESTS, optional("the plan's");
        /// Tokens per model in 60 seconds, of prompts and responses together.
        "tokens_per_minute": TOKENS, optional("the plan's");
        /// Budget for all models together.
        "budget": Object(&BUDGET), optional("the plan's");
        /// Overrides for single models.
        "models": ByModel(&MODEL_LIMITS), optional("the plan's");
    }
}

/// Client that may call: the subject of the rate limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Limits, of its plan and its own entry combined.
    pub allowance: Allowance,
    /// Files that hold one key each.
    pub key_files: Vec<String>,
}

/// Parts of the configuration that an account's entry refers to.
#[derive(Clone, Copy)]
pub(super) struct AccountContext<'c> {
    /// Plans by name.
    pub(super) plans: &'c BTreeMap<String, LimitSettings>,
    /// Names of all models.
    pub(super) names: &'c BTreeSet<&'c str>,
    /// Whether a key is the account's only way to authenticate.
    pub(super) needs_key: bool,
}

/// Reads one entry of `plans`. `names` are the models' names.
pub(super) fn read_plan(entry: ObjectReader<'_>, names: &BTreeSet<&str>) -> LimitSettings {
    let settings = LimitSettings::read(&entry, names);
    entry.finish();
    settings
}

/// Reads one entry of `accounts`. `keys` are the key files named so far.
pub(super) fn read_account(
    entry: ObjectReader<'_>,
    context: AccountContext<'_>,
    keys: &mut BTreeSet<String>,
) -> Account {
    let plan = entry.get_name("plan", context.plans);
    let plan = plan.map(|name| name.name_in(context.plans)).unwrap_or_default();
    let files = match context.needs_key {
        true => entry.get_required("key_files", "a list of files that hold one key each"),
        false => entry.get("key_files"),
    };
    let key_files = files.map(|list| read_key_files(&list, keys)).unwrap_or_default();
    let settings = LimitSettings::read(&entry, context.names);
    entry.finish();
    let plan = context.plans.get(&plan);
    Account { allowance: settings.over(plan.unwrap_or(&LimitSettings::default())), key_files }
}

/// Reads `key_files`. A key belongs to one account, so no file is in `keys` already.
fn read_key_files(list: &ValueReader<'_>, keys: &mut BTreeSet<String>) -> Vec<String> {
    let items = list.list();
    if items.is_empty() && list.value().is_array() {
        list.wrong("at least one file");
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
