//! The operator's file, `gateway.yaml`, as the gateway may rely on it. The command `attache` and
//! the module inside Envoy read the same document through the same code.

pub mod account;
pub mod base_url;
pub mod deadlines;
pub mod health;
pub mod jwt;
pub mod limits;
pub mod listener;
pub mod model;
pub mod price;
pub mod provider;
pub mod rate_limit;
pub mod read;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod transcripts;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use serde_json::Value;

pub use self::{
    account::Account,
    base_url::BaseUrl,
    deadlines::Deadlines,
    listener::{Address, Listener, Tls},
    model::{Endpoint, Model, Sampling, Thinking},
    price::Price,
    provider::{ApiSchema, KeyHeader, Provider, Quirk},
    read::{Invalid, Problem},
    telemetry::{Telemetry, Tracing},
    transcripts::{TranscriptKey, Transcripts},
};
use self::{
    account::{AccountContext, read_account, read_plan},
    deadlines::read_deadlines,
    jwt::Jwt,
    limits::{Limits, Rate},
    listener::{default_admin, read_admin, read_listeners},
    rate_limit::RateLimitService,
    read::{Mistakes, ObjectReader, ValueReader},
};
use crate::region::{PerRegion, Region};

/// The longest request body there is without a word from the operator.
const REQUEST_BODY: NonZeroU32 = NonZeroU32::new(10 << 20).unwrap();

/// How often a silent stream is kept warm without a word from the operator: as AssemblyAI's own demo
/// of a voice agent's model does it.
const KEEP_WARM: Duration = Duration::from_secs(2);

/// Everything the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Tells one file from another: the two roles get a new one one after the other. Empty where the
    /// file was not rendered.
    pub version: String,
    /// Where Envoy listens, one gateway per region.
    pub listeners: PerRegion<Listener>,
    /// Envoy's administration interface.
    pub admin: Address,
    /// The longest request body, in bytes.
    pub request_body: NonZeroU32,
    /// Whether a parameter that would be dropped is refused instead.
    pub strict_parameters: bool,
    /// Whether Envoy serves the page on which people try models out.
    pub playground: bool,
    /// Deadlines of a model that names none of its own.
    pub deadlines: Deadlines,
    /// After how long a silence a stream should be kept warm.
    pub keep_warm: Duration,
    /// Where requests are counted, if not in each Envoy by itself.
    pub rate_limit: Option<RateLimitService>,
    /// Who may call, by name.
    pub accounts: BTreeMap<String, Account>,
    /// Who runs the models, by name.
    pub providers: BTreeMap<String, Provider>,
    /// What clients may ask for, by name.
    pub models: BTreeMap<String, Model>,
    /// Where transcripts come from. `None`: from nowhere.
    pub transcripts: Option<Transcripts>,
    /// Whose tokens are as good as an account's key. `None`: nobody's.
    pub jwt: Option<Jwt>,
    /// What is told of exchanges besides their answers.
    pub telemetry: Telemetry,
}

/// A model in a region: what an attempt is made at.
#[derive(Clone, Copy, Debug)]
pub struct Target<'c> {
    /// The model's name, as the operator spells it.
    pub name: &'c str,
    /// What it can do.
    pub model: &'c Model,
    /// Where its data may be.
    pub region: Region,
    /// Where it runs there.
    pub endpoint: &'c Endpoint,
    /// Who runs it.
    pub provider: &'c Provider,
    /// Where that is asked.
    pub base: &'c BaseUrl,
}

impl Target<'_> {
    /// The name of Envoy's cluster for it.
    pub fn cluster(&self) -> String {
        cluster(&self.endpoint.provider, self.region)
    }
}

/// The name of Envoy's cluster for a provider in a region.
pub fn cluster(provider: &str, region: Region) -> String {
    [provider, "-", region.name()].concat()
}

impl Config {
    /// Reads a document. All its mistakes come at once.
    pub fn parse(document: &Value) -> Result<Self, Vec<Invalid>> {
        let mistakes = Mistakes::default();
        let config = Self::read(&ValueReader::root(document, &mistakes));
        let found = mistakes.into_inner();
        if found.is_empty() { Ok(config) } else { Err(found) }
    }

    /// The deadlines that models have, each once.
    pub fn deadline_profiles(&self) -> Vec<Deadlines> {
        let classes: BTreeSet<Deadlines> =
            self.models.values().map(|model| model.deadlines).collect();
        classes.into_iter().collect()
    }

