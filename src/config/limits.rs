//! How much accounts may ask for: what plans say, what accounts say over it, and what either says
//! of single models.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use super::read::{ObjectReader, ValueReader, one_of};

/// How much there may be of something in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// None at all.
    Nothing,
    /// As much as this.
    UpTo(NonZeroU32),
    /// Nobody counts.
    Unlimited,
}

/// What may be asked of one model in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests. Nothing is no access.
    pub requests: Rate,
    /// Tokens, of prompts and answers together.
    pub tokens: Rate,
}

/// What may be asked of each model in a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Of a model that is not named.
    every: Limits,
    /// Of those that are.
    models: BTreeMap<String, Limits>,
}

impl Allowance {
    /// What may be asked of a model, under the operator's name for it.
    pub fn for_model(&self, model: &str) -> Limits {
        self.models.get(model).copied().unwrap_or(self.every)
    }

    /// Whether there is a model of which anything may be asked.
    pub fn has_access(&self) -> bool {
        let mut limits = self.models.values().chain([&self.every]);
        limits.any(|limits| limits.requests != Rate::Nothing)
    }
}

/// What an entry says of limits. What it does not say is left to whoever stands above it.
#[derive(Clone, Copy, Debug, Default)]
struct LimitOverride {
    requests: Option<Rate>,
    tokens: Option<Rate>,
}

impl LimitOverride {
    fn over(self, other: Self) -> Self {
        Self { requests: self.requests.or(other.requests), tokens: self.tokens.or(other.tokens) }
    }
}

/// The limits that a plan or an account states, as they are written.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    every: LimitOverride,
    models: BTreeMap<String, LimitOverride>,
}

impl LimitSettings {
    /// Reads the limits among the fields of a plan or an account.
    pub(super) fn read(entry: &mut ObjectReader<'_>, names: &BTreeSet<&str>) -> Self {
        let every = read_said(entry);
        let models = entry.optional("models").map(|node| read_models(&node, names));
        Self { every, models: models.unwrap_or_default() }
    }

    /// Whether it says how many requests there may be of a model that it does not name.
    pub(super) fn has_requests(&self) -> bool {
        self.every.requests.is_some()
    }

    /// What comes of it over what a plan states. Who names a model means that model: what a plan
    /// says of one holds, whatever an account says of all of them.
    pub(super) fn over(&self, plan: &Self) -> Allowance {
        let every = self.every.over(plan.every);
        let said = |of: &Self, name: &str| of.models.get(name).copied().unwrap_or_default();
        let names = self.models.keys().chain(plan.models.keys());
        let limits = |name: &str| resolve(said(self, name).over(said(plan, name)).over(every));
        let models = names.map(|name| (name.clone(), limits(name))).collect();
        Allowance { every: resolve(every), models }
    }
}

/// A plan without a number has had its mistake, so it does not matter what stands in for it.
fn resolve(said: LimitOverride) -> Limits {
    let requests = said.requests.unwrap_or(Rate::Nothing);
    Limits { requests, tokens: said.tokens.unwrap_or(Rate::Unlimited) }
}

fn read_said(entry: &mut ObjectReader<'_>) -> LimitOverride {
    LimitOverride {
        requests: entry.optional("requests_per_minute").map(|node| read_rate(&node, 0)),
        tokens: entry.optional("tokens_per_minute").map(|node| read_rate(&node, 1)),
    }
}

fn read_rate(node: &ValueReader<'_>, least: u32) -> Rate {
    if node.value() == "unlimited" {
        return Rate::Unlimited;
    }
    let number = node.value().as_u64().and_then(|number| u32::try_from(number).ok());
    match number.filter(|number| *number >= least).map(NonZeroU32::new) {
        Some(Some(limit)) => Rate::UpTo(limit),
        Some(None) => Rate::Nothing,
        None => {
            node.wrong(format!("a whole number from {least} to {}, or `unlimited`", u32::MAX));
            Rate::Nothing
        }
    }
}

fn read_models(node: &ValueReader<'_>, names: &BTreeSet<&str>) -> BTreeMap<String, LimitOverride> {
    let mut models = BTreeMap::new();
    for (name, entry) in node.entries() {
        if !names.contains(name) {
            entry.wrong_name(name, one_of(names.iter().copied()));
        }
        let mut fields = entry.object();
        models.insert(name.to_owned(), read_said(&mut fields));
        fields.finish();
    }
    models
}
