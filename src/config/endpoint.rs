//! Endpoints of a model: its providers and its names there, per region.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ApiSchema, PoolKey, Provider, cluster,
    mistakes::one_of,
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{Name, Number, OneOrMore, UpstreamName},
        defaults_to, object_table, optional, required, required_name, word, words_of,
    },
};
use crate::region::{PerRegion, Region};

object_table! {
    /// Endpoints of a model, per region. A request for a region without an endpoint is refused with
    /// 400.
    pub(super) static REGIONS = "regions" {
        /// Endpoint for requests to the US gateway, or a list of endpoints that share them.
        "us": OneOrMore(&ENDPOINT), optional("not supported there");
        /// Endpoint for requests to the EU gateway, or a list.
        "eu": OneOrMore(&ENDPOINT), optional("not supported there");
        /// Endpoint for requests to the US gateway with `model_region: "global"`, or a list.
        "global": OneOrMore(&ENDPOINT), optional("not supported there");
    }
}

object_table! {
    /// Endpoint of a model in one region.
    static ENDPOINT = "endpoint" {
        /// Provider whose `base_url` has this region.
        "provider": Name("providers"), required_name();
        /// Name of the model in the provider's API: letters, digits and `-_.:@/`.
        "upstream_model": UpstreamName, required("what the provider calls the model");
        /// API schema of the requests for the model, if the provider has both of OpenAI's.
        "api_schema": word(|| words_of(&ApiSchema::OPENAI_WORDS)), optional("that of the provider");
        /// Share of the requests, in proportion to the other endpoints of the list that have the same
        /// priority. With 0, the endpoint comes after all others.
        "weight": Number { least: 0, most: MAX_WEIGHT }, defaults_to("1");
        /// Order of the endpoints of a list: those with a lower number come first, as long as one of
        /// them is available.
        "priority": Number { least: 0, most: 100 }, defaults_to("0");
    }
}

/// Maximum weight.
const MAX_WEIGHT: u32 = 1_000_000;

/// Endpoint of a model in one region, with one key. A pool of keys makes an endpoint of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the provider.
    pub provider: String,
    /// Key with which the provider is asked.
    pub key: PoolKey,
    /// Name of the model in the provider's API.
    pub upstream_model: String,
    /// API schema of the requests for the model.
    pub api_schema: ApiSchema,
    /// Share of the requests, in proportion to the endpoints with the same priority.
    pub weight: u64,
    /// Order: lower numbers are asked first.
    pub priority: u32,
    /// Name among the model's endpoints in the region. `None` for an only one.
    pub label: Option<String>,
}

impl Endpoint {
    /// Returns the name of Envoy's cluster for the endpoint.
    pub fn cluster(&self, region: Region) -> String {
        cluster(&self.provider, region, self.key)
    }

    /// Whether another endpoint has the same API with the same deviations.
    pub fn has_same_api(&self, other: &Self) -> bool {
        (&self.provider, self.api_schema) == (&other.provider, other.api_schema)
    }
}

/// Reads `regions`.
pub(super) fn read_endpoints(
    entry: &ObjectReader<'_>,
    providers: &BTreeMap<String, Provider>,
) -> PerRegion<Vec<Endpoint>> {
    let Some(regions) = entry.get("regions") else { return PerRegion::default() };
    let allowed = "`us`, `eu` or `global`, at least one of them";
    regions.per_region(allowed, |value, region| {
        let (items, before) = (value.one_or_more(), value.mistake_count());
        let read = |item: &ValueReader<'_>| read_endpoint(item, region, providers);
        let endpoints: Vec<Endpoint> = items.iter().map(read).collect();
        let is_right = value.mistake_count() == before && !endpoints.is_empty();
        if is_right && endpoints.iter().all(|own| own.weight == 0) {
            value.wrong("at least one endpoint with a `weight` above 0");
        }
        if is_right {
            refuse_repetitions(&items, &endpoints);
        }
        with_keys(&endpoints, providers)
    })
}

