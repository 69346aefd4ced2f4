//! What clients may ask for, and what it can do.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use serde_json::json;

use super::{
    Deadlines, Price, Provider,
    read::{Node, Object, one_of},
    read_deadlines,
};
use crate::{
    chat::{
        effort::Effort,
        message::Modality,
        parameter::{Parameter, ParameterScope},
        tools::{ResponseFormat, ToolChoice},
    },
    failover::MAX_DEPTH,
    region::{PerRegion, Region},
};

/// When a model takes `temperature`, `top_p` and `logprobs`, if it takes them at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// With every request.
    Always,
    /// Only while it does not think.
    EffortNone,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// By an effort; it decides itself when and how long.
    Adaptive,
    /// By a number of tokens.
    Budget,
    /// By an effort alone, without a word about thoughts.
    Effort,
}

/// A model clients may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What people call it.
    pub name: String,
    /// Where it runs, per region.
    pub endpoints: PerRegion<Endpoint>,
    /// Tokens of prompt and answer together.
    pub context_length: NonZeroU32,
    /// The longest answer, in tokens.
    pub max_output_tokens: NonZeroU32,
    /// The shortest limit it accepts for an answer, in tokens.
    pub min_output_tokens: NonZeroU32,
    /// What it can be shown.
    pub input: Vec<Modality>,
    /// The parameters it takes, besides those every model takes.
    pub supported_parameters: Vec<Parameter>,
    /// The forms of `tool_choice` it takes.
    pub tool_choices: Vec<&'static str>,
    /// The forms of `response_format` it takes.
    pub response_formats: Vec<&'static str>,
    /// The efforts it takes.
    pub reasoning_efforts: Vec<Effort>,
    /// The effort of a request that names none.
    pub default_reasoning_effort: Effort,
    /// How it is told to think, where its API schema has several ways. `None`: the usual way there.
    pub thinking: Option<Thinking>,
    /// Whether it goes on with an answer that the conversation ends in.
    pub prefill: bool,
    /// When it takes sampling parameters.
    pub sampling: Sampling,
    /// The highest temperature it takes.
    pub max_temperature: f64,
    /// How long its answers may take.
    pub deadlines: Deadlines,
    /// Their class. See [`Deadlines::class`].
    pub class: String,
    /// Requests that are made in its place when it fails and the client has named none, as JSON
    /// objects that go over the client's request.
    pub fallbacks: Vec<String>,
    /// After how long without content the next attempt begins beside the first, where the client
    /// does not say. `None`: never.
    pub hedge: Option<Duration>,
    /// What it costs. `None`: nobody says.
    pub price: Option<Price>,
    /// The day its provider ends it, `YYYY-MM-DD`. Listed, not acted upon.
    pub retirement_date: Option<String>,
}

/// Where a model runs in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The provider's name.
    pub provider: String,
    /// What the provider calls the model.
    pub upstream_model: String,
}

