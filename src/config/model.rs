//! Models that clients may request, and their capabilities.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use serde_json::json;

use super::{
    ApiSchema, Deadlines, Provider,
    deadlines::DEADLINES,
    endpoint::{Endpoint, REGIONS, read_endpoints},
    mistakes::one_of,
    price::{PRICE, read_price},
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{self, Date, Decimal, Flag, List, Name, Object, Text},
        defaults_to, from_catalogue, object_table, optional, required, word, words, words_of,
    },
};
use crate::{
    chat::{
        effort::Effort,
        message::Modality,
        parameter::{Parameter, ParameterScope},
        price::Price,
        tools::{ResponseFormat, ToolChoice},
    },
    failover::MAX_DEPTH,
    region::{PerRegion, Region},
};

object_table! {
    /// Model that clients may request.
    pub(super) static MODEL = "model" {
        /// Requests that the model serves: `chat`, or `embeddings` with the API schemas `openai` and
        /// `gemini`.
        "kind": word(|| words_of(&ModelKind::WORDS)), defaults_to("chat");
        /// Display name.
        "name": Text, from_catalogue("a display name");
        /// Description in the list of models.
        "description": Text, optional("the name and the creator");
        /// Company that made the model.
        "creator": Text, optional("the provider");
        /// Endpoints per region, at least one.
        "regions": Object(&REGIONS),
            required("an object, `us`, `eu` or `global` to provider and upstream_model");
        /// Fact of a request by which the endpoint is chosen, so that requests with the same one go to
        /// the same endpoint of a list: the `account`, or the beginning of the `prompt`.
        "hash_on": word(|| words_of(&HashOn::WORDS)), optional("in turn, by weight");
        /// Maximum number of tokens of prompt and response together.
        "context_length": ValueType::POSITIVE, from_catalogue("a number of tokens");
        /// Maximum number of tokens of a response, up to `context_length`. A higher `max_tokens` of a
        /// request is lowered to it.
        "max_output_tokens": ValueType::POSITIVE,
            optional("required for `chat` if the catalogue lacks the model");
        /// Lowest limit that the provider accepts, up to `max_output_tokens`. A lower `max_tokens` of
        /// a request is raised to it.
        "min_output_tokens": ValueType::POSITIVE, defaults_to("1");
        /// Kinds of input that the model accepts; `text` is required.
        "input": words(|| words_of(&inputs())), defaults_to("[text]");
        /// Parameters that the model accepts besides those that every model accepts.
        "supported_parameters": words(|| words_of(&parameters())), optional("none");
        /// Forms of `tool_choice` that the model accepts.
        "tool_choices": words(|| ToolChoice::FORMS.to_vec()), optional("all of them");
        /// Forms of `response_format` that the model accepts.
        "response_formats": words(|| ResponseFormat::FORMS.to_vec()), optional("none");
        /// Emulation of the forms of `response_format` that the model does not accept: an instruction
        /// in the prompt, and a check and a repair of the response. `false`: such a request is
        /// refused with 400, as it is with the API schema `gemini` in any case.
        "response_format_emulation": Flag, defaults_to("true");
        /// Efforts that the model accepts. Another effort in a request becomes the closest of them.
        "reasoning_efforts": words(|| words_of(&efforts())), optional("none");
        /// Effort of a request that has none: one of `reasoning_efforts`.
        "default_reasoning_effort": word(|| words_of(&efforts())), defaults_to("none");
        /// Control of reasoning where the API schema has several. `anthropic`: `budget` for Claude 4.5
        /// and older, absent for later models. `gemini`: `budget` for Gemini 2.5, absent for later
        /// models.
        "thinking": word(|| words_of(&Thinking::WORDS)), optional("the usual one of the API schema");
        /// Support of a conversation that ends with an assistant message, which the model continues.
        /// Without it, the gateway adds a message of the user to such a conversation.
        "prefill": Flag,
            optional("`false` with `anthropic` and `bedrock-converse`, `true` with the other schemas");
        /// Efforts that the model accepts in a request with tools: `any` of `reasoning_efforts`, or
        /// `none_only`, with which such a request is sent with the effort `none`. The API schema
        /// `openai-responses` has no such limit.
        "effort_with_tools": word(|| words_of(&EffortWithTools::WORDS)), defaults_to("any");
        /// Support of custom tools, whose input is plain text, with OpenAI's API schemas. Other
        /// models receive such a tool as a function with one string.
        "custom_tools": Flag, defaults_to("false");
        /// Support of `temperature`, `top_p`, `logprobs` and `top_logprobs`: `always`, or only without
        /// reasoning (`effort_none`).
        "sampling": word(|| words_of(&Sampling::WORDS)), defaults_to("always");
        /// Maximum temperature. A higher `temperature` of a request is lowered to it.
        "max_temperature": Decimal { least: 0.0, most: 2.0 }, defaults_to("2");
        /// Marks of Claude's prompt cache: with `auto`, the gateway places up to four of them in a
        /// request without any. Only for models of a provider with the API schema `anthropic`.
        "prompt_cache": word(|| words_of(&PromptCache::WORDS)), defaults_to("off");
        /// Deadlines that differ from those at the top level.
        "deadlines": Object(&DEADLINES), optional("those at the top level");
        /// Models that are tried in order when this model fails, at most 2. The `fallbacks` of a
        /// request replace them.
        "fallbacks": List(&Name("models")), optional("none");
        /// Time without content after which the next attempt starts in parallel. The `hedge_ms` of a
        /// request replaces it.
        "hedge": ValueType::Duration, optional("never");
        /// Price of tokens, from which costs are computed.
        "price": Object(&PRICE), optional("unknown");
        /// Price in the list of models, unless there is a `price`: that of the model's creator.
        "list_price": Object(&PRICE), optional("unknown");
        /// Date on which the provider retires the model.
        "retirement_date": Date, optional("unknown");
    }
}

