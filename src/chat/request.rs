//! Reading a chat request: every value gets its type and its bounds, and every mistake is kept, so
//! that one answer names them all.

mod conversation;
mod reader;
mod rest;

use std::{borrow::Cow, num::NonZeroU32};

use self::reader::Reader;
use super::{
    effort::Effort,
    error::shortened,
    message::Message,
    parameter::{Parameter, Parameters},
    tools::{ResponseFormat, Tool, ToolChoice},
};

/// `max_tokens` of a request that names none. LLM Gateway API reference, *max_tokens*.
pub const DEFAULT_MAX_TOKENS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// How deep a body may nest: what serde_json bounds its own recursion to.
pub const MAX_DEPTH: usize = 128;

/// The most mistakes of a request that are named: a body has room for millions.
pub const MAX_MISTAKES: usize = 64;

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The parameter, with the path inside it: `messages[2].content`.
    pub param: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What kind of mistake it is.
    pub kind: Kind,
}

/// A kind of mistake: what a client would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something that must be there is not.
    Missing,
    /// A value that cannot be.
    Invalid,
    /// Something this model does not do.
    Unsupported,
    /// A model that is not here.
    NoModel,
}

impl Kind {
    /// OpenAI's word for it, in `error.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing_required_parameter",
            Self::Invalid => "invalid_value",
            Self::Unsupported => "unsupported_parameter",
            Self::NoModel => "model_not_found",
        }
    }
}

impl Mistake {
    /// A mistake in a parameter. What the client wrote may stand in the message, at any length.
    pub fn new(kind: Kind, param: impl Into<String>, message: &str) -> Self {
        Self { param: param.into(), message: shortened(message), kind }
    }
}

/// Why a body could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, in one sentence without the place.
    pub problem: String,
    /// Line and column, counted from 1.
    pub place: (usize, usize),
}

/// A chat request, each value in its type.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Request<'a> {
    /// What came, unread.
    pub parameters: Parameters<'a>,
    pub model: Cow<'a, str>,
    /// `prompt` is here too, as a user's message.
    pub messages: Vec<Message<'a>>,
    pub max_tokens: NonZeroU32,
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
    pub tools: Vec<Tool<'a>>,
    pub tool_choice: Option<ToolChoice<'a>>,
    pub response_format: Option<ResponseFormat<'a>>,
    /// Whether `post_processing_steps` asks for JSON to be repaired.
    pub repair: bool,
    /// Whether `modalities` asks for sound.
    pub audio: bool,
    /// Whether `model_region` is `global`.
    pub global: bool,
}

/// Splits a client's body into its parameters.
pub fn parameters(body: &[u8]) -> Result<Parameters<'_>, Unreadable> {
    if let Some(place) = crate::json::too_deep(body, MAX_DEPTH) {
        let problem = format!("nested deeper than {MAX_DEPTH} levels");
        return Err(Unreadable { problem, place });
    }
    checked_parameters(body)
}

/// Splits a body into its parameters that has been a client's before, so that it is not too deep.
pub fn checked_parameters(body: &[u8]) -> Result<Parameters<'_>, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        let place = (error.line(), error.column());
        Unreadable { problem: shortened(&without_place(&error)), place }
    })
}

impl<'a> Request<'a> {
    /// Reads each parameter, and checks those whose value nobody here reads.
    pub fn check(parameters: Parameters<'a>) -> (Self, Vec<Mistake>) {
        let (request, mistakes) = Self::read(parameters);
        let mut reader = Reader { parameters: &request.parameters, mistakes };
        reader.rest();
        let mistakes = reader.mistakes;
        (request, mistakes)
    }

    /// Reads the parameters that have a meaning here. What cannot be read is as if absent, and among
    /// the mistakes.
    pub fn read(parameters: Parameters<'a>) -> (Self, Vec<Mistake>) {
        let mut reader = Reader { parameters: &parameters, mistakes: Vec::new() };
        let (effort, reasoning_max_tokens) = reader.reasoning();
        let request = Self {
            model: reader.model(),
            messages: reader.messages(),
            max_tokens: reader.max_tokens(),
            temperature: reader.number(Parameter::Temperature, 0.0..=2.0),
            n: reader
                .whole(Parameter::N, 1..=128)
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
            logprobs: reader.bool(Parameter::Logprobs).unwrap_or_default(),
            stream: reader.bool(Parameter::Stream).unwrap_or_default(),
            include_usage: reader.include_usage(),
            effort,
            reasoning_max_tokens,
            tools: reader.tools(),
            tool_choice: reader.tool_choice(),
            response_format: reader.response_format(),
            repair: reader.repair(),
            audio: reader.audio(),
            global: reader.global(),
            parameters: parameters.clone(),
        };
        let mistakes = reader.mistakes;
        (request, mistakes)
    }
}

/// What serde_json says, without the line and column inside a fragment nobody sees.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}
