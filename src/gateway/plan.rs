//! The attempts of one exchange, in order. Everything about them is checked before the first.

use std::time::Duration;

use serde_json::value::RawValue;

use super::Gateway;
use crate::{
    chat::{
        attempt_log::AttemptLog,
        mistake::{Mistake, MistakeKind},
        parameter::{Parameter, Parameters},
        request::Request,
    },
    config::{Deadlines, Target, limits::Rate},
    failover::{Failover, skip},
    fallbacks::{FallbackConfig, FallbackSource, Fallbacks},
    handoff::ticket::{AttemptTarget, Lane, Ticket},
    provider,
    region::Region,
    time::Timestamp,
};

/// The attempts of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Who makes the attempts after the first.
    pub lane: Lane,
    /// After how long without content the next attempt begins beside the first.
    pub hedge: Option<Duration>,
    /// The first.
    pub primary: PlannedAttempt,
    /// Whether the first is made a second time before anybody else is asked.
    retry: bool,
    /// Those that may follow then.
    fallbacks: Vec<PlannedAttempt>,
}

/// An attempt that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAttempt {
    /// Which request is made: 0 is the client's own, then its fallbacks in order.
    pub variant: usize,
    /// The model, as the operator spells it.
    pub model: String,
    /// Who is asked.
    pub provider: String,
    /// Where the gateway stands.
    gateway_region: Region,
    /// Where the data goes.
    pub region: Region,
    /// Envoy's cluster for it.
    pub cluster: String,
    /// How long it may take.
    pub deadlines: Deadlines,
    /// Their class.
    deadline_profile: String,
    /// After how long without content its operator would have another attempt begin.
    hedge: Option<Duration>,
}

impl Plan {
    /// Plans for a request, or names all that is wrong with it and with its fallbacks.
    pub fn new(
        gateway: &Gateway,
        account: &str,
        parameters: Parameters<'_>,
    ) -> Result<Self, Vec<Mistake>> {
        let (request, mut mistakes) = Request::check(parameters);
        let around = PlanContext { gateway, account };
        let primary = plan_attempt(&around, &request, 0, &mut mistakes);
        let config = FallbackConfig::of(&request.parameters);
        let config = config.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            FallbackConfig::default()
        });
        let fallbacks = plan_fallbacks(&around, &request, &mut mistakes);
        let Some(primary) = primary.filter(|_| mistakes.is_empty()) else { return Err(mistakes) };
        let asked = config.hedge_ms.map(u64::from).map(Duration::from_millis);
        let PlannedFallbacks { mut planned, depth } = fallbacks;
        planned.truncate(config.depth.map_or(depth, usize::from));
        Ok(Self {
            lane: if request.stream { Lane::Stream } else { Lane::Answer },
            hedge: asked.or(primary.hedge).filter(|hedge| !hedge.is_zero()),
            retry: config.retry.unwrap_or(true),
            fallbacks: planned,
            primary,
        })
    }

    /// How many attempts may follow the first.
    pub fn max_retries(&self) -> usize {
        usize::from(self.retry) + self.fallbacks.len()
    }

    /// Whether this request may be made: 0 is the client's own, then its fallbacks in order.
    pub fn asks(&self, entry: usize) -> bool {
        entry == 0 || self.fallbacks.iter().any(|planned| planned.variant == entry)
    }

    /// The attempt at a place in the plan.
    pub fn get(&self, place: usize) -> Option<&PlannedAttempt> {
        let first = 1 + usize::from(self.retry);
        place.checked_sub(first).map_or(Some(&self.primary), |place| self.fallbacks.get(place))
    }

    /// The longest silence in a stream that any of its models may need.
    pub fn max_idle(&self) -> Duration {
        let others = self.fallbacks.iter().map(|planned| planned.deadlines.idle);
        others.fold(self.primary.deadlines.idle, Duration::max)
    }

    fn rest(&self, place: usize) -> impl Iterator<Item = &PlannedAttempt> {
        (place + 1..=self.max_retries()).filter_map(|place| self.get(place))
    }

    /// The place of the attempt that a stream's ticket is for.
    pub fn place(&self, ticket: &Ticket) -> usize {
        self.max_retries().saturating_sub(ticket.rest.len())
    }

    /// The place of the attempt that follows one which ended so.
    pub fn after(&self, place: usize, next: Failover) -> Option<usize> {
        let entry = self.get(place)?.variant;
        let rest = self.rest(place).map(|planned| planned.variant);
        skip(next, entry, rest).map(|skipped| place + 1 + skipped)
    }

    /// The ticket of the attempt at a place, where those that follow come from Envoy's router in the
    /// stream lane. It does not say yet who asks, and since when.
    pub fn ticket(&self, place: usize, request_id: &str, made: AttemptLog) -> Option<Ticket> {
        let first = self.get(place)?;
        let ticket = first.ticket(self.lane, request_id, made);
        if self.lane == Lane::Answer {
            return Some(ticket);
        }
        // Envoy's router has one deadline for every attempt: the most patient model's.
        let patience = |own: &&PlannedAttempt| own.deadlines.first_content;
        let patient = self.rest(place).max_by_key(patience);
        let patient = patient.filter(|own| patience(own) > first.deadlines.first_content);
        let class = patient.unwrap_or(first).deadline_profile.clone();
        Some(Ticket {
            rest: self.rest(place).map(PlannedAttempt::target).collect(),
            deadline_profile: class,
            ..ticket
        })
    }
}

