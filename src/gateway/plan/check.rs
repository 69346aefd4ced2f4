//! Planning a request: its checks, and those of its fallbacks.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{MAX_ATTEMPTS_PER_MODEL, Plan, PlannedAttempt};
use crate::{
    api_schema::{self, PreparedRequest},
    attempt::{AttemptDraft, DraftContext},
    chat::{
        mistake::{Mistake, MistakeKind},
        parameter::{Parameter, Parameters},
        request::Request,
        request_variant::RequestVariant,
    },
    config::{ModelKind, Target, limits::Rate},
    failover::{AttemptRoute, EndpointIndex},
    fallbacks::{FallbackConfig, FallbackSource, Fallbacks},
    gateway::Gateway,
    handoff::ticket::Lane,
    region::Region,
    time::Timestamp,
};

impl Plan {
    /// Plans a request, and drafts the first attempt if the gateway role makes it. The error lists all
    /// mistakes of the request and of its fallbacks.
    pub fn new(
        gateway: &Gateway,
        account: &str,
        exchange: DraftContext<'_>,
        parameters: Parameters<'_>,
        now: Timestamp,
    ) -> Result<(Self, Option<AttemptDraft>), Vec<Mistake>> {
        let (request, mut mistakes) = Request::check(parameters);
        let context = PlanContext { gateway, account, now };
        let own = plan_model(&context, &request, RequestVariant::OWN, &mut mistakes);
        let config = FallbackConfig::from_request(&request.parameters);
        let config = config.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            FallbackConfig::default()
        });
        let fallbacks = plan_fallbacks(&context, &request, &mut mistakes);
        let Some(CheckedModel { primary: mut planned, siblings, target, prepared }) =
            own.filter(|_| mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        let counts_tokens = exchange.inlet.counts_tokens();
        let is_stream = request.stream && !counts_tokens;
        // The body of a request with a transcript is not complete yet.
        let is_drafted = !is_stream && !request.parameters.has(Parameter::TranscriptId);
        let draft = is_drafted.then(|| {
            let cluster = gateway.cluster(&planned.provider, planned.region, planned.key);
            AttemptDraft::new(&cluster, &request, target, &prepared, exchange)
        });
        let hedge = config.hedge_ms.map(u64::from).map(Duration::from_millis);
        let PlannedFallbacks { models, default_depth } = fallbacks;
        let depth = config.depth.map_or(default_depth, usize::from);
        // Another model would count tokens otherwise, and another endpoint may not count at all.
        let is_single = request.fail_fast || counts_tokens;
        let (depth, siblings) = if is_single { (0, Vec::new()) } else { (depth, siblings) };
        let total = &mut planned.deadlines.total;
        *total = request.max_timeout.map_or(*total, |own| own.min(*total));
        let plan = Self {
            lane: if is_stream { Lane::Stream } else { Lane::Answer },
            hedge: hedge.or(planned.hedge).filter(|hedge| !hedge.is_zero()),
            max_timeout: request.max_timeout,
            shown_model: gateway.config.shown_name(&planned.model, &request.model).to_owned(),
            retry: config.retry.unwrap_or(true)
                && !request.fail_fast
                && siblings.len() + 1 < MAX_ATTEMPTS_PER_MODEL,
            siblings,
            fallbacks: models.into_iter().take(depth).flatten().collect(),
            primary: planned,
        };
        Ok((plan, draft))
    }
}

/// Caller of a request, the gateway, and the time.
pub(super) struct PlanContext<'g> {
    pub(super) gateway: &'g Gateway,
    pub(super) account: &'g str,
    pub(super) now: Timestamp,
}

/// Attempts for one model, whose request is checked.
struct CheckedModel<'c> {
    primary: PlannedAttempt,
    /// Attempts at other endpoints of the model.
    siblings: Vec<PlannedAttempt>,
    /// Target of the first attempt.
    target: Target<'c>,
    /// Request, fitted to that target.
    prepared: PreparedRequest<'c>,
}

