//! Chat requests: reads and validates every parameter, and collects all mistakes for one error.

mod conversation;
mod reader;
mod tool_results;
mod unread;

use std::{borrow::Cow, num::NonZeroU32, time::Duration};

use self::{reader::ParameterReader, tool_results::pair_results};
use super::{
    effort::Effort,
    message::{Message, Part},
    mistake::{Mistake, Unreadable},
    parameter::{Parameter, Parameters},
    text::Text,
    tools::{CallForm, ResponseFormat, Tool, ToolChoice},
};
use crate::json;

/// The default of `max_tokens`. LLM Gateway API reference, *max_tokens*.
pub const DEFAULT_MAX_TOKENS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// The maximum depth of a body: serde_json's own limit.
pub const MAX_DEPTH: usize = 128;

/// Chat request with typed values.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Request<'a> {
    /// All parameters, unread.
    pub parameters: Parameters<'a>,
    pub model: Cow<'a, str>,
    /// The messages, or `prompt` as a message of the user. A request for embeddings has none.
    pub messages: Vec<Message<'a>>,
    /// The indices of the results that are left out of the messages: no call waits for them.
    pub unpaired_results: Vec<usize>,
    /// `None`: as many as the model writes.
    pub max_tokens: Option<NonZeroU32>,
    pub temperature: Option<f64>,
    pub n: NonZeroU32,
    pub logprobs: bool,
    pub stream: bool,
    /// `stream_options.include_usage`.
    pub include_usage: bool,
    /// `reasoning_effort`, or `reasoning.effort`.
    pub effort: Option<Effort>,
    /// `reasoning.max_tokens`.
    pub reasoning_max_tokens: Option<NonZeroU32>,
    /// `tools`, or `functions` as tools.
    pub tools: Vec<Tool<'a>>,
    pub call_form: CallForm,
    pub tool_choice: Option<ToolChoice<'a>>,
    pub response_format: Option<ResponseFormat<'a>>,
    /// True if `post_processing_steps` requests JSON repair.
    pub repair: bool,
    /// True if `modalities` requests audio.
    pub audio: bool,
    /// True if `model_region` is `global`.
    pub global: bool,
    /// True if the first attempt is to be the only one.
    pub fail_fast: bool,
    /// Time for the whole exchange.
    pub max_timeout: Option<Duration>,
}

/// Splits a client's body into its parameters.
pub fn parameters(body: &[u8]) -> Result<Parameters<'_>, Unreadable> {
    check_depth(body)?;
    checked_parameters(body)
}

/// Refuses a body that is nested too deep.
pub fn check_depth(body: &[u8]) -> Result<(), Unreadable> {
    let Some(position) = crate::json::too_deep(body, MAX_DEPTH) else { return Ok(()) };
    let problem = format!("nested deeper than {MAX_DEPTH} levels");
    Err(Unreadable { problem, position })
}

/// Splits a body into its parameters, without the check of its depth: for a body that has passed
/// it.
pub fn checked_parameters(body: &[u8]) -> Result<Parameters<'_>, Unreadable> {
    json::read(body).map_err(|error| Unreadable::new(&error))
}

impl<'a> Request<'a> {
    /// Reads the parameters, and checks the types of those that are only forwarded.
    pub fn check(parameters: Parameters<'a>) -> (Self, Vec<Mistake>) {
        let (request, mistakes) = Self::read(parameters);
        let mut reader = ParameterReader { parameters: &request.parameters, mistakes };
        reader.check_unread();
        let mistakes = reader.mistakes;
        (request, mistakes)
    }

    /// Returns the names of the custom tools.
    pub fn custom_tools(&self) -> impl Iterator<Item = &Text<'a>> {
        self.tools.iter().filter_map(|tool| Some(&tool.custom.as_ref()?.name))
    }

    /// Returns the parts of the results of tools.
    pub fn result_parts(&self) -> impl Iterator<Item = &Part<'a>> {
        let results = self.messages.iter().filter(|message| message.is_result());
        results.flat_map(|message| message.content.parts())
    }

    /// Reads the parameters that the gateway uses. An invalid value counts as absent and adds a
    /// mistake.
    pub fn read(parameters: Parameters<'a>) -> (Self, Vec<Mistake>) {
        let mut reader = ParameterReader { parameters: &parameters, mistakes: Vec::new() };
        let (effort, reasoning_max_tokens) = reader.reasoning();
        let model = reader.model();
        let before = reader.mistakes.len();
        let mut messages = match parameters.embeddings {
            None => reader.messages(),
            Some(_) => Vec::new(),
        };
        let is_readable = reader.mistakes.len() == before;
        let unpaired_results = pair_results(&mut messages);
        if is_readable && messages.is_empty() && !unpaired_results.is_empty() {
            reader.add_invalid("messages", "messages are results of tools without their calls");
        }
        let request = Self {
            model,
            messages,
            unpaired_results,
            max_tokens: reader.max_tokens(),
            temperature: reader.number(Parameter::Temperature, 0.0..=2.0),
            n: reader
                .integer(Parameter::N, 1..=128)
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
            logprobs: reader.bool(Parameter::Logprobs).unwrap_or_default(),
            stream: reader.bool(Parameter::Stream).unwrap_or_default(),
            include_usage: reader.include_usage(),
            effort,
            reasoning_max_tokens,
            tools: reader.tools(),
            call_form: reader.call_form(),
            tool_choice: reader.tool_choice(),
            response_format: reader.response_format(),
            repair: reader.repair(),
            audio: reader.audio(),
            global: reader.global(),
            fail_fast: reader.bool(Parameter::FailFast).unwrap_or_default(),
            max_timeout: reader.max_timeout(),
            parameters: parameters.clone(),
        };
        let mistakes = reader.mistakes;
        (request, mistakes)
    }
}