/// Kind of the requests that a model serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// Messages, answered with a message.
    Chat,
    /// Inputs, answered with vectors.
    Embeddings,
}

impl ModelKind {
    const WORDS: [(&'static str, Self); 2] =
        [("chat", Self::Chat), ("embeddings", Self::Embeddings)];

    /// Returns the word for the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

/// Fact of a request by which an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// Account of the caller.
    Account,
    /// Tools, instructions and the first message of the user, which every turn of a conversation has.
    Prompt,
}

impl HashOn {
    const WORDS: [(&'static str, Self); 2] = [("account", Self::Account), ("prompt", Self::Prompt)];
}

/// Support of `temperature`, `top_p` and `logprobs`, in a model that accepts them at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Accepted with every request.
    Always,
    /// Accepted only without reasoning.
    EffortNone,
}

impl Sampling {
    const WORDS: [(&'static str, Self); 2] =
        [("always", Self::Always), ("effort_none", Self::EffortNone)];
}

/// Efforts that a model accepts in a request with tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffortWithTools {
    /// Each effort that the model accepts at all.
    Any,
    /// The effort `none`, which the request must name.
    NoneOnly,
}

impl EffortWithTools {
    const WORDS: [(&'static str, Self); 2] = [("any", Self::Any), ("none_only", Self::NoneOnly)];
}

/// Control of reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// By an effort; the model decides when and how long it reasons.
    Adaptive,
    /// By a number of tokens.
    Budget,
    /// By an effort alone, without a parameter that enables reasoning.
    Effort,
}

impl Thinking {
    const WORDS: [(&'static str, Self); 3] =
        [("adaptive", Self::Adaptive), ("budget", Self::Budget), ("effort", Self::Effort)];
}

/// Marks of the prompt cache in a request in which the client places none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptCache {
    /// None.
    Off,
    /// At the ends of the parts that the next request repeats.
    Auto,
}

impl PromptCache {
    const WORDS: [(&'static str, Self); 2] = [("off", Self::Off), ("auto", Self::Auto)];
}

/// Model that clients may request.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Requests that the model serves.
    pub kind: ModelKind,
    /// Display name.
    pub name: String,
    /// Description in the list of models.
    pub description: Option<String>,
    /// Company that made the model.
    pub creator: Option<String>,
    /// Endpoints, per region.
    pub endpoints: PerRegion<Vec<Endpoint>>,
    /// Fact of a request by which the endpoint is chosen. `None`: by the weights alone.
    pub hash_on: Option<HashOn>,
    /// Maximum number of tokens of prompt and response together.
    pub context_length: NonZeroU32,
    /// Maximum number of tokens of a response.
    pub max_output_tokens: NonZeroU32,
    /// Lowest limit on a response that the provider accepts, in tokens.
    pub min_output_tokens: NonZeroU32,
    /// Accepted kinds of input.
    pub input: Vec<Modality>,
    /// Accepted parameters, besides those that every model accepts.
    pub supported_parameters: Vec<Parameter>,
    /// Accepted forms of `tool_choice`.
    pub tool_choices: Vec<&'static str>,
    /// Accepted forms of `response_format`.
    pub response_formats: Vec<&'static str>,
    /// Whether the other forms of `response_format` are emulated.
    pub response_format_emulation: bool,
    /// Accepted efforts.
    pub reasoning_efforts: Vec<Effort>,
    /// Effort of a request that has none.
    pub default_reasoning_effort: Effort,
    /// Control of reasoning, where the API schema has several. `None`: the usual one of the schema.
    pub thinking: Option<Thinking>,
    /// Support of a conversation that ends with an assistant message. `None`: the usual one of the
    /// API schema. See [`Model::continues_assistant`].
    pub prefill: Option<bool>,
    /// Accepted efforts in a request with tools.
    pub effort_with_tools: EffortWithTools,
    /// Support of custom tools.
    pub custom_tools: bool,
    /// Support of sampling parameters.
    pub sampling: Sampling,
    /// Maximum temperature.
    pub max_temperature: f64,
    /// Marks of the prompt cache that the gateway places.
    pub prompt_cache: PromptCache,
    /// Deadlines of the model's exchanges.
    pub deadlines: Deadlines,
    /// Name of the deadline profile. See [`Deadlines::profile`].
    pub deadline_profile: String,
    /// Fallbacks for a request that has none, as JSON objects whose fields override the request's.
    pub fallbacks: Vec<String>,
    /// Time without content after which the next attempt starts in parallel, for a request that has
    /// no `hedge_ms`. `None`: never.
    pub hedge: Option<Duration>,
    /// Price of tokens. `None`: unknown.
    pub price: Option<Price>,
    /// Price in the list of models, unless there is a `price`.
    pub list_price: Option<Price>,
    /// Date on which the provider retires the model, `YYYY-MM-DD`. Listed, without any effect.
    pub retirement_date: Option<String>,
}

/// API schemas without embeddings.
const NO_EMBEDDINGS: [ApiSchema; 2] = [ApiSchema::Anthropic, ApiSchema::BedrockConverse];

impl Model {
    /// Reads one entry of `models`.
    pub(super) fn read(value: &ValueReader<'_>, context: &ModelContext<'_>) -> Self {
        let before = value.mistake_count();
        let entry = value.object();
        let model = Self::read_fields(&entry, context);
        // A wrong value would cause further mistakes in the checks of values against each other.
        if value.mistake_count() == before {
            model.check(&entry);
            model.check_schemas(&entry);
        }
        entry.finish();
        model
    }

    fn read_fields(entry: &ObjectReader<'_>, context: &ModelContext<'_>) -> Self {
        let kind = entry.word("kind", &ModelKind::WORDS).unwrap_or(ModelKind::Chat);
        let mut model = Self {
            kind,
            name: entry.string("name"),
            description: entry.get("description").map(|value| value.string()),
            creator: entry.get("creator").map(|value| value.string()),
            endpoints: read_endpoints(entry, context.providers),
            hash_on: entry.word("hash_on", &HashOn::WORDS),
            context_length: entry.positive("context_length"),
            max_output_tokens: read_max_output_tokens(entry, kind),
            min_output_tokens: entry.positive("min_output_tokens"),
            input: read_input(entry),
            supported_parameters: entry.words("supported_parameters", &parameters()),
            tool_choices: read_tool_choices(entry),
            response_formats: entry.words("response_formats", &pairs(ResponseFormat::FORMS)),
            response_format_emulation: entry.flag("response_format_emulation"),
            reasoning_efforts: entry.words("reasoning_efforts", &efforts()),
            default_reasoning_effort: entry
                .word("default_reasoning_effort", &efforts())
                .unwrap_or(Effort::None),
            thinking: entry.word("thinking", &Thinking::WORDS),
            prefill: entry.get("prefill").map(|value| value.flag()),
            effort_with_tools: entry
                .word("effort_with_tools", &EffortWithTools::WORDS)
                .unwrap_or(EffortWithTools::Any),
            custom_tools: entry.flag("custom_tools"),
            sampling: entry.word("sampling", &Sampling::WORDS).unwrap_or(Sampling::Always),
            max_temperature: entry.decimal("max_temperature"),
            prompt_cache: entry
                .word("prompt_cache", &PromptCache::WORDS)
                .unwrap_or(PromptCache::Off),
            deadlines: read_deadlines(entry, context.deadlines),
            deadline_profile: String::new(),
            fallbacks: read_fallbacks(entry, context.names),
            hedge: entry.get("hedge").map(|value| value.duration()),
            price: entry.get("price").map(|value| read_price(value.object())),
            list_price: entry.get("list_price").map(|value| read_price(value.object())),
            retirement_date: entry.get("retirement_date").map(|value| value.date()),
        };
        model.deadline_profile = model.deadlines.profile();
        model
    }

    /// Checks values against each other.
    fn check(&self, entry: &ObjectReader<'_>) {
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

    /// Checks that the providers have an API for the model's kind and for its prompt cache.
    fn check_schemas(&self, entry: &ObjectReader<'_>) {
        let has = |schema| self.all_endpoints().any(|own| own.api_schema == schema);
        if self.kind == ModelKind::Embeddings && NO_EMBEDDINGS.into_iter().any(has) {
            entry.wrong("regions", "providers with embeddings: API schema `openai` or `gemini`");
        }
        if self.prompt_cache == PromptCache::Auto && !has(ApiSchema::Anthropic) {
            entry.wrong("prompt_cache", "`off`, unless a provider has the API schema `anthropic`");
        }
    }

    fn check_forms(&self, entry: &ObjectReader<'_>) {
        let forms = [
            ("tool_choices", self.tool_choices.is_empty(), Parameter::ToolChoice),
            ("response_formats", self.response_formats.is_empty(), Parameter::ResponseFormat),
            ("reasoning_efforts", self.reasoning_efforts.is_empty(), Parameter::ReasoningEffort),
        ];
        for (key, is_empty, parameter) in forms {
            let name = parameter.name();
            match (self.supports(parameter), is_empty) {
                (true, true) => {
                    entry.wrong(key, format!("at least one, as supported_parameters has `{name}`"));
                }
                // All forms of `tool_choice` are accepted by default.
                (false, false) if parameter != Parameter::ToolChoice => {
                    entry.wrong(key, format!("nothing, unless supported_parameters has `{name}`"));
                }
                _ => {}
            }
        }
    }

    fn check_efforts(&self, entry: &ObjectReader<'_>) {
        let offered = &self.reasoning_efforts;
        let default = self.default_reasoning_effort;
        let none_of_none = offered.is_empty() && default == Effort::None;
        if !offered.contains(&default) && !none_of_none {
            let offered = one_of(offered.iter().map(|effort| effort.name()));
            entry.wrong("default_reasoning_effort", format!("one of reasoning_efforts: {offered}"));
        }
        let needs_none = self.effort_with_tools == EffortWithTools::NoneOnly;
        if needs_none && !offered.contains(&Effort::None) {
            entry.wrong("effort_with_tools", "`any`, unless reasoning_efforts has `none`");
        }
    }

    /// Returns the endpoints in a region.
    pub fn endpoints_in(&self, region: Region) -> &[Endpoint] {
        self.endpoints.get(region).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the endpoints in all regions.
    pub fn all_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter().flat_map(|(_, endpoints)| endpoints)
    }

    /// Whether the model accepts a conversation that ends with an assistant message. Claude models
    /// since 4.6 do not, nor do most models behind Converse; other APIs leave the decision to the
    /// model.
    pub fn continues_assistant(&self, api_schema: ApiSchema) -> bool {
        let is_usual = !matches!(api_schema, ApiSchema::Anthropic | ApiSchema::BedrockConverse);
        self.prefill.unwrap_or(is_usual)
    }

    /// Whether the model accepts a parameter.
    pub fn supports(&self, parameter: Parameter) -> bool {
        self.supported_parameters.contains(&parameter)
    }
}

/// Parts of the configuration that the entry of a model refers to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModelContext<'c> {
    /// Names of all models.
    pub(super) names: &'c [&'c str],
    /// Providers by name.
    pub(super) providers: &'c BTreeMap<String, Provider>,
    /// Deadlines at the top level.
    pub(super) deadlines: Deadlines,
}

/// Reads `max_output_tokens`, which has no meaning for embeddings.
fn read_max_output_tokens(entry: &ObjectReader<'_>, kind: ModelKind) -> NonZeroU32 {
    let tokens = match kind {
        ModelKind::Chat => entry.get_required("max_output_tokens", "a number of tokens"),
        ModelKind::Embeddings => entry.get("max_output_tokens"),
    };
    tokens.map_or(NonZeroU32::MIN, |tokens| tokens.positive())
}

fn read_deadlines(entry: &ObjectReader<'_>, base: Deadlines) -> Deadlines {
    entry.get("deadlines").map_or(base, |value| Deadlines::read(value.object(), base))
}

/// Reads `fallbacks` and returns the objects that a client would send.
fn read_fallbacks(entry: &ObjectReader<'_>, names: &[&str]) -> Vec<String> {
    let Some(list) = entry.get("fallbacks") else { return Vec::new() };
    let items = list.list();
    if items.len() > usize::from(MAX_DEPTH) {
        list.wrong(format!("at most {MAX_DEPTH} models"));
    }
    let read = |item: &ValueReader<'_>| {
        let name = item.string();
        if !name.is_empty() && !names.contains(&name.as_str()) {
            item.wrong(one_of(names.iter().copied()));
        }
        json!({ "model": name }).to_string()
    };
    items.iter().map(read).collect()
}

fn read_input(entry: &ObjectReader<'_>) -> Vec<Modality> {
    let Some(value) = entry.get("input") else { return vec![Modality::Text] };
    let before = value.mistake_count();
    let input = value.words(&inputs());
    if value.mistake_count() == before && !input.contains(&Modality::Text) {
        value.wrong("a list with `text` in it");
    }
    input
}

fn read_tool_choices(entry: &ObjectReader<'_>) -> Vec<&'static str> {
    let forms = entry.get("tool_choices").map(|value| value.words(&pairs(ToolChoice::FORMS)));
    forms.unwrap_or_else(|| ToolChoice::FORMS.to_vec())
}

fn inputs() -> [(&'static str, Modality); 4] {
    Modality::ALL.map(|input| (input.name(), input))
}

fn efforts() -> [(&'static str, Effort); 7] {
    Effort::ALL.map(|effort| (effort.name(), effort))
}

fn parameters() -> Vec<(&'static str, Parameter)> {
    let optional = Parameter::ALL.iter().filter(|own| own.scope() == ParameterScope::Optional);
    optional.map(|own| (own.name(), *own)).collect()
}

/// Returns words that are their own meaning.
fn pairs<const N: usize>(words: [&'static str; N]) -> [(&'static str, &'static str); N] {
    words.map(|word| (word, word))
}
