//! Configuration of the gateway: `gateway.yaml`, checked. The command `attache` and the module inside
//! Envoy read the same document with the same code.
//!
//! Each object of the file has a table of its fields ([`table`]), beside the type that is read from
//! it. [`GATEWAY`] is the table of the whole file.

pub mod account;
pub mod alias;
pub mod auth;
pub mod base_url;
pub mod budget;
pub mod deadlines;
pub mod endpoint;
pub mod guard;
pub mod health;
pub mod jwt;
mod key_file;
pub mod limits;
pub mod listener;
pub mod mistakes;
pub mod model;
pub mod overload;
pub mod price;
pub mod provider;
pub mod rate_limit;
pub mod read;
pub mod service;
pub mod table;
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

use self::{
    account::{ACCOUNT, AccountContext, read_account, read_plan},
    alias::Aliases,
    budget::Budget,
    deadlines::DEADLINES,
    guard::GUARD,
    jwt::{JWT, Jwt},
    limits::{Limits, PLAN, Rate},
    listener::{ADMIN, LISTENERS, read_admin, read_listeners},
    mistakes::Mistakes,
    model::{MODEL, ModelContext},
    overload::{OVERLOAD, Overload},
    provider::PROVIDER,
    rate_limit::{RATE_LIMIT, RateLimitService},
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{self, Entries, Flag, Names, Object},
        defaults_to, object_table, optional, required,
    },
    telemetry::{ACCESS_LOG, METRICS, TRACING},
    transcripts::TRANSCRIPTS,
};
use crate::collections::set_of;
use crate::failover::EndpointIndex;
use crate::region::{PerRegion, Region};

pub use self::{
    account::Account,
    base_url::BaseUrl,
    deadlines::Deadlines,
    endpoint::Endpoint,
    guard::{Guard, GuardFailurePolicy, GuardStage},
    listener::{Address, Listener, Tls},
    mistakes::{Invalid, Problem},
    model::{EffortWithTools, HashOn, Model, ModelKind, PromptCache, Sampling, Thinking},
    provider::{ApiSchema, KeyHeader, PoolKey, Provider, Quirk},
    telemetry::{Telemetry, Tracing},
    transcripts::{TranscriptKey, Transcripts},
};

object_table! {
    /// Configuration of the gateway, `gateway.yaml`.
    pub static GATEWAY = "gateway" {
        /// Deadlines of models that have none of their own.
        "deadlines": Object(&DEADLINES), optional("the defaults of its fields");
        /// Rate limits that accounts share, by the plan's name.
        "plans": Entries(&PLAN), required("an object, name to entry");
        /// Authentication by JSON Web Token, besides keys.
        "jwt": Object(&JWT), optional("keys only");
        /// Clients that may call, by the account's name.
        "accounts": Entries(&ACCOUNT), required("an object, name to entry");
        /// APIs that serve models, by the provider's name.
        "providers": Entries(&PROVIDER), required("an object, name to entry");
        /// Administration interface of Envoy.
        "admin": Object(&ADMIN), defaults_to("{address: 127.0.0.1, port: 9901}");
        /// Gateways, one per region: `us`, `eu` or both.
        "listeners": Object(&LISTENERS), required("`us`, `eu` or both");
        /// Maximum size of a request body in bytes. A longer one is refused with 413.
        "request_body_bytes": ValueType::POSITIVE, defaults_to("10485760");
        /// Limits on the load of one Envoy.
        "overload": Object(&OVERLOAD), optional("the defaults of its fields");
        /// Refuses with 400 a request with a parameter that would be dropped.
        "strict_parameters": Flag, defaults_to("false");
        /// Reports the cost of an answer in its `usage`: `cost`, in USD, by the `price` of the model.
        "report_cost": Flag, defaults_to("false");
        /// Serves a page to try models on at `/playground`.
        "playground": Flag, defaults_to("false");
        /// Time without content after which a stream forwards, as a comment, what its provider sends
        /// to keep the stream alive.
        "keep_warm": ValueType::Duration, defaults_to("2s");
        /// Rate limit service that several Envoys share.
        "rate_limit": Object(&RATE_LIMIT), optional("each Envoy counts separately");
        /// Models that clients may request, by the name in a request's `model`.
        "models": Entries(&MODEL), required("an object, name to entry");
        /// Further names of models, with up to 4 wildcards `*`.
        "aliases": Names("models"), optional("none");
        /// Service that the transcript of a request's `transcript_id` is fetched from.
        "transcripts": Object(&TRANSCRIPTS), optional("no transcripts");
        /// Service that decides on each request and each answer.
        "guard": Object(&GUARD), optional("no guard");
        /// Access log.
        "access_log": Object(&ACCESS_LOG), optional("the defaults of its fields");
        /// Metrics.
        "metrics": Object(&METRICS), optional("the defaults of its fields");
        /// Traces of requests.
        "tracing": Object(&TRACING), optional("no traces");
    }
}