impl Model {
    /// Reads one entry of `models`.
    pub(super) fn read(node: &Node<'_>, around: &Around<'_>) -> Self {
        let Around { names, providers, deadlines } = *around;
        let before = node.mistakes();
        let mut entry = node.object();
        let mut model = Self {
            name: entry
                .required("name", "what people call it")
                .map(|node| node.string())
                .unwrap_or_default(),
            endpoints: read_endpoints(&mut entry, providers),
            context_length: required_tokens(&mut entry, "context_length"),
            max_output_tokens: required_tokens(&mut entry, "max_output_tokens"),
            min_output_tokens: entry
                .optional("min_output_tokens")
                .map_or(NonZeroU32::MIN, |node| node.positive()),
            input: read_input(&mut entry),
            supported_parameters: read_parameters(&mut entry),
            tool_choices: read_forms(&mut entry, "tool_choices", ToolChoice::FORMS)
                .unwrap_or_else(|| ToolChoice::FORMS.to_vec()),
            response_formats: read_forms(&mut entry, "response_formats", ResponseFormat::FORMS)
                .unwrap_or_default(),
            reasoning_efforts: entry
                .optional("reasoning_efforts")
                .map(|node| node.words(&efforts()))
                .unwrap_or_default(),
            default_reasoning_effort: entry
                .optional("default_reasoning_effort")
                .and_then(|node| node.word(&efforts()))
                .unwrap_or(Effort::None),
            thinking: entry.optional("thinking").and_then(|node| node.word(&THINKING)),
            prefill: entry.optional("prefill").is_some_and(|node| node.bool()),
            sampling: entry
                .optional("sampling")
                .and_then(|node| node.word(&SAMPLING))
                .unwrap_or(Sampling::Always),
            max_temperature: entry
                .optional("max_temperature")
                .map_or(2.0, |node| node.decimal(0.0, 2.0)),
            deadlines: entry
                .optional("deadlines")
                .map_or(deadlines, |node| read_deadlines(&node, deadlines)),
            class: String::new(),
            fallbacks: entry
                .optional("fallbacks")
                .map(|node| read_fallbacks(&node, names))
                .unwrap_or_default(),
            hedge: entry.optional("hedge").map(|node| node.duration()),
            price: entry.optional("price").map(|node| Price::read(&node)),
            retirement_date: entry.optional("retirement_date").map(|node| node.date()),
        };
        model.class = model.deadlines.class();
        // Where a value is wrong, so is what follows from it.
        if node.mistakes() == before {
            model.check(&entry);
        }
        entry.finish();
        model
    }

    /// Keeps the mistakes that take two values to see.
    fn check(&self, entry: &Object<'_>) {
        let (context, most) = (self.context_length, self.max_output_tokens);
        if most > context {
            let allowed = format!("at most the context_length, `{context}`");
            entry.wrong("max_output_tokens", allowed);
        }
        if self.min_output_tokens > most {
            entry.wrong("min_output_tokens", format!("at most the max_output_tokens, `{most}`"));
        }
        self.check_forms(entry);
        self.check_efforts(entry);
    }

    fn check_forms(&self, entry: &Object<'_>) {
        let forms = [
            ("tool_choices", self.tool_choices.is_empty(), Parameter::ToolChoice),
            ("response_formats", self.response_formats.is_empty(), Parameter::ResponseFormat),
            ("reasoning_efforts", self.reasoning_efforts.is_empty(), Parameter::ReasoningEffort),
        ];
        for (key, is_empty, parameter) in forms {
            let name = parameter.name();
            match (self.supports(parameter), is_empty) {
                (true, true) => {
                    entry.wrong(key, format!("at least one, as supported_parameters has `{name}`"))
                }
                // All forms of `tool_choice` are there without a word.
                (false, false) if parameter != Parameter::ToolChoice => {
                    entry.wrong(key, format!("nothing, unless supported_parameters has `{name}`"));
                }
                _ => {}
            }
        }
    }

    fn check_efforts(&self, entry: &Object<'_>) {
        let offered = &self.reasoning_efforts;
        let default = self.default_reasoning_effort;
        let none_of_none = offered.is_empty() && default == Effort::None;
        if !offered.contains(&default) && !none_of_none {
            let offered = one_of(offered.iter().map(|effort| effort.name()));
            entry.wrong("default_reasoning_effort", format!("one of reasoning_efforts: {offered}"));
        }
    }

    /// Whether it takes a parameter.
    pub fn supports(&self, parameter: Parameter) -> bool {
        self.supported_parameters.contains(&parameter)
    }
}

/// What an entry of `models` may refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'c> {
    /// Every model's name.
    pub(super) names: &'c [&'c str],
    /// Who runs models.
    pub(super) providers: &'c BTreeMap<String, Provider>,
    /// The deadlines of a model that names none.
    pub(super) deadlines: Deadlines,
}

/// Names of models, as the objects that a client would send.
fn read_fallbacks(node: &Node<'_>, names: &[&str]) -> Vec<String> {
    let items = node.list();
    if items.len() > usize::from(MAX_DEPTH) {
        node.wrong(format!("at most {MAX_DEPTH} models"));
    }
    let read = |item: &Node<'_>| {
        let name = item.string();
        if !name.is_empty() && !names.contains(&name.as_str()) {
            item.wrong(one_of(names.iter().copied()));
        }
        json!({ "model": name }).to_string()
    };
    items.iter().map(read).collect()
}