/// Plans the attempts for one request and its model. `None` comes with a mistake.
fn plan_model<'c>(
    context: &PlanContext<'c>,
    request: &'c Request<'c>,
    variant: RequestVariant,
    mistakes: &mut Vec<Mistake>,
) -> Option<CheckedModel<'c>> {
    let PlanContext { gateway, account, .. } = context;
    if request.model.is_empty() {
        return None;
    }
    let region = requested_region(gateway, request, mistakes);
    let model = request.model.as_ref();
    let Some(target) = gateway.config.target(model, region) else {
        mistakes.push(unavailable_model(gateway, model));
        return None;
    };
    if gateway.config.limits(account, target.name).requests == Rate::Nothing {
        mistakes.push(Mistake::new(MistakeKind::NoModel, "model", NO_ACCESS));
        return None;
    }
    if let Some(problem) = wrong_kind(request, target.model.kind) {
        let problem = format!("model {} {problem}", target.name);
        mistakes.push(Mistake::new(MistakeKind::Invalid, "model", &problem));
        return None;
    }
    let order = context.endpoint_order(&target, request, variant);
    plan_endpoints(gateway, request, target, variant, &order, mistakes)
}

/// Plans the attempts at the endpoints of a model in this order, without those that the request does
/// not fit. If the request fits none, the mistakes are those of the first.
fn plan_endpoints<'c>(
    gateway: &'c Gateway,
    request: &'c Request<'c>,
    listed_first: Target<'c>,
    variant: RequestVariant,
    order: &[EndpointIndex],
    mistakes: &mut Vec<Mistake>,
) -> Option<CheckedModel<'c>> {
    let (mut planned, mut refused) = (None::<CheckedModel<'c>>, None);
    for endpoint in order {
        let Target { name, region, .. } = listed_first;
        let target = match *endpoint {
            EndpointIndex::FIRST => Some(listed_first),
            other => gateway.config.target_at(name, region, other),
        };
        let Some(target) = target else { continue };
        let route = AttemptRoute { variant, endpoint: *endpoint };
        let mut found = Vec::new();
        match &mut planned {
            Some(first) if first.siblings.len() + 1 == MAX_ATTEMPTS_PER_MODEL => break,
            // The request fits the endpoints of a provider alike.
            Some(first) if first.target.endpoint.has_same_api(target.endpoint) => {
                first.siblings.push(PlannedAttempt::new(route, &target));
            }
            Some(first) => {
                check_fit(gateway, request, &target, &mut found);
                let sibling = found.is_empty().then(|| PlannedAttempt::new(route, &target));
                first.siblings.extend(sibling);
            }
            None => {
                let prepared = check_fit(gateway, request, &target, &mut found);
                let primary = PlannedAttempt::new(route, &target);
                let first = CheckedModel { primary, siblings: Vec::new(), target, prepared };
                planned = found.is_empty().then_some(first);
                refused = refused.or(Some(found));
            }
        }
    }
    if planned.is_none() {
        mistakes.extend(refused.into_iter().flatten());
    }
    planned
}

/// Returns the problem of a request that models of a kind do not serve.
fn wrong_kind(request: &Request<'_>, kind: ModelKind) -> Option<&'static str> {
    match (&request.parameters.embeddings, kind) {
        (None, ModelKind::Embeddings) => Some("serves embeddings only, use /v1/embeddings"),
        (Some(_), ModelKind::Chat) => Some("serves chat only, it has no embeddings"),
        (None, ModelKind::Chat) | (Some(_), ModelKind::Embeddings) => None,
    }
}

/// Fits a request to its target, and adds the reasons against it to the mistakes.
fn check_fit<'q>(
    gateway: &Gateway,
    request: &'q Request<'q>,
    target: &Target<'_>,
    mistakes: &mut Vec<Mistake>,
) -> PreparedRequest<'q> {
    let mut prepared = api_schema::prepare(request, target);
    let fit = &mut prepared.fit;
    mistakes.append(&mut fit.refused);
    if gateway.config.strict_parameters {
        let strict = |name: &str| format!("model {} does not take {name}", target.name);
        mistakes.extend(
            fit.dropped
                .iter()
                .map(|name| Mistake::new(MistakeKind::Unsupported, name.as_ref(), &strict(name))),
        );
    }
    prepared
}

/// Message for an account that may not use a model. LLM Gateway, *Troubleshooting*.
const NO_ACCESS: &str = "Your account does not have access to this LLM Gateway model";

