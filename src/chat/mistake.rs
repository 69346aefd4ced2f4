//! Mistakes in a client's request, each with its place and its kind.

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The parameter, with the path inside it: `messages[2].content`.
    pub param: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What kind of mistake it is.
    pub kind: MistakeKind,
}

/// A kind of mistake: what a client would do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MistakeKind {
    /// Something that must be there is not.
    Missing,
    /// A value that cannot be.
    Invalid,
    /// Something this model does not do.
    Unsupported,
    /// A model that is not here.
    NoModel,
}

impl MistakeKind {
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
    pub fn new(kind: MistakeKind, param: impl Into<String>, message: &str) -> Self {
        Self { param: param.into(), message: truncated(message), kind }
    }
}

/// Why a body could not be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, in one sentence without the place.
    pub problem: String,
    /// Line and column, counted from 1.
    pub position: (usize, usize),
}

/// What serde_json says, without the line and column inside a fragment nobody sees.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The most mistakes of a request that are named: a body has room for millions.
pub const MAX_MISTAKES: usize = 64;

/// A message, no longer than a client wants to read.
pub fn truncated(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}

/// The longest piece of a provider's or a client's text that an error holds, in characters.
pub const MAX_MESSAGE: usize = 500;