/// Configuration of a gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Version of the rendered configuration. The two roles receive a new version one after the other.
    /// Empty if the file was not rendered.
    pub version: String,
    /// Gateways, one per region.
    pub listeners: PerRegion<Listener>,
    /// Administration interface of Envoy.
    pub admin: Address,
    /// Maximum size of a request body, in bytes.
    pub request_body: NonZeroU32,
    /// Limits on the load of one Envoy.
    pub overload: Overload,
    /// Whether a request with a parameter that would be dropped is refused.
    pub strict_parameters: bool,
    /// Whether the usage of an answer reports its cost.
    pub report_cost: bool,
    /// Whether Envoy serves the page to try models on.
    pub playground: bool,
    /// Deadlines of models that have none of their own.
    pub deadlines: Deadlines,
    /// Time without content after which a stream forwards its provider's pings. AssemblyAI's demo of a
    /// voice agent's model sends one every two seconds.
    pub keep_warm: Duration,
    /// Rate limit service that several Envoys share. `None`: each Envoy counts separately.
    pub rate_limit: Option<RateLimitService>,
    /// Accounts by name.
    pub accounts: BTreeMap<String, Account>,
    /// Providers by name.
    pub providers: BTreeMap<String, Provider>,
    /// Models by name.
    pub models: BTreeMap<String, Model>,
    /// Further names of models.
    pub aliases: Aliases,
    /// Service that transcripts are fetched from. `None`: requests that need one are refused.
    pub transcripts: Option<Transcripts>,
    /// Service that is asked about requests and answers. `None`: no guard.
    pub guard: Option<Guard>,
    /// Authentication by JSON Web Token. `None`: by key only.
    pub jwt: Option<Jwt>,
    /// Settings of access log, metrics and traces.
    pub telemetry: Telemetry,
}

/// Target of an attempt: a model in a region.
#[derive(Clone, Copy, Debug)]
pub struct Target<'c> {
    /// Name of the model, as in the configuration.
    pub name: &'c str,
    /// Model.
    pub model: &'c Model,
    /// Region.
    pub region: Region,
    /// Endpoint of the model in the region.
    pub endpoint: &'c Endpoint,
    /// Provider of the endpoint.
    pub provider: &'c Provider,
    /// Base URL of the provider in the region.
    pub base: &'c BaseUrl,
}

impl Target<'_> {
    /// Returns the name of Envoy's cluster for the target.
    pub fn cluster(&self) -> String {
        self.endpoint.cluster(self.region)
    }
}

/// Returns the name of Envoy's cluster for a provider in a region, with one of its keys.
pub fn cluster(provider: &str, region: Region, key: PoolKey) -> String {
    [provider, "-", region.name(), &key.suffix()].concat()
}

/// Returns the name of the cluster beside a provider's, in which the module does not run.
pub fn direct_cluster(cluster: &str) -> String {
    [cluster, "-direct"].concat()
}

impl Config {
    /// Reads a document. Returns all its mistakes.
    pub fn parse(document: &Value) -> Result<Self, Vec<Invalid>> {
        let mistakes = Mistakes::default();
        let config = Self::read(&ValueReader::root(document, &GATEWAY, &mistakes));
        let found = mistakes.into_inner();
        if found.is_empty() { Ok(config) } else { Err(found) }
    }

    /// Returns the distinct deadlines of all models.
    pub fn deadline_profiles(&self) -> Vec<Deadlines> {
        set_of(self.models.values().map(|model| model.deadlines)).into_iter().collect()
    }

