//! Rate limits of accounts: limits of a plan, overrides of an account, and overrides of either for
//! single models.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use super::{
    budget::{BUDGET, Budget},
    mistakes::one_of,
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{self, ByModel, Object},
        defaults_to, object_table, optional, required,
    },
};
use crate::collections::map_of;

/// Type of a limit on requests. 0 is no access.
pub(super) const REQUESTS: ValueType = ValueType::Rate { least: 0 };

/// Type of a limit on tokens.
pub(super) const TOKENS: ValueType = ValueType::Rate { least: 1 };

object_table! {
    /// Limits that accounts share.
    pub(super) static PLAN = "plan" {
        /// Requests per model in 60 seconds; 0 is no access.
        "requests_per_minute": REQUESTS, required("a whole number, 0 for no access, or `unlimited`");
        /// Tokens per model in 60 seconds, of prompts and responses together.
        "tokens_per_minute": TOKENS, defaults_to("unlimited");
        /// Budget of each account, for all models together.
        "budget": Object(&BUDGET), optional("none");
        /// Overrides for single models.
        "models": ByModel(&MODEL_LIMITS), optional("no overrides");
    }
}

object_table! {
    /// Limits for one model that override the limits for all models.
    pub(super) static MODEL_LIMITS = "model_limits" {
        /// Requests to this model in 60 seconds; 0 is no access.
        "requests_per_minute": REQUESTS, optional("the limit for all models");
        /// Tokens of this model in 60 seconds, of prompts and responses together.
        "tokens_per_minute": TOKENS, optional("the limit for all models");
    }
}

/// Limit per minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// A limit of zero.
    Nothing,
    /// A limit above zero.
    UpTo(NonZeroU32),
    /// No limit; nothing is counted.
    Unlimited,
}

/// Limits of an account for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Limit on requests. [`Rate::Nothing`] is no access.
    pub requests: Rate,
    /// Limit on tokens, of prompts and responses together.
    pub tokens: Rate,
}

/// Limits of an account for every model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Limits for models that have none of their own.
    all_models: Limits,
    /// Limits for single models.
    models: BTreeMap<String, Limits>,
    /// Budget for all models together. `None`: no limit.
    pub budget: Option<Budget>,
}

impl Allowance {
    /// Returns the limits for a model, named as in the configuration.
    pub fn for_model(&self, model: &str) -> Limits {
        self.models.get(model).copied().unwrap_or(self.all_models)
    }

    /// Whether the account may use any model.
    pub fn has_access(&self) -> bool {
        let mut limits = self.models.values().chain([&self.all_models]);
        limits.any(|limits| limits.requests != Rate::Nothing)
    }
}

/// Limits in one entry of the file. An absent limit is inherited.
#[derive(Clone, Copy, Debug, Default)]
struct LimitOverride {
    requests: Option<Rate>,
    tokens: Option<Rate>,
}

impl LimitOverride {
    /// Returns these limits, and in place of absent ones those of `base`.
    fn or(self, base: Self) -> Self {
        Self { requests: self.requests.or(base.requests), tokens: self.tokens.or(base.tokens) }
    }

    /// Returns the effective limits. A plan without a limit on requests is a mistake reported
    /// earlier, so its placeholder has no effect.
    fn resolve(self) -> Limits {
        let requests = self.requests.unwrap_or(Rate::Nothing);
        Limits { requests, tokens: self.tokens.unwrap_or(Rate::Unlimited) }
    }

    fn read(entry: &ObjectReader<'_>) -> Self {
        Self {
            requests: entry.get("requests_per_minute").map(|value| read_rate(&value)),
            tokens: entry.get("tokens_per_minute").map(|value| read_rate(&value)),
        }
    }
}

/// Limits in the entry of a plan or an account, before they are combined.
#[derive(Clone, Debug, Default)]
pub struct LimitSettings {
    all_models: LimitOverride,
    models: BTreeMap<String, LimitOverride>,
    budget: Option<Budget>,
}

impl LimitSettings {
    /// Reads the limits among the fields of a plan or an account. `names` are the models' names.
    pub(super) fn read(entry: &ObjectReader<'_>, names: &BTreeSet<&str>) -> Self {
        let all_models = LimitOverride::read(entry);
        let models = entry.get("models").map(|value| read_models(&value, names));
        let budget = entry.get("budget").map(|value| Budget::read(value.object()));
        Self { all_models, models: models.unwrap_or_default(), budget }
    }

    /// Returns the limits of an account whose own settings are these. Its own budget replaces the plan's.
    /// The most specific limit wins: a
    /// limit for a single model over one for all models, and among equals the account's over the
    /// plan's.
    pub(super) fn over(&self, plan: &Self) -> Allowance {
        let all_models = self.all_models.or(plan.all_models);
        let own =
            |settings: &Self, name: &str| settings.models.get(name).copied().unwrap_or_default();
        let limits = |name: &str| own(self, name).or(own(plan, name)).or(all_models).resolve();
        let names = self.models.keys().chain(plan.models.keys());
        let models = map_of(names.map(|name| (name.clone(), limits(name))));
        let budget = self.budget.or(plan.budget);
        Allowance { all_models: all_models.resolve(), models, budget }
    }
}

fn read_rate(value: &ValueReader<'_>) -> Rate {
    match value.rate().map(NonZeroU32::new) {
        None => Rate::Unlimited,
        Some(None) => Rate::Nothing,
        Some(Some(limit)) => Rate::UpTo(limit),
    }
}

fn read_models(value: &ValueReader<'_>, names: &BTreeSet<&str>) -> BTreeMap<String, LimitOverride> {
    let mut models = BTreeMap::new();
    for (name, entry) in value.entries() {
        if !names.contains(name) {
            entry.wrong_name(name, one_of(names.iter().copied()));
        }
        let fields = entry.object();
        models.insert(name.to_owned(), LimitOverride::read(&fields));
        fields.finish();
    }
    models
}
