//! Fallbacks of a request: for each entry of `fallbacks`, the client's request overridden by the
//! entry. Both roles read them from the same body, with the same result.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    chat::{
        mistake::{Mistake, MistakeKind, without_position},
        object::{JsonObject, ObjectFields},
        parameter::{ClientApi, OriginalRequest, Parameter, Parameters},
    },
    config::Config,
    embeddings,
    failover::MAX_DEPTH,
};

/// The maximum number of entries. At most two are tried; each is read as a request of its own, and
/// a body has room for a hundred thousand.
const MAX_ENTRIES: usize = 8;

/// Entries of `fallbacks`, in order.
#[derive(Debug)]
pub struct Fallbacks<'a> {
    /// The entries: objects in JSON.
    entries: Vec<&'a str>,
    /// The source of the entries.
    pub source: FallbackSource,
}

/// Source of fallbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallbackSource {
    /// The client's request.
    Client,
    /// The operator's configuration of the model, for a request without `fallbacks`.
    Operator,
}

impl<'a> Fallbacks<'a> {
    /// Returns the fallbacks of a request, or the operator's if the request has none.
    pub fn from_request<'c: 'a>(
        parameters: &Parameters<'a>,
        model: &str,
        config: &'c Config,
    ) -> Result<Self, Mistake> {
        let Some(raw) = parameters.get(Parameter::Fallbacks) else {
            let entries = config.model(model).map(|(_, model)| model.fallbacks.as_slice());
            let entries = entries.unwrap_or_default().iter().map(String::as_str).collect();
            return Ok(Self { entries, source: FallbackSource::Operator });
        };
        let wrong = |problem: &str| Mistake::new(MistakeKind::Invalid, "fallbacks", problem);
        let entries: Vec<&'a RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| wrong("fallbacks must be an array of objects"))?;
        if entries.len() > MAX_ENTRIES {
            return Err(wrong(&format!("fallbacks cannot be more than {MAX_ENTRIES}")));
        }
        Ok(Self {
            entries: entries.into_iter().map(RawValue::get).collect(),
            source: FallbackSource::Client,
        })
    }

    /// Returns the number of entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Returns `parameters` overridden by the entry at an index, or the mistake in the entry.
    pub fn merged(
        &self,
        parameters: &Parameters<'a>,
        index: usize,
    ) -> Result<Parameters<'a>, Mistake> {
        let entry = self.entries.get(index).copied().unwrap_or_default();
        let over: Parameters<'a> = serde_json::from_str(entry).map_err(|error| {
            let twice = entry.starts_with('{').then(|| without_position(&error));
            let problem = twice.as_deref().unwrap_or("must be an object with model");
            Mistake::new(MistakeKind::Invalid, "model", problem)
        })?;
        if !over.has(Parameter::Model) {
            return Err(Mistake::new(MistakeKind::Missing, "model", "model is required"));
        }
        // What a fallback says of the plan has no effect and is reported as dropped.
        let mut request = parameters.clone();
        Parameter::OF_PLAN.into_iter().for_each(|parameter| request.remove(parameter));
        let mut merged = request.merged(&over);
        if merged.embeddings.is_some() {
            merged = embeddings::request::adapt(merged);
        }
        merged.is_fallback = true;
        merged.original = self.merged_original(parameters, &over, index);
        Ok(merged)
    }

    /// Returns the client's request in its own API, overridden by the entry at an index. `None` if the
    /// entry is the operator's and overrides more of a request that a provider may get as it is than
    /// the model: the entry is a chat request.
    fn merged_original(
        &self,
        parameters: &Parameters<'a>,
        over: &Parameters<'a>,
        index: usize,
    ) -> Option<Rc<OriginalRequest<'a>>> {
        let original = parameters.original.as_ref()?;
        if self.source == FallbackSource::Operator {
            let names_only_a_model = over.present().all(|(name, _)| name == Parameter::Model);
            let is_usable = names_only_a_model || original.api == ClientApi::Responses;
            return is_usable.then(|| Rc::clone(original));
        }
        let entries = original.fields.get(Parameter::Fallbacks.name())?;
        let entries: Vec<ObjectFields<'a>> = serde_json::from_str(entries.get()).ok()?;
        let fields = entries.get(index).map(|entry| original.fields.merged(entry));
        fields.map(|fields| Rc::new(OriginalRequest { api: original.api, body: None, fields }))
    }
}

/// `fallback_config` of a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct FallbackConfig {
    /// The maximum number of fallbacks to try.
    pub depth: Option<u8>,
    /// True for a retry with the same model before any fallback.
    pub retry: Option<bool>,
    /// The time without content, in milliseconds, after which the next attempt starts in parallel.
    pub hedge_ms: Option<u32>,
}

impl FallbackConfig {
    /// Reads `fallback_config` of a request.
    pub fn from_request(parameters: &Parameters<'_>) -> Result<Self, Mistake> {
        let Some(raw) = parameters.get(Parameter::FallbackConfig) else {
            return Ok(Self::default());
        };
        let wrong = |problem| Mistake::new(MistakeKind::Invalid, "fallback_config", problem);
        match serde_json::from_str(raw.get()) {
            Ok(JsonObject(Self { depth: Some(depth), .. })) if depth > MAX_DEPTH => {
                Err(wrong(TOO_DEEP))
            }
            Ok(JsonObject(config)) => Ok(config),
            Err(_) => Err(wrong(config_problem(raw))),
        }
    }
}

/// The wording of LLM Gateway, *Fallbacks*.
const TOO_DEEP: &str = "fallback_config depth cannot be greater than 2";

/// Returns the problem of an invalid `fallback_config`: that of its first invalid field.
fn config_problem(raw: &RawValue) -> &'static str {
    #[derive(Deserialize)]
    struct FallbackConfigFields<'a> {
        #[serde(borrow)]
        depth: Option<&'a RawValue>,
        #[serde(borrow)]
        retry: Option<&'a RawValue>,
    }
    let Ok(JsonObject(fields)) =
        serde_json::from_str::<JsonObject<FallbackConfigFields<'_>>>(raw.get())
    else {
        return "fallback_config must be an object with retry, depth and hedge_ms";
    };
    match (fields.depth, fields.retry) {
        (Some(depth), _) if !parses_as::<u64>(depth) => {
            "fallback_config depth must be an integer from 0 to 2"
        }
        (Some(depth), _) if !parses_as::<u8>(depth) => TOO_DEEP,
        (_, Some(retry)) if !parses_as::<bool>(retry) => {
            "fallback_config retry must be true or false"
        }
        _ => "fallback_config hedge_ms must be an integer of milliseconds",
    }
}

fn parses_as<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> bool {
    serde_json::from_str::<T>(raw.get()).is_ok()
}
