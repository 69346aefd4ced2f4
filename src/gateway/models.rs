//! The list of models of the gateway's region, in OpenAI's shape, with the fields of AssemblyAI's
//! catalogue that the configuration has.

use super::Gateway;
use crate::{chat::parameter::Parameter, config::Model, json::Object, region::Region};

/// Returns the body of `GET /v1/models`.
pub fn list(gateway: &Gateway) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = Object::open(&mut out);
    let data = body.value("object", "list").key("data");
    data.push(b'[');
    let mut separator: &[u8] = b"";
    for (id, model) in &gateway.config.models {
        let Some(regions) = regions(gateway, model) else { continue };
        data.extend_from_slice(separator);
        separator = b",";
        write(data, id, model, &regions);
    }
    data.push(b']');
    body.close();
    out
}

/// Returns the body of `GET /v1/models` for clients of the Messages API. Claude API reference, *List
/// Models*. The time at which a model was made is not known here: the epoch stands for that.
pub fn messages_list(gateway: &Gateway) -> Vec<u8> {
    let all = gateway.config.models.iter();
    let reached: Vec<_> = all.filter(|(_, model)| regions(gateway, model).is_some()).collect();
    let mut out = Vec::new();
    let mut body = Object::open(&mut out);
    crate::json::list(body.key("data"), &reached, |out, (id, model)| {
        let mut entry = Object::open(out);
        entry.value("type", "model").value("id", id).value("display_name", &model.name);
        entry.value("created_at", "1970-01-01T00:00:00Z");
        entry.value("max_input_tokens", &model.context_length);
        entry.value("max_tokens", &model.max_output_tokens);
        entry.close();
    });
    let id = |entry: Option<&(&String, &Model)>| entry.map(|(id, _)| (*id).clone());
    body.value("has_more", &false).value("first_id", &id(reached.first()));
    body.value("last_id", &id(reached.last()));
    body.close();
    out
}

/// Returns the regions in which the gateway reaches a model. `None` if there are none.
fn regions(gateway: &Gateway, model: &Model) -> Option<Vec<(Region, String)>> {
    let reached = |(region, _): &(Region, &_)| gateway.region.may_reach(*region);
    let found: Vec<_> = model
        .endpoints
        .iter()
        .filter(reached)
        .map(|(region, endpoint)| (region, endpoint.provider.clone()))
        .collect();
    (!found.is_empty()).then_some(found)
}

fn write(out: &mut Vec<u8>, id: &str, model: &Model, regions: &[(Region, String)]) {
    let names: Vec<&str> = regions.iter().map(|(region, _)| region.name()).collect();
    let provider = regions.first().map(|(_, provider)| provider.as_str()).unwrap_or_default();
    let mut supported = vec!["max_tokens"];
    supported
        .extend(model.supported_parameters.iter().map(|parameter| Parameter::name(*parameter)));
    let input: Vec<&str> = model.input.iter().map(|input| input.name()).collect();
    let mut entry = Object::open(out);
    entry
        .value("id", id)
        .value("object", "model")
        // When the model was made is not known here, and OpenAI's clients need a number.
        .value("created", &0)
        .value("owned_by", provider)
        .value("name", &model.name)
        .value("context_length", &model.context_length)
        .value("max_output_tokens", &model.max_output_tokens)
        .value("input_modalities", &input)
        .value("supported_parameters", &supported)
        .value("available_regions", &names);
    if let Some(date) = &model.retirement_date {
        entry.value("retirement_date", date);
    }
    entry.close();
}
