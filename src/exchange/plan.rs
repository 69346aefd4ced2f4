//! The attempts of one exchange, in order. Everything about them is checked before the first.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Gateway;
use crate::{
    chat::{
        parameter::{Parameter, Parameters},
        request::{Mistake, Request},
    },
    provider,
    region::Region,
    time::Timestamp,
};

/// The most fallbacks a request may ask to be traversed. LLM Gateway, *Fallbacks*.
const MAX_DEPTH: u8 = 2;

/// The most fallbacks a request may name. More than two are never asked; each is read as a whole
/// request of its own, and a body has room for a hundred thousand.
const MAX_FALLBACKS: usize = 8;

/// The attempts of one exchange.
#[derive(Debug)]
pub struct Plan {
    attempts: Vec<Planned>,
    /// Attempts that came to an end, in order.
    made: Vec<Made>,
    /// When the attempt under way began.
    begun: Timestamp,
}

/// An attempt that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The model, as the operator spells it.
    pub model: String,
    /// Who is asked.
    pub provider: String,
    /// Where the data goes.
    pub region: Region,
    /// Envoy's cluster for it.
    pub cluster: String,
}

/// An attempt that was made.
#[derive(Debug)]
struct Made {
    model: String,
    status: u16,
    took: Duration,
}

#[derive(Default, Deserialize)]
struct FallbackConfig {
    depth: Option<u8>,
    #[serde(rename = "retry")]
    _retry: Option<bool>,
    #[serde(rename = "hedge_ms")]
    _hedge_ms: Option<u32>,
}

impl Plan {
    /// Plans for a request, or names all that is wrong with it and with its fallbacks.
    pub fn new(
        gateway: &Gateway,
        parameters: Parameters<'_>,
        now: Timestamp,
    ) -> Result<Self, Vec<Mistake>> {
        let (request, mut mistakes) = Request::read(parameters);
        let primary = check(gateway, &request, &mut mistakes);
        check_fallbacks(gateway, &request, &mut mistakes);
        match primary {
            Some(primary) if mistakes.is_empty() => {
                Ok(Self { attempts: vec![primary], made: Vec::new(), begun: now })
            }
            _ => Err(mistakes),
        }
    }

    /// The attempt under way.
    pub fn current(&self) -> Option<&Planned> {
        self.attempts.first()
    }

    /// Keeps how the attempt under way ended.
    pub fn record(&mut self, status: u16, now: Timestamp) {
        let took = now.since(self.begun);
        if let Some(model) = self.current().map(|attempt| attempt.model.clone()) {
            self.made.push(Made { model, status, took });
        }
    }

    /// The value of `x-attache-attempts`: model, status, and the time until that was known.
    pub fn told(&self) -> String {
        let told =
            |made: &Made| format!("{}={}/{}ms", made.model, made.status, made.took.as_millis());
        self.made.iter().map(told).collect::<Vec<_>>().join(" ")
    }
}

/// Whether a request can be served, and where.
fn check(gateway: &Gateway, request: &Request<'_>, mistakes: &mut Vec<Mistake>) -> Option<Planned> {
    if request.model.is_empty() {
        return None;
    }
    let region = region(gateway, request, mistakes);
    let model = request.model.as_ref();
    let Some(target) = gateway.config.target(model, region) else {
        mistakes.push(not_here(gateway, model));
        return None;
    };
    let mut fit = provider::fit(request, &target);
    mistakes.append(&mut fit.refused);
    if gateway.config.strict_parameters {
        let strict = |name: &str| format!("model {} does not take {name}", target.name);
        mistakes.extend(fit.dropped.iter().map(|name| Mistake::new(name.as_ref(), strict(name))));
    }
    Some(Planned {
        model: target.name.to_owned(),
        provider: target.endpoint.provider.clone(),
        region,
        cluster: target.cluster(),
    })
}

/// Why a model cannot be had where it was asked for.
fn not_here(gateway: &Gateway, model: &str) -> Mistake {
    let is_in = |region| gateway.config.target(model, region).is_some();
    let problem = if is_in(gateway.region) {
        "cannot be used with model_region = 'global'"
    } else if gateway.region.may_reach(Region::Global) && is_in(Region::Global) {
        "can only be used with model_region = 'global'"
    } else {
        "is not supported"
    };
    let shown: String = model.chars().take(100).collect();
    Mistake::new("model", format!("model {shown} {problem}"))
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
    mistakes.push(Mistake::new("model_region", problem));
    gateway.region
}

/// Checks each fallback as if it had been asked for itself.
fn check_fallbacks(gateway: &Gateway, request: &Request<'_>, mistakes: &mut Vec<Mistake>) {
    check_depth(request, mistakes);
    let Some(raw) = request.parameters.get(Parameter::Fallbacks) else { return };
    let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        mistakes.push(Mistake::new("fallbacks", "fallbacks must be an array of objects"));
        return;
    };
    if entries.len() > MAX_FALLBACKS {
        let problem = format!("fallbacks cannot be more than {MAX_FALLBACKS}");
        mistakes.push(Mistake::new("fallbacks", problem));
        return;
    }
    let of_request = mistakes.clone();
    for (index, entry) in entries.into_iter().enumerate() {
        for mistake in check_fallback(gateway, request, entry) {
            // What it inherits has been said.
            if !of_request.contains(&mistake) {
                let param = format!("fallbacks[{index}].{}", mistake.param);
                let message = format!("fallbacks[{index}]: {}", mistake.message);
                mistakes.push(Mistake { param, message });
            }
        }
    }
}

/// The mistakes of a fallback, those of the request it takes the rest from among them.
fn check_fallback(gateway: &Gateway, request: &Request<'_>, entry: &RawValue) -> Vec<Mistake> {
    let Ok(over) = serde_json::from_str::<Parameters<'_>>(entry.get()) else {
        return vec![Mistake::new("model", "must be an object with model")];
    };
    if !over.has(Parameter::Model) {
        return vec![Mistake::new("model", "model is required")];
    }
    let mut merged = request.parameters.merged(&over);
    merged.remove(Parameter::Fallbacks);
    merged.remove(Parameter::FallbackConfig);
    let (merged, mut mistakes) = Request::read(merged);
    check(gateway, &merged, &mut mistakes);
    mistakes
}

fn check_depth(request: &Request<'_>, mistakes: &mut Vec<Mistake>) {
    let Some(raw) = request.parameters.get(Parameter::FallbackConfig) else { return };
    let Ok(config) = serde_json::from_str::<FallbackConfig>(raw.get()) else {
        let problem = "fallback_config must be an object with retry, depth and hedge_ms";
        mistakes.push(Mistake::new("fallback_config", problem));
        return;
    };
    if config.depth.is_some_and(|depth| depth > MAX_DEPTH) {
        let problem = "fallback_config depth cannot be greater than 2";
        mistakes.push(Mistake::new("fallback_config", problem));
    }
}
