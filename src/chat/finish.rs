//! The reason why a model stopped.

use super::tools::CallForm;

/// Why a model stopped. OpenAI's API reference, *The chat completion object*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
}

impl Finish {
    /// The word in an answer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }

    /// The word in an answer with calls of a form.
    pub fn name_in(self, form: CallForm) -> &'static str {
        match (self, form) {
            (Self::ToolCalls, CallForm::Functions) => "function_call",
            _ => self.name(),
        }
    }

    /// The reason, given whether the model called tools: then it cannot have simply stopped.
    pub fn with_calls(self, calls: bool) -> Self {
        if calls && self == Self::Stop { Self::ToolCalls } else { self }
    }
}
