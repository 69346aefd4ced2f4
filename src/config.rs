//! The operator's file, `gateway.yaml`, as the gateway may rely on it. The command `attache` and
//! the module inside Envoy read the same document through the same code.

pub mod health;
pub mod jwt;
pub mod limits;
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

use self::{
    jwt::Jwt,
    limits::{Allowance, Limits, Rate, Stated},
    rate_limit::RateLimitService,
    read::{Mistakes, Node, Object, one_of},
};
use crate::{
    failover::BACK_OFF,
    region::{PerRegion, Region},
};

pub use self::{
    model::{Endpoint, Model, Sampling, Thinking},
    price::Price,
    provider::{ApiSchema, BaseUrl, KeyHeader, Provider, Quirk},
    read::{Invalid, Problem},
    telemetry::{Telemetry, Tracing},
    transcripts::{TranscriptKey, Transcripts},
};

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

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// An IP address.
    pub address: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Address {
    /// Whether only one of two can be listened on.
    fn overlaps(&self, other: &Self) -> bool {
        let is_any = |address: &str| matches!(address, "0.0.0.0" | "::");
        let addresses = [self.address.as_str(), other.address.as_str()];
        self.port == other.port
            && (self.address == other.address || addresses.into_iter().any(is_any))
    }
}

/// A gateway's own socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub socket: Address,
    /// Its certificate, when it speaks TLS itself.
    pub tls: Option<Tls>,
}

/// A certificate for a listener, in PEM files that Envoy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate_file: String,
    /// Its private key.
    pub private_key_file: String,
}

/// How long each part of an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadlines {
    /// To reach the provider.
    pub connect: Duration,
    /// From the request to the first content of a stream.
    pub first_content: Duration,
    /// From one content of a stream to the next.
    pub idle: Duration,
    /// From the request to the end of an answer in one piece.
    pub answer: Duration,
    /// The whole exchange, all attempts of it.
    pub total: Duration,
}

impl Deadlines {
    /// Those that Envoy keeps, in milliseconds: to the first content, to the end of an answer, and to
    /// the end of everything. Envoy has routes for each such class, and a ticket names one.
    pub fn class(&self) -> String {
        let kept = [self.first_content, self.answer.min(self.total), self.total];
        kept.map(|deadline| deadline.as_millis().to_string()).join("-")
    }
}