    /// The model a client names, by its exact name or by one that differs in case only.
    pub fn model(&self, name: &str) -> Option<(&str, &Model)> {
        let entry = self.models.get_key_value(name);
        let entry = entry
            .or_else(|| self.models.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        entry.map(|(name, model)| (name.as_str(), model))
    }

    /// Where a model runs in a region, with everything that is known about it.
    pub fn target(&self, model: &str, region: Region) -> Option<Target<'_>> {
        let (name, model) = self.model(model)?;
        let endpoint = model.endpoints.get(region)?;
        let provider = self.providers.get(&endpoint.provider)?;
        let base = provider.base_urls.get(region)?;
        Some(Target { name, model, region, endpoint, provider, base })
    }

    /// Whether an account may call at all.
    pub fn has_access(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|account| account.allowance.has_access())
    }

    /// What an account may ask of a model, under the operator's name for it.
    pub fn limits(&self, account: &str, model: &str) -> Limits {
        let nobody = Limits { requests: Rate::Nothing, tokens: Rate::Nothing };
        self.accounts.get(account).map_or(nobody, |account| account.allowance.for_model(model))
    }

    fn read(node: &ValueReader<'_>) -> Self {
        let mut top = node.object();
        let deadlines =
            top.optional("deadlines").map(|node| read_deadlines(&node, Deadlines::default()));
        let deadlines = deadlines.unwrap_or_default();
        let names = node.value().get("models").and_then(Value::as_object);
        let names = names.into_iter().flat_map(|models| models.keys());
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let plans = entries(&mut top, "plans", |node| read_plan(node, &names));
        let mut keys = BTreeSet::new();
        let jwt = top.optional("jwt").map(|node| Jwt::read(&node));
        let accounts = entries(&mut top, "accounts", |node| {
            let around = AccountContext { plans: &plans, names: &names, needs_key: jwt.is_none() };
            read_account(node, around, &mut keys)
        });
        let providers = entries(&mut top, "providers", |node| Provider::read(node, &keys));
        let names: Vec<&str> = names.into_iter().collect();
        let admin = top.optional("admin").map_or_else(default_admin, |node| read_admin(&node));
        let config = Self {
            version: String::new(),
            listeners: read_listeners(&mut top, &admin),
            admin,
            request_body: top
                .optional("request_body_bytes")
                .map_or(REQUEST_BODY, |node| node.positive()),
            strict_parameters: top.optional("strict_parameters").is_some_and(|node| node.bool()),
            playground: top.optional("playground").is_some_and(|node| node.bool()),
            deadlines,
            keep_warm: top.optional("keep_warm").map_or(KEEP_WARM, |node| node.duration()),
            rate_limit: top.optional("rate_limit").map(|node| RateLimitService::read(&node)),
            models: entries(&mut top, "models", |node| {
                Model::read(
                    node,
                    &model::ModelContext { names: &names, providers: &providers, deadlines },
                )
            }),
            transcripts: top.optional("transcripts").map(|node| Transcripts::read(&node, &keys)),
            jwt,
            telemetry: Telemetry::read(&mut top),
            accounts,
            providers,
        };
        top.finish();
        config
    }
}

/// The entries under a key that must be there.
fn entries<T>(
    top: &mut ObjectReader<'_>,
    key: &'static str,
    mut read: impl FnMut(&ValueReader<'_>) -> T,
) -> BTreeMap<String, T> {
    let Some(node) = top.required(key, "an object, name to entry") else { return BTreeMap::new() };
    let found = node.entries();
    if found.is_empty() && node.value().is_object() {
        node.wrong("at least one entry");
    }
    let mut entries: BTreeMap<String, T> = BTreeMap::new();
    for (name, entry) in found {
        if !is_name(name) {
            entry.wrong_name(name, NAMES);
        }
        // A client may write a model's name in any case.
        if let Some(twin) = entries.keys().find(|other| other.eq_ignore_ascii_case(name)) {
            entry.wrong_name(name, format!("a name that differs from `{twin}` in more than case"));
        }
        entries.insert(name.to_owned(), read(&entry));
    }
    entries
}

/// What an operator may call an entry.
const NAMES: &str = "up to 64 letters, digits and `-_.`, the first a letter or digit";

/// A name becomes part of file names, cluster names, headers and metrics.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
}
