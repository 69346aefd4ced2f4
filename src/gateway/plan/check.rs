//! Planning a request: its checks, and those of its fallbacks.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Plan, PlannedAttempt};
use crate::{
    api_schema::{self, PreparedRequest},
    attempt::{AttemptDraft, DraftContext},
    chat::{
        error::Error,
        mistake::{Mistake, MistakeKind},
        parameter::{Parameter, Parameters},
        request::Request,
        request_variant::RequestVariant,
    },
    config::{ModelKind, Target, limits::Rate},
    fallbacks::{FallbackConfig, FallbackSource, Fallbacks},
    gateway::Gateway,
    handoff::ticket::Lane,
    region::Region,
};

impl Plan {
    /// Plans a request, and drafts the first attempt if the gateway role makes it. The error lists all
    /// mistakes of the request and of its fallbacks.
    pub fn new(
        gateway: &Gateway,
        account: &str,
        exchange: DraftContext<'_>,
        parameters: Parameters<'_>,
    ) -> Result<(Self, Option<FirstDraft>), Vec<Mistake>> {
        let (request, mut mistakes) = Request::check(parameters);
        let context = PlanContext { gateway, account };
        let primary = plan_attempt(&context, &request, RequestVariant::OWN, &mut mistakes);
        let config = FallbackConfig::from_request(&request.parameters);
        let config = config.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            FallbackConfig::default()
        });
        let fallbacks = plan_fallbacks(&context, &request, &mut mistakes);
        let Some(CheckedAttempt { planned: mut primary, target, prepared }) =
            primary.filter(|_| mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        let counts_tokens = exchange.inlet.counts_tokens();
        let is_stream = request.stream && !counts_tokens;
        // The body of a request with a transcript is not complete yet.
        let is_drafted = !is_stream && !request.parameters.has(Parameter::TranscriptId);
        let draft = is_drafted.then(|| {
            let cluster = gateway.cluster(&primary.provider, primary.region);
            AttemptDraft::new(&cluster, &request, target, &prepared, exchange)
        });
        let hedge = config.hedge_ms.map(u64::from).map(Duration::from_millis);
        let PlannedFallbacks { mut attempts, default_depth } = fallbacks;
        let depth = config.depth.map_or(default_depth, usize::from);
        // Another model would count tokens otherwise.
        let is_single = request.fail_fast || counts_tokens;
        attempts.truncate(if is_single { 0 } else { depth });
        let total = &mut primary.deadlines.total;
        *total = request.max_timeout.map_or(*total, |own| own.min(*total));
        let plan = Self {
            lane: if is_stream { Lane::Stream } else { Lane::Answer },
            hedge: hedge.or(primary.hedge).filter(|hedge| !hedge.is_zero()),
            max_timeout: request.max_timeout,
            shown_model: gateway.config.shown_name(&primary.model, &request.model).to_owned(),
            retry: config.retry.unwrap_or(true) && !request.fail_fast,
            fallbacks: attempts,
            primary,
        };
        Ok((plan, draft))
    }
}

/// Draft of the first attempt, or the error of its translation.
pub type FirstDraft = Result<AttemptDraft, Error>;

/// Caller of a request, and the gateway.
struct PlanContext<'g> {
    gateway: &'g Gateway,
    account: &'g str,
}

/// Attempt whose request is checked.
struct CheckedAttempt<'c> {
    planned: PlannedAttempt,
    target: Target<'c>,
    /// Request, fitted to the target.
    prepared: PreparedRequest<'c>,
}

/// Plans the attempt for one request. `None` comes with a mistake.
fn plan_attempt<'c>(
    context: &PlanContext<'c>,
    request: &'c Request<'c>,
    variant: RequestVariant,
    mistakes: &mut Vec<Mistake>,
) -> Option<CheckedAttempt<'c>> {
    let PlanContext { gateway, account } = context;
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
    let prepared = check_fit(gateway, request, &target, mistakes);
    let planned = PlannedAttempt {
        variant,
        model: target.name.to_owned(),
        provider: target.endpoint.provider.clone(),
        region,
        cluster: target.cluster(),
        deadlines: target.model.deadlines,
        deadline_profile: target.model.deadline_profile.clone(),
        hedge: target.model.hedge,
    };
    Some(CheckedAttempt { planned, target, prepared })
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
    attempts: Vec<PlannedAttempt>,
    /// Number of them that are made if the request has no `depth`.
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
    let mut attempts = Vec::new();
    for index in 0..fallbacks.count() {
        let (fallback, wrong) = plan_fallback(context, request, &fallbacks, index);
        match fallbacks.source {
            FallbackSource::Client => report_mistakes(index, wrong, &known, mistakes),
            // A client is not to blame for fallbacks that the operator named.
            FallbackSource::Operator if !wrong.is_empty() => continue,
            FallbackSource::Operator => {}
        }
        attempts.extend(fallback);
    }
    // An operator names only as many as may be used.
    let default_depth = if fallbacks.source == FallbackSource::Client { 1 } else { attempts.len() };
    PlannedFallbacks { attempts, default_depth }
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
) -> (Option<PlannedAttempt>, Vec<Mistake>) {
    let merged = match fallbacks.merged(&request.parameters, index) {
        Ok(merged) => merged,
        Err(mistake) => return (None, vec![mistake]),
    };
    let (merged, mut mistakes) = Request::check(merged);
    if transcript_id(&merged) != transcript_id(request) {
        let problem = "transcript_id must be that of the request";
        mistakes.push(Mistake::new(MistakeKind::Invalid, "transcript_id", problem));
    }
    let checked = plan_attempt(context, &merged, RequestVariant::fallback(index), &mut mistakes);
    (checked.map(|checked| checked.planned), mistakes)
}

/// Returns the value of `transcript_id` as it was sent. One transcript is fetched for all attempts.
fn transcript_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.parameters.get(Parameter::TranscriptId).map(RawValue::get)
}