/// Returns the mistake of naming a model that the region does not have.
fn unavailable_model(gateway: &Gateway, model: &str) -> Mistake {
    let is_in = |region| gateway.config.target(model, region).is_some();
    let problem = if is_in(gateway.region) {
        "cannot be used with model_region = 'global'"
    } else if gateway.region.may_reach(Region::Global) && is_in(Region::Global) {
        "can only be used with model_region = 'global'"
    } else {
        "is not supported"
    };
    let shown: String = model.chars().take(100).collect();
    Mistake::new(MistakeKind::NoModel, "model", &format!("model {shown} {problem}"))
}

/// Returns the region that a request may use. A request for a forbidden region is checked in the
/// gateway's own, so that its other mistakes are reported too.
fn requested_region(
    gateway: &Gateway,
    request: &Request<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Region {
    if !request.global {
        return gateway.region;
    }
    if gateway.region.may_reach(Region::Global) {
        return Region::Global;
    }
    let here = gateway.region.name();
    let problem = format!("model_region global is not available in region {here}");
    mistakes.push(Mistake::new(MistakeKind::Invalid, "model_region", &problem));
    gateway.region
}

/// Attempts for the fallbacks of a request.
#[derive(Default)]
struct PlannedFallbacks {
    /// Attempts of each fallback's model.
    models: Vec<Vec<PlannedAttempt>>,
    /// Number of models that are asked if the request has no `depth`.
    default_depth: usize,
}

/// Plans the fallbacks of a request. Each is checked as if it were a request of its own.
fn plan_fallbacks(
    context: &PlanContext<'_>,
    request: &Request<'_>,
    mistakes: &mut Vec<Mistake>,
) -> PlannedFallbacks {
    let fallbacks =
        match Fallbacks::from_request(&request.parameters, &request.model, &context.gateway.config)
        {
            Ok(fallbacks) => fallbacks,
            Err(mistake) => {
                mistakes.push(mistake);
                return PlannedFallbacks::default();
            }
        };
    let known = if fallbacks.count() > 0 { mistakes.clone() } else { Vec::new() };
    let mut models = Vec::new();
    for index in 0..fallbacks.count() {
        let (fallback, wrong) = plan_fallback(context, request, &fallbacks, index);
        match fallbacks.source {
            FallbackSource::Client => report_mistakes(index, wrong, &known, mistakes),
            // A client is not to blame for fallbacks that the operator named.
            FallbackSource::Operator if !wrong.is_empty() => continue,
            FallbackSource::Operator => {}
        }
        models.extend(fallback);
    }
    // An operator names only as many as may be used.
    let default_depth = if fallbacks.source == FallbackSource::Client { 1 } else { models.len() };
    PlannedFallbacks { models, default_depth }
}

/// Adds the mistakes of a fallback, without those that the request itself has.
fn report_mistakes(
    index: usize,
    found: Vec<Mistake>,
    of_request: &[Mistake],
    mistakes: &mut Vec<Mistake>,
) {
    for mistake in found.into_iter().filter(|mistake| !of_request.contains(mistake)) {
        let param = format!("fallbacks[{index}].{}", mistake.param);
        let message = format!("fallbacks[{index}]: {}", mistake.message);
        mistakes.push(Mistake { param, message, ..mistake });
    }
}

/// Plans one fallback. The mistakes include those of the request, whose fields the fallback inherits.
fn plan_fallback<'a>(
    context: &PlanContext<'_>,
    request: &Request<'a>,
    fallbacks: &Fallbacks<'a>,
    index: usize,
) -> (Option<Vec<PlannedAttempt>>, Vec<Mistake>) {
    let merged = match fallbacks.merged(&request.parameters, index) {
        Ok(merged) => merged,
        Err(mistake) => return (None, vec![mistake]),
    };
    let (merged, mut mistakes) = Request::check(merged);
    if transcript_id(&merged) != transcript_id(request) {
        let problem = "transcript_id must be that of the request";
        mistakes.push(Mistake::new(MistakeKind::Invalid, "transcript_id", problem));
    }
    let checked = plan_model(context, &merged, RequestVariant::fallback(index), &mut mistakes);
    let attempts = checked.map(|checked| {
        let CheckedModel { primary, siblings, .. } = checked;
        [primary].into_iter().chain(siblings).collect()
    });
    (attempts, mistakes)
}

/// Returns the value of `transcript_id` as it was sent. One transcript is fetched for all attempts.
fn transcript_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.parameters.get(Parameter::TranscriptId).map(RawValue::get)
}
