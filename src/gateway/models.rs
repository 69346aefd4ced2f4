//! The models of the gateway's region, in OpenAI's shape, with the fields of AssemblyAI's catalogue.

use std::time::SystemTime;

use super::{Gateway, endpoints::printable};
use crate::{
    chat::{error::Error, parameter::Parameter, price::Price, request::DEFAULT_MAX_TOKENS},
    config::{Endpoint, Model, ModelKind},
    inlet::Inlet,
    json::{self, Object},
    region::Region,
};

/// Returns the body of `GET /v1/models`, in the form of the client's API.
pub fn list(gateway: &Gateway, inlet: Inlet) -> Vec<u8> {
    if !matches!(inlet, Inlet::Chat | Inlet::Responses) {
        return messages_list(gateway);
    }
    let mut out = Vec::new();
    let mut body = Object::open(&mut out);
    let data = body.value("object", "list").key("data");
    json::list(data, all_listed(gateway), |out, model| model.write(out));
    body.close();
    out
}

/// Returns the models that the gateway reaches, by their names and their aliases without a wildcard.
fn all_listed(gateway: &Gateway) -> Vec<ListedModel<'_>> {
    let config = &gateway.config;
    let names = config.models.keys().map(String::as_str);
    let names = names.chain(config.aliases.exact().map(|alias| alias.name.as_str()));
    names.filter_map(|name| ListedModel::new(gateway, name)).collect()
}

/// Returns the list for clients of the Messages API. Claude API reference, *List
/// Models*.
fn messages_list(gateway: &Gateway) -> Vec<u8> {
    let mut listed = all_listed(gateway);
    listed.retain(|listed| listed.model.kind == ModelKind::Chat);
    let mut out = Vec::new();
    let mut body = Object::open(&mut out);
    json::list(body.key("data"), &listed, |out, model| {
        write_messages_model(out, model.name, model.model);
    });
    let id = |entry: Option<&ListedModel<'_>>| entry.map(|model| model.name.to_owned());
    body.value("has_more", &false).value("first_id", &id(listed.first()));
    body.value("last_id", &id(listed.last()));
    body.close();
    out
}

/// Writes a model for clients of the Messages API. The time at which a model was made is not known
/// here: the epoch stands for that.
fn write_messages_model(out: &mut Vec<u8>, name: &str, model: &Model) {
    let mut entry = Object::open(out);
    entry.value("type", "model").value("id", name).value("display_name", &model.name);
    entry.value("created_at", "1970-01-01T00:00:00Z");
    entry.value("max_input_tokens", &model.context_length);
    entry.value("max_tokens", &model.max_output_tokens);
    entry.close();
}

/// Returns the body of `GET /v1/models/{name}`. The case of a name makes no difference.
pub(super) fn find(gateway: &Gateway, name: &str, inlet: Inlet) -> Result<Vec<u8>, Error> {
    let listed = ListedModel::new(gateway, name);
    let listed = listed.ok_or_else(|| Error::NoSuchModel { model: printable(name) })?;
    let mut out = Vec::new();
    match inlet {
        Inlet::Chat | Inlet::Responses => listed.write(&mut out),
        _ => write_messages_model(&mut out, listed.name, listed.model),
    }
    Ok(out)
}

/// Model that the gateway reaches.
struct ListedModel<'g> {
    name: &'g str,
    /// Model that the name stands for, if it is an alias.
    alias_of: Option<&'g str>,
    model: &'g Model,
    /// Regions in which the gateway reaches the model.
    regions: Vec<&'static str>,
    /// Providers in these regions, each once.
    providers: Vec<&'g str>,
    /// Provider of a request that names no region: that of the first endpoint.
    default_provider: &'g str,
}

