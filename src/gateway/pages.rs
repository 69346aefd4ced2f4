//! Answers that the gateway role gives by itself: models, its health, and estimates of tokens.

use super::{
    Gateway,
    endpoints::Endpoint,
    models,
    plan::{Plan, PlannedAttempt},
};
use crate::{
    chat::error::Error,
    config::{ApiSchema, Quirk, Target},
    handoff::headers::PARAMS,
    inlet::Inlet,
    messages::token_estimate,
    reply::Reply,
};

/// Returns the answer of an endpoint whose requests have no body.
pub(super) fn page(gateway: &Gateway, endpoint: &Endpoint, inlet: Inlet) -> Result<Reply, Error> {
    let body = match endpoint {
        Endpoint::Models => models::list(gateway, inlet),
        Endpoint::Model(name) => models::find(gateway, name, inlet)?,
        Endpoint::Health => br#"{"status":"ok"}"#.to_vec(),
        _ => return Ok(Reply::ok(Vec::new(), Vec::new())),
    };
    Ok(json(body))
}

/// Returns `true` if the provider of the first attempt counts tokens. Vertex AI does it elsewhere.
pub(super) fn can_count(gateway: &Gateway, plan: &Plan) -> bool {
    let PlannedAttempt { model, region, route, .. } = &plan.primary;
    gateway.config.target_at(model, *region, route.endpoint).is_some_and(
        |Target { provider, .. }| {
            provider.api_schema == ApiSchema::Anthropic && !provider.has(Quirk::RawPredict)
        },
    )
}

/// Returns an estimate of the tokens of a request.
pub(super) fn estimated_tokens(body: &[u8], inlet: Inlet, request_id: &str) -> Reply {
    let mut reply = json(token_estimate::to_json(body));
    reply.headers.push((PARAMS, "emulated=count_tokens".to_owned()));
    reply.headers.extend(inlet.id_header(request_id));
    reply
}

fn json(body: Vec<u8>) -> Reply {
    Reply::ok(vec![("content-type", "application/json".to_owned())], body)
}
