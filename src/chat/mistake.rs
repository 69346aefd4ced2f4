//! Mistakes in a client's request, each with its parameter and its kind.

/// A mistake in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The parameter, with the path inside it: `messages[2].content`.
    pub param: String,
    /// The problem, in one sentence.
    pub message: String,
    /// The kind of mistake.
    pub kind: MistakeKind,
}

/// Kind of mistake, by the client's remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MistakeKind {
    /// A required parameter is missing.
    Missing,
    /// A value is invalid.
    Invalid,
    /// The model does not support the parameter.
    Unsupported,
    /// The model does not exist.
    NoModel,
}

impl MistakeKind {
    /// Returns OpenAI's word for the kind: `error.code`.
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
    /// Creates a mistake in a parameter. The message may quote the client's text: it is truncated.
    pub fn new(kind: MistakeKind, param: impl Into<String>, message: &str) -> Self {
        Self { param: param.into(), message: truncated(message), kind }
    }
}

/// Adds an invalid value of the parameter `param` to the mistakes, up to [`MAX_MISTAKES`].
pub fn add_invalid(mistakes: &mut Vec<Mistake>, param: impl Into<String>, problem: &str) {
    if mistakes.len() < MAX_MISTAKES {
        let param = param.into();
        let message = format!("{param}: {problem}");
        mistakes.push(Mistake::new(MistakeKind::Invalid, param, &message));
    }
}

/// Reason why a body is not a chat request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The problem, in one sentence without the position.
    pub problem: String,
    /// Line and column, counted from 1.
    pub position: (usize, usize),
}

impl Unreadable {
    /// Returns the reason in an error of the JSON parser.
    pub fn new(error: &serde_json::Error) -> Self {
        let position = (error.line(), error.column());
        Self { problem: truncated(&without_position(error)), position }
    }
}

/// Returns the message of a serde_json error without the line and column, which count inside a
/// fragment.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// The maximum number of mistakes that an error lists: a body has room for millions.
pub const MAX_MISTAKES: usize = 64;

/// Truncates a message to [`MAX_MESSAGE`].
pub fn truncated(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}

/// The maximum length of a provider's or a client's text in an error, in characters.
pub const MAX_MESSAGE: usize = 500;