    /// Returns the model with a name, or with one that differs in case only, or with an alias, and its
    /// configured name.
    #[inline(never)]
    pub fn model(&self, name: &str) -> Option<(&str, &Model)> {
        let entry = self.models.get_key_value(name);
        let entry = entry
            .or_else(|| self.models.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)))
            .or_else(|| self.models.get_key_value(&self.aliases.get(name)?.model));
        entry.map(|(name, model)| (name.as_str(), model))
    }

    /// Returns the name of a model in answers to a client that has asked for it by a name: that one,
    /// as the operator spells it.
    #[inline(never)]
    pub fn shown_name<'n>(&'n self, model: &'n str, asked: &'n str) -> &'n str {
        if asked.eq_ignore_ascii_case(model) {
            return model;
        }
        self.aliases.get(asked).map_or(asked, |alias| alias.shown_name(asked))
    }

    /// Returns the first target of attempts at a model, by any of its names, in a region.
    pub fn target(&self, model: &str, region: Region) -> Option<Target<'_>> {
        self.target_at(model, region, EndpointIndex::FIRST)
    }

    /// Returns the target of attempts at one of a model's endpoints in a region.
    pub fn target_at(
        &self,
        model: &str,
        region: Region,
        endpoint: EndpointIndex,
    ) -> Option<Target<'_>> {
        let (name, model) = self.model(model)?;
        let endpoint = model.endpoints_in(region).get(endpoint.position())?;
        let provider = self.providers.get(&endpoint.provider)?;
        let base = provider.base_urls.get(region)?;
        Some(Target { name, model, region, endpoint, provider, base })
    }

    /// Whether an account may use any model.
    pub fn has_access(&self, account: &str) -> bool {
        self.accounts.get(account).is_some_and(|account| account.allowance.has_access())
    }

    /// Returns the limits of an account for a model, named as in the configuration.
    pub fn limits(&self, account: &str, model: &str) -> Limits {
        let no_access = Limits { requests: Rate::Nothing, tokens: Rate::Nothing };
        self.accounts.get(account).map_or(no_access, |account| account.allowance.for_model(model))
    }

    /// Returns the budget of an account. `None`: it may spend what it likes.
    pub fn budget(&self, account: &str) -> Option<Budget> {
        self.accounts.get(account)?.allowance.budget
    }

    fn read(document: &ValueReader<'_>) -> Self {
        let top = document.object();
        let base = Deadlines::default();
        let deadlines = Deadlines::read(top.section("deadlines"), base);
        let names = document.value().get("models").and_then(Value::as_object);
        let names = names.into_iter().flat_map(|models| models.keys());
        let names = set_of(names.map(String::as_str));
        let plans = read_entries(&top, "plans", |entry| read_plan(entry.object(), &names));
        let mut keys = BTreeSet::new();
        let jwt = top.get("jwt").map(|value| Jwt::read(value.object()));
        let context = AccountContext { plans: &plans, names: &names, needs_key: jwt.is_none() };
        let accounts = read_entries(&top, "accounts", |entry| {
            read_account(entry.object(), context, &mut keys)
        });
        let providers =
            read_entries(&top, "providers", |entry| Provider::read(entry.object(), &keys));
        check_names_of_pools(&top, &providers);
        let aliases = top.get("aliases").map(|value| Aliases::read(&value, &names));
        let names: Vec<&str> = names.into_iter().collect();
        let admin = read_admin(&top);
        let request_body = top.positive("request_body_bytes");
        let listeners = read_listeners(&top, &admin);
        let guard = top.get("guard").map(|value| Guard::read(value.object(), &keys, &listeners));
        let context = ModelContext { names: &names, providers: &providers, deadlines };
        let config = Self {
            version: String::new(),
            listeners,
            admin,
            request_body,
            overload: Overload::read(top.section("overload"), request_body),
            strict_parameters: top.flag("strict_parameters"),
            report_cost: top.flag("report_cost"),
            playground: top.flag("playground"),
            deadlines,
            keep_warm: top.duration("keep_warm"),
            rate_limit: top.get("rate_limit").map(|value| RateLimitService::read(value.object())),
            models: read_entries(&top, "models", |entry| Model::read(entry, &context)),
            aliases: aliases.unwrap_or_default(),
            transcripts: top
                .get("transcripts")
                .map(|value| Transcripts::read(value.object(), &keys)),
            guard,
            jwt,
            telemetry: Telemetry::read(&top),
            accounts,
            providers,
        };
        top.finish();
        config
    }
}

/// Checks that no provider has the name of what belongs to a key of another, such as `openai-key2`.
fn check_names_of_pools(top: &ObjectReader<'_>, providers: &BTreeMap<String, Provider>) {
    let entries = top.get("providers").map(|value| value.entries()).unwrap_or_default();
    for (name, provider) in providers {
        for own in provider.pool().skip(1).map(|key| [name, &*key.suffix()].concat()) {
            if let Some((twin, entry)) = entries.iter().find(|(other, _)| **other == own) {
                entry.wrong_name(twin, format!("another name, as `{name}` has a pool of keys"));
            }
        }
    }
}

/// Reads the named entries of a required object, at least one.
fn read_entries<T>(
    top: &ObjectReader<'_>,
    key: &'static str,
    mut read: impl FnMut(&ValueReader<'_>) -> T,
) -> BTreeMap<String, T> {
    let Some(value) = top.get(key) else { return BTreeMap::new() };
    let found = value.entries();
    if found.is_empty() && value.value().is_object() {
        value.wrong("at least one entry");
    }
    let mut entries: BTreeMap<String, T> = BTreeMap::new();
    for (name, entry) in found {
        if !is_name(name) {
            entry.wrong_name(name, NAMES);
        }
        // Clients may write the name of a model in any case.
        if let Some(twin) = entries.keys().find(|other| other.eq_ignore_ascii_case(name)) {
            entry.wrong_name(name, format!("a name that differs from `{twin}` in more than case"));
        }
        entries.insert(name.to_owned(), read(&entry));
    }
    entries
}

/// Allowed names of entries, in messages.
const NAMES: &str = "up to 64 letters, digits and `-_.`, the first a letter or digit";

/// Whether a text may name an entry. Names become parts of file names, cluster names, headers and
/// metrics.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
}