const SAMPLING: [(&str, Sampling); 2] =
    [("always", Sampling::Always), ("effort_none", Sampling::EffortNone)];

const THINKING: [(&str, Thinking); 3] =
    [("adaptive", Thinking::Adaptive), ("budget", Thinking::Budget), ("effort", Thinking::Effort)];

fn efforts() -> [(&'static str, Effort); 7] {
    Effort::ALL.map(|effort| (effort.name(), effort))
}

fn required_tokens(entry: &mut Object<'_>, key: &'static str) -> NonZeroU32 {
    let node = entry.required(key, "a number of tokens");
    node.map_or(NonZeroU32::MIN, |node| node.positive())
}

fn read_endpoints(
    entry: &mut Object<'_>,
    providers: &BTreeMap<String, Provider>,
) -> PerRegion<Endpoint> {
    let mut endpoints = PerRegion::default();
    let allowed = "an object, `us`, `eu` or `global` to provider and upstream_model";
    let Some(node) = entry.required("regions", allowed) else { return endpoints };
    let mut regions = node.object();
    for region in Region::ALL {
        if let Some(node) = regions.optional(region.name()) {
            endpoints.set(region, read_endpoint(&node, region, providers));
        }
    }
    regions.finish();
    if endpoints.iter().next().is_none() && node.value().is_object() {
        node.wrong("`us`, `eu` or `global`, at least one of them");
    }
    endpoints
}

fn read_endpoint(
    node: &Node<'_>,
    region: Region,
    providers: &BTreeMap<String, Provider>,
) -> Endpoint {
    let mut entry = node.object();
    let allowed = one_of(providers.keys().map(String::as_str));
    let named = entry.required("provider", &allowed);
    let provider = named.as_ref().map(|node| node.name_in(providers)).unwrap_or_default();
    if let (Some(node), Some(known)) = (&named, providers.get(&provider))
        && known.base_urls.get(region).is_none()
        // Without any URL it has a mistake of its own.
        && known.base_urls.iter().next().is_some()
    {
        let there = providers.iter().filter(|(_, other)| other.base_urls.get(region).is_some());
        let there = one_of(there.map(|(name, _)| name.as_str()));
        node.wrong(format!("a provider whose base_url has `{}`: {there}", region.name()));
    }
    let upstream = entry.required("upstream_model", "what the provider calls the model");
    let upstream_model = upstream.map(|node| upstream_name(&node)).unwrap_or_default();
    entry.finish();
    Endpoint { provider, upstream_model }
}

/// The name becomes a part of some providers' paths.
fn upstream_name(node: &Node<'_>) -> String {
    let name = node.string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if !name.chars().all(plain) || name.split('/').any(|segment| segment == ".." || segment == ".")
    {
        node.wrong("letters, digits and `-_.:@/`");
    }
    name
}

fn read_input(entry: &mut Object<'_>) -> Vec<Modality> {
    let words = Modality::ALL.map(|input| (input.name(), input));
    let Some(node) = entry.optional("input") else { return vec![Modality::Text] };
    let before = node.mistakes();
    let input = node.words(&words);
    if node.mistakes() == before && !input.contains(&Modality::Text) {
        node.wrong("a list with `text` in it");
    }
    input
}

fn read_forms<const N: usize>(
    entry: &mut Object<'_>,
    key: &'static str,
    forms: [&'static str; N],
) -> Option<Vec<&'static str>> {
    entry.optional(key).map(|node| node.words(&forms.map(|form| (form, form))))
}

fn read_parameters(entry: &mut Object<'_>) -> Vec<Parameter> {
    let words: Vec<_> = Parameter::ALL
        .iter()
        .filter(|own| own.scope() == ParameterScope::Optional)
        .map(|own| (own.name(), *own))
        .collect();
    entry.optional("supported_parameters").map(|node| node.words(&words)).unwrap_or_default()
}
