//! Endpoints of a model: its provider and its name there, per region.

use std::collections::BTreeMap;

use super::{
    ApiSchema, Provider,
    mistakes::one_of,
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{Name, Object, UpstreamName},
        object_table, optional, required, required_name, word, words_of,
    },
};
use crate::region::{PerRegion, Region};

object_table! {
    /// Endpoints of a model, per region. A request for a region without an endpoint is refused with
    /// 400.
    pub(super) static REGIONS = "regions" {
        /// Endpoint for requests to the US gateway.
        "us": Object(&ENDPOINT), optional("not supported there");
        /// Endpoint for requests to the EU gateway.
        "eu": Object(&ENDPOINT), optional("not supported there");
        /// Endpoint for requests to the US gateway with `model_region: "global"`.
        "global": Object(&ENDPOINT), optional("not supported there");
    }
}

object_table! {
    /// Endpoint of a model in one region.
    static ENDPOINT = "endpoint" {
        /// Provider whose `base_url` has this region.
        "provider": Name("providers"), required_name();
        /// Name of the model in the provider's API: letters, digits and `-_.:@/`.
        "upstream_model": UpstreamName, required("what the provider calls the model");
        /// API schema in which the provider is asked for the model, if the provider has both of
        /// OpenAI's.
        "api_schema": word(|| words_of(&ApiSchema::OPENAI_WORDS)), optional("that of the provider");
    }
}

/// Endpoint of a model in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the provider.
    pub provider: String,
    /// Name of the model in the provider's API.
    pub upstream_model: String,
    /// API schema in which the provider is asked for the model.
    pub api_schema: ApiSchema,
}

/// Reads `regions`.
pub(super) fn read_endpoints(
    entry: &ObjectReader<'_>,
    providers: &BTreeMap<String, Provider>,
) -> PerRegion<Endpoint> {
    let Some(regions) = entry.get("regions") else { return PerRegion::default() };
    let allowed = "`us`, `eu` or `global`, at least one of them";
    regions.per_region(allowed, |value, region| read_endpoint(value, region, providers))
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
    entry.finish();
    Endpoint { provider, upstream_model: upstream_model.unwrap_or_default(), api_schema }
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