impl PlannedAttempt {
    /// The ticket of this attempt alone. It does not say yet who asks, and since when.
    pub fn ticket(&self, lane: Lane, request_id: &str, made: AttemptLog) -> Ticket {
        let (leg, request_id, account) = (self.target(), request_id.to_owned(), String::new());
        let (home, class, rest) = (self.gateway_region, self.deadline_profile.clone(), Vec::new());
        let (version, started, due, standing) = (String::new(), Timestamp::default(), None, None);
        Ticket {
            lane,
            deadline_profile: class,
            version,
            request_id,
            started,
            gateway_region: home,
            target: leg,
            rest,
            due,
            account,
            limit_status: standing,
            attempt_log: made,
        }
    }

    fn target(&self) -> AttemptTarget {
        let (model, cluster) = (self.model.clone(), self.cluster.clone());
        AttemptTarget { variant: self.variant, model, cluster }
    }
}

/// Who asks, and where.
struct PlanContext<'g> {
    gateway: &'g Gateway,
    account: &'g str,
}

/// Whether a request can be served, and where.
fn plan_attempt(
    around: &PlanContext<'_>,
    request: &Request<'_>,
    entry: usize,
    mistakes: &mut Vec<Mistake>,
) -> Option<PlannedAttempt> {
    let PlanContext { gateway, account } = around;
    if request.model.is_empty() {
        return None;
    }
    let region = region(gateway, request, mistakes);
    let model = request.model.as_ref();
    let Some(target) = gateway.config.target(model, region) else {
        mistakes.push(unavailable_model(gateway, model));
        return None;
    };
    if gateway.config.limits(account, target.name).requests == Rate::Nothing {
        mistakes.push(Mistake::new(MistakeKind::NoModel, "model", NO_ACCESS));
        return None;
    }
    check_fit(gateway, request, &target, mistakes);
    Some(PlannedAttempt {
        variant: entry,
        model: target.name.to_owned(),
        provider: target.endpoint.provider.clone(),
        gateway_region: gateway.region,
        region,
        cluster: target.cluster(),
        deadlines: target.model.deadlines,
        deadline_profile: target.model.class.clone(),
        hedge: target.model.hedge,
    })
}

fn check_fit(
    gateway: &Gateway,
    request: &Request<'_>,
    target: &Target<'_>,
    mistakes: &mut Vec<Mistake>,
) {
    let mut fit = provider::fit(request, target);
    mistakes.append(&mut fit.refused);
    if gateway.config.strict_parameters {
        let strict = |name: &str| format!("model {} does not take {name}", target.name);
        mistakes.extend(
            fit.dropped
                .iter()
                .map(|name| Mistake::new(MistakeKind::Unsupported, name.as_ref(), &strict(name))),
        );
    }
}

/// What an account is told that may not ask this model. LLM Gateway, *Troubleshooting*.
const NO_ACCESS: &str = "Your account does not have access to this LLM Gateway model";

/// Why a model cannot be had where it was asked for.
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

/// Where a request is to be served. One that may not go there is checked as if it stayed.
fn region(gateway: &Gateway, request: &Request<'_>, mistakes: &mut Vec<Mistake>) -> Region {
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

/// The fallbacks that may be asked, and how many of them are when nobody says.
#[derive(Default)]
struct PlannedFallbacks {
    planned: Vec<PlannedAttempt>,
    depth: usize,
}

/// Checks each fallback as if it had been asked for itself.
fn plan_fallbacks(
    around: &PlanContext<'_>,
    request: &Request<'_>,
    mistakes: &mut Vec<Mistake>,
) -> PlannedFallbacks {
    let fallbacks = match Fallbacks::of(&request.parameters, &request.model, &around.gateway.config)
    {
        Ok(fallbacks) => fallbacks,
        Err(mistake) => {
            mistakes.push(mistake);
            return PlannedFallbacks::default();
        }
    };
    let of_request = if fallbacks.count() > 0 { mistakes.clone() } else { Vec::new() };
    let mut planned = Vec::new();
    for index in 0..fallbacks.count() {
        let (fallback, wrong) = plan_fallback(around, request, &fallbacks, index);
        match fallbacks.by {
            FallbackSource::Client => report_mistakes(index, wrong, &of_request, mistakes),
            // What the operator's fallbacks lack is no mistake of the client's.
            FallbackSource::Operator if !wrong.is_empty() => continue,
            FallbackSource::Operator => {}
        }
        planned.extend(fallback);
    }
    // An operator names no more than are to be asked.
    let depth = if fallbacks.by == FallbackSource::Client { 1 } else { planned.len() };
    PlannedFallbacks { planned, depth }
}

/// Keeps the mistakes of a fallback, but for those it has in common with the request.
fn report_mistakes(
    index: usize,
    wrong: Vec<Mistake>,
    of_request: &[Mistake],
    mistakes: &mut Vec<Mistake>,
) {
    for mistake in wrong.into_iter().filter(|mistake| !of_request.contains(mistake)) {
        let param = format!("fallbacks[{index}].{}", mistake.param);
        let message = format!("fallbacks[{index}]: {}", mistake.message);
        mistakes.push(Mistake { param, message, ..mistake });
    }
}

/// A fallback and its mistakes, those of the request it takes the rest from among them.
fn plan_fallback<'a>(
    around: &PlanContext<'_>,
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
    let planned = plan_attempt(around, &merged, index + 1, &mut mistakes);
    (planned, mistakes)
}

/// One transcript is fetched, for all attempts.
fn transcript_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.parameters.get(Parameter::TranscriptId).map(RawValue::get)
}