impl Default for Deadlines {
    /// Short enough for a phone call, long enough for a model that thinks.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_content: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            total: Duration::from_secs(300),
        }
    }
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What its plan and its own entry allow it.
    pub allowance: Allowance,
    /// Files that hold one key each.
    pub key_files: Vec<String>,
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
        let config = Self::read(&Node::root(document, &mistakes));
        let found = mistakes.into_inner();
        if found.is_empty() { Ok(config) } else { Err(found) }
    }

    /// The deadlines that models have, each once.
    pub fn deadline_classes(&self) -> Vec<Deadlines> {
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
        self.accounts.get(account).is_some_and(|account| account.allowance.is_access())
    }

    /// What an account may ask of a model, under the operator's name for it.
    pub fn limits(&self, account: &str, model: &str) -> Limits {
        let nobody = Limits { requests: Rate::Nothing, tokens: Rate::Nothing };
        self.accounts.get(account).map_or(nobody, |account| account.allowance.of(model))
    }

    fn read(node: &Node<'_>) -> Self {
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
            let around = Around { plans: &plans, names: &names, needs_key: jwt.is_none() };
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
                    &model::Around { names: &names, providers: &providers, deadlines },
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
    top: &mut Object<'_>,
    key: &'static str,
    mut read: impl FnMut(&Node<'_>) -> T,
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

fn read_listeners(top: &mut Object<'_>, admin: &Address) -> PerRegion<Listener> {
    let mut listeners = PerRegion::default();
    let Some(node) = top.required("listeners", "`us`, `eu` or both") else { return listeners };
    let mut regions = node.object();
    let mut taken = vec![admin.clone()];
    for region in [Region::Us, Region::Eu] {
        if let Some(entry) = regions.optional(region.name()) {
            let listener = read_listener(&entry, &taken);
            taken.push(listener.socket.clone());
            listeners.set(region, listener);
        }
    }
    regions.finish();
    if listeners.iter().next().is_none() && node.value().is_object() {
        node.wrong("`us`, `eu` or both");
    }
    listeners
}

fn read_listener(node: &Node<'_>, taken: &[Address]) -> Listener {
    let before = node.mistakes();
    let mut entry = node.object();
    let socket = read_address(&mut entry);
    if node.mistakes() == before && taken.iter().any(|other| other.overlaps(&socket)) {
        entry.wrong("port", "a port that neither `admin` nor another listener has");
    }
    let tls = entry.optional("tls").map(|node| {
        let mut files = node.object();
        let mut file = |key| {
            files
                .required(key, "the path of a PEM file")
                .map(|node| node.string())
                .unwrap_or_default()
        };
        let (certificate_file, private_key_file) =
            (file("certificate_file"), file("private_key_file"));
        files.finish();
        Tls { certificate_file, private_key_file }
    });
    entry.finish();
    Listener { socket, tls }
}

fn default_admin() -> Address {
    Address { address: "127.0.0.1".to_owned(), port: 9901 }
}

fn read_admin(node: &Node<'_>) -> Address {
    let mut entry = node.object();
    let address = read_address(&mut entry);
    entry.finish();
    address
}

fn read_address(entry: &mut Object<'_>) -> Address {
    let address = entry.optional("address").map_or_else(
        || "127.0.0.1".to_owned(),
        |node| {
            let address = node.string();
            if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
                node.wrong("an IP address, `0.0.0.0` for all of them");
            }
            address
        },
    );
    let port = entry.required("port", "a number from 1 to 65535");
    let port = port.map(|node| node.number(1, u16::MAX.into())).unwrap_or_default();
    Address { address, port: u16::try_from(port).unwrap_or_default() }
}

/// Deadlines where those that are not named are `otherwise`.
fn read_deadlines(node: &Node<'_>, otherwise: Deadlines) -> Deadlines {
    let mut entry = node.object();
    let mut read = |key, otherwise| entry.optional(key).map_or(otherwise, |node| node.duration());
    let deadlines = Deadlines {
        connect: read("connect", otherwise.connect),
        first_content: read("first_content", otherwise.first_content),
        idle: read("idle", otherwise.idle),
        answer: read("answer", otherwise.answer),
        total: read("total", otherwise.total),
    };
    if !deadlines.first_content.is_zero() && deadlines.first_content <= BACK_OFF {
        let wait = BACK_OFF.as_millis();
        entry.wrong("first_content", format!("longer than the wait before a retry, {wait}ms"));
    }
    entry.finish();
    deadlines
}

/// What an account's entry may refer to.
#[derive(Clone, Copy)]
struct Around<'c> {
    plans: &'c BTreeMap<String, Stated>,
    /// Every model's name.
    names: &'c BTreeSet<&'c str>,
    /// Whether there is no other way for an account to show itself.
    needs_key: bool,
}

fn read_plan(node: &Node<'_>, names: &BTreeSet<&str>) -> Stated {
    let mut entry = node.object();
    let stated = Stated::read(&mut entry, names);
    if node.value().is_object() && !stated.has_requests() {
        entry.wrong("requests_per_minute", "a whole number, 0 for no access, or `unlimited`");
    }
    entry.finish();
    stated
}

fn read_account(node: &Node<'_>, around: Around<'_>, keys: &mut BTreeSet<String>) -> Account {
    let mut entry = node.object();
    let allowed = one_of(around.plans.keys().map(String::as_str));
    let plan = entry.required("plan", &allowed);
    let plan = plan.map(|node| node.name_in(around.plans)).unwrap_or_default();
    let files = match around.needs_key {
        true => entry.required("key_files", "a list of files that hold one key each"),
        false => entry.optional("key_files"),
    };
    let key_files = files.map(|node| read_key_files(&node, keys)).unwrap_or_default();
    let stated = Stated::read(&mut entry, around.names);
    entry.finish();
    let plan = around.plans.get(&plan);
    Account { allowance: stated.over(plan.unwrap_or(&Stated::default())), key_files }
}

/// `keys` are the files named so far: a key is one account's.
fn read_key_files(node: &Node<'_>, keys: &mut BTreeSet<String>) -> Vec<String> {
    let items = node.list();
    if items.is_empty() && node.value().is_array() {
        node.wrong("at least one file");
    }
    let read = |item: &Node<'_>| {
        let file = item.string();
        if !file.is_empty() && !keys.insert(file.clone()) {
            item.wrong("a file that no account has named yet");
        }
        file
    };
    items.iter().map(read).collect()
}