/// Adds a mistake about each endpoint that is in the list already: it would answer in place of itself.
fn refuse_repetitions(items: &[ValueReader<'_>], endpoints: &[Endpoint]) {
    let mut known = BTreeSet::new();
    for (item, own) in items.iter().zip(endpoints) {
        if !known.insert((&own.provider, &own.upstream_model, own.api_schema.name())) {
            item.wrong_as("an endpoint that the list has already", "each endpoint once");
        }
    }
}

/// Returns the endpoints with one for each key of their providers, which share the weight.
fn with_keys(written: &[Endpoint], providers: &BTreeMap<String, Provider>) -> Vec<Endpoint> {
    let pool = |own: &Endpoint| providers.get(&own.provider).map(Provider::pool);
    let keys = |own: &Endpoint| pool(own).map_or(1, |keys| keys.count() as u64);
    // A multiple of each number of keys leaves no fractions.
    let multiple = written.iter().map(keys).fold(1, least_common_multiple);
    let mut endpoints = Vec::new();
    for own in written {
        let weight = own.weight * multiple / keys(own);
        let of_keys = pool(own).into_iter().flatten();
        endpoints.extend(of_keys.map(|key| Endpoint { key, weight, ..own.clone() }));
    }
    add_labels(&mut endpoints);
    endpoints
}

/// Returns the smallest number that both numbers divide.
fn least_common_multiple(one: u64, other: u64) -> u64 {
    let (mut divisor, mut rest) = (one, other);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    one / divisor.max(1) * other
}

/// Adds labels to endpoints that are not alone: the provider and the key, and the name of the model
/// there if several endpoints have both.
fn add_labels(endpoints: &mut [Endpoint]) {
    if endpoints.len() < 2 {
        return;
    }
    let labels: Vec<String> =
        endpoints.iter().map(|own| [&*own.provider, &own.key.suffix()].concat()).collect();
    for (own, label) in endpoints.iter_mut().zip(&labels) {
        let is_unique = labels.iter().filter(|other| *other == label).count() == 1;
        let of_model = if is_unique { String::new() } else { format!("/{}", own.upstream_model) };
        own.label = Some([label, &*of_model].concat());
    }
}

fn read_endpoint(
    value: &ValueReader<'_>,
    region: Region,
    providers: &BTreeMap<String, Provider>,
) -> Endpoint {
    let entry = value.object();
    let named = entry.get_name("provider", providers);
    let provider = named.as_ref().map(|name| name.name_in(providers)).unwrap_or_default();
    if let (Some(name), Some(known)) = (&named, providers.get(&provider))
        && known.base_urls.get(region).is_none()
        // A provider without any URL is reported once, at its own entry.
        && known.base_urls.iter().next().is_some()
    {
        let there = providers.iter().filter(|(_, other)| other.base_urls.get(region).is_some());
        let there = one_of(there.map(|(name, _)| name.as_str()));
        name.wrong(format!("a provider whose base_url has `{}`: {there}", region.name()));
    }
    let upstream_model = entry.get("upstream_model").map(|name| read_upstream_name(&name));
    let api_schema = read_api_schema(&entry, providers.get(&provider));
    let (weight, priority) = (entry.number("weight").into(), entry.number("priority"));
    entry.finish();
    Endpoint {
        provider,
        key: PoolKey::FIRST,
        upstream_model: upstream_model.unwrap_or_default(),
        api_schema,
        weight,
        priority,
        label: None,
    }
}

/// Reads the API schema of an endpoint. Without one, it is that of the provider.
fn read_api_schema(entry: &ObjectReader<'_>, provider: Option<&Provider>) -> ApiSchema {
    let own = entry.word("api_schema", &ApiSchema::OPENAI_WORDS);
    let Some(provider) = provider else { return own.unwrap_or(ApiSchema::OpenAi) };
    let is_other = own.is_some_and(|own| own != provider.api_schema);
    if is_other && !provider.takes_both_of_openai() {
        let schema = provider.api_schema.name();
        let reason = "the provider has quirks, forward_unknown or another API";
        entry.wrong("api_schema", format!("only `{schema}`, because {reason}"));
    }
    own.unwrap_or(provider.api_schema)
}

/// Reads the name of a model at its provider. Some providers have the name in their URLs' paths.
fn read_upstream_name(value: &ValueReader<'_>) -> String {
    let name = value.string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if !name.chars().all(plain) || name.split('/').any(|segment| segment == ".." || segment == ".")
    {
        value.wrong("letters, digits and `-_.:@/`");
    }
    name
}