impl<'g> ListedModel<'g> {
    /// Returns the model with a name as it is listed. `None` if the gateway does not reach it.
    fn new(gateway: &'g Gateway, name: &'g str) -> Option<Self> {
        let (own_name, model) = gateway.config.model(name)?;
        let name = gateway.config.shown_name(own_name, name);
        let alias_of = Some(own_name).filter(|own_name| *own_name != name);
        let reached = |(region, _): &(Region, &_)| gateway.region.may_reach(*region);
        let (mut regions, mut providers) = (Vec::new(), Vec::new());
        for (region, endpoints) in model.endpoints.iter().filter(reached) {
            regions.push(region.name());
            for Endpoint { provider, .. } in endpoints {
                if !providers.contains(&provider.as_str()) {
                    providers.push(provider);
                }
            }
        }
        let default_provider = *providers.first()?;
        Some(Self { name, alias_of, model, regions, providers, default_provider })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { name, alias_of, model, regions, default_provider, .. } = self;
        let mut supported = match model.kind {
            ModelKind::Chat => vec!["max_tokens"],
            ModelKind::Embeddings => vec!["dimensions", "encoding_format"],
        };
        supported.extend(model.supported_parameters.iter().map(|own| Parameter::name(*own)));
        let input: Vec<&str> = model.input.iter().map(|input| input.name()).collect();
        let mut entry = Object::open(out);
        entry
            .value("id", name)
            .value("object", "model")
            // When the model was made is not known here, and OpenAI's clients need a number.
            .value("created", &0)
            .value("owned_by", default_provider)
            .value("name", &model.name)
            .value("kind", model.kind.name())
            .value("context_length", &model.context_length)
            .value("max_output_tokens", &model.max_output_tokens)
            .value("input_modalities", &input)
            .value("supported_parameters", &supported)
            .value("available_regions", regions);
        if let Some(own_name) = alias_of {
            entry.value("alias_of", own_name);
        }
        self.write_catalogue_fields(&mut entry);
        entry.close();
    }

    /// Writes the fields of AssemblyAI's catalogue. Its SDK requires all of them.
    fn write_catalogue_fields(&self, entry: &mut Object<'_>) {
        let Self { model, default_provider, .. } = self;
        let creator = model.creator.as_deref().unwrap_or(default_provider);
        let description = || format!("{}, a model of {creator}", model.name);
        entry
            .value("description", &model.description.clone().unwrap_or_else(description))
            .value("creator", creator)
            .object("default_parameters", |defaults| self.write_defaults(defaults))
            .object("top_provider", |top| {
                // The gateway passes requests on without a moderation of its own.
                top.value("is_moderated", &false)
                    .value("context_length", &model.context_length)
                    .value("max_completion_tokens", &model.max_output_tokens);
            })
            .object("pricing", |pricing| {
                write_pricing(pricing, model.price.or(model.list_price).as_ref());
            })
            .object("default_provider", |own| write_provider(own, default_provider));
        json::list(entry.key("providers"), &self.providers, |out, name| {
            let mut provider = Object::open(out);
            write_provider(&mut provider, name);
            provider.close();
        });
        let retires = model.retirement_date.as_deref().and_then(unix_seconds);
        entry.value("retirement_date", &retires.unwrap_or_default());
    }

    /// Writes the parameters of a request that has none.
    fn write_defaults(&self, defaults: &mut Object<'_>) {
        let model = self.model;
        if model.kind == ModelKind::Embeddings {
            return;
        }
        let limit = DEFAULT_MAX_TOKENS.min(model.max_output_tokens).max(model.min_output_tokens);
        defaults.value("max_tokens", &limit);
        if model.supports(Parameter::ReasoningEffort) {
            defaults.value("reasoning_effort", model.default_reasoning_effort.name());
        }
    }
}

/// Writes the price of tokens. A model has one price in all regions, which has the key `global`. An
/// unknown price is written as 0, and `known` says so.
fn write_pricing(pricing: &mut Object<'_>, price: Option<&Price>) {
    pricing.object("global", |global| match price {
        Some(price) => price.write(global),
        None => {
            global.value("prompt", &0).value("completions", &0);
        }
    });
    if price.is_none() {
        pricing.value("known", &false);
    }
}

/// Writes a provider, whose name in the configuration is its id, too.
fn write_provider(provider: &mut Object<'_>, name: &str) {
    provider.value("id", name).value("name", name);
}

/// Returns the beginning of a day, `YYYY-MM-DD`, in Unix seconds.
fn unix_seconds(day: &str) -> Option<u64> {
    let begin = humantime::parse_rfc3339(&format!("{day}T00:00:00Z")).ok()?;
    Some(begin.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        for (day, seconds) in [
            ("1970-01-01", Some(0)),
            ("2027-06-30", Some(1_814_313_600)),
            ("1969-12-31", None),
            ("soon", None),
        ] {
            assert_eq!(unix_seconds(day), seconds, "{day}");
        }
    }
}
