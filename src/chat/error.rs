//! Errors of the chat API: status, code and body.

use std::{fmt, num::NonZeroU32, time::Duration};

use super::{
    attempt_log::{AttemptLog, split_name},
    mistake::{Mistake, Unreadable},
};
use crate::{
    json::{Object, list},
    time::Timestamp,
    usd::Usd,
};

/// Reason why a request has no answer. The variant determines the status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named for what they hold")]
pub enum Error {
    /// Invalid JSON, or JSON that is nested too deep.
    Unreadable(Unreadable),
    /// Mistakes in a body that is valid JSON.
    Invalid(Vec<Mistake>),
    /// A request without a body.
    NoBody,
    /// HTTP trailers in the request.
    Trailers,
    /// A body that exceeds the operator's limit.
    TooLarge { limit: u32 },
    /// A content type other than JSON.
    ContentType { found: String },
    /// A compressed body.
    ContentEncoding { found: String },
    /// A missing or unknown API key.
    NoAccount,
    /// An account without access.
    NoAccess,
    /// An unknown path.
    NoSuchPath,
    /// A path that names a model which the gateway's region does not have.
    NoSuchModel { model: String },
    /// A method that the path does not support.
    Method { allow: &'static str },
    /// The account's limit for a model and a window of time.
    LimitReached { model: String, limit: NonZeroU32, counted: &'static str, retry_after: Duration },
    /// The account's budget, which is used up until the next period begins.
    OverBudget { amount: Usd, period: &'static str, until: Timestamp, retry_after: Duration },
    /// A rate limit service that does not answer.
    Uncounted,
    /// A gateway that holds as many bytes of request bodies as it may.
    Full,
    /// A request that the provider refused as invalid.
    Rejected { status: u16, message: String, code: Option<String>, param: Option<String> },
    /// A prompt and an answer that exceed the model's context.
    ContextLength { message: String },
    /// A model that the provider has retired.
    Retired { model: String },
    /// The provider's rate limit for the gateway.
    RateLimited { provider: String, retry_after: Option<Duration> },
    /// The gateway's key or the model, refused by the provider.
    Refused { provider: String, status: u16 },
    /// A failure of the provider.
    Failed { provider: String, status: u16 },
    /// A provider that cannot be reached.
    Unreachable { provider: String },
    /// A connection to a provider that broke off before the answer was complete.
    Disconnected { provider: String },
    /// A provider that exceeded a deadline.
    Timeout { provider: String },
    /// A stream that reached its deadline while it flowed.
    StreamTooLong { limit: Duration },
    /// A provider that is overloaded.
    Overloaded { provider: String, retry_after: Option<Duration> },
    /// An invalid answer of the provider.
    BadAnswer { provider: String, problem: &'static str },
    /// An answer of the provider without any content, although the model has simply stopped.
    EmptyAnswer { provider: String },
    /// A post-processing step that failed. The client receives nothing of the answer.
    PostProcessing { place: String, problem: &'static str },
    /// A transcript without text.
    Transcript(TranscriptProblem),
    /// A request or an answer that the operator's guard refused.
    Guarded { subject: &'static str, message: Option<String> },
    /// A guard that does not answer.
    Unguarded,
    /// A conflict between the gateway's configuration and Envoy's.
    Misconfigured { problem: &'static str },
}

/// Reason why a transcript has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranscriptProblem {
    /// An unknown id, or the id of another account's transcript.
    NotFound,
    /// A deleted transcript.
    Deleted,
    /// A transcript that is not complete yet.
    NotReady,
    /// A transcription that failed.
    Failed,
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl Error {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unreadable(_) | Self::Invalid(_) | Self::NoBody | Self::Trailers => 400,
            Self::ContextLength { .. } | Self::Guarded { .. } => 400,
            Self::Transcript(TranscriptProblem::NotReady | TranscriptProblem::Failed) => 400,
            Self::Rejected { status, .. } => *status,
            Self::NoAccount => 401,
            Self::NoAccess => 403,
            Self::NoSuchPath | Self::NoSuchModel { .. } => 404,
            Self::Transcript(TranscriptProblem::NotFound | TranscriptProblem::Deleted) => 404,
            Self::Method { .. } => 405,
            Self::Retired { .. } => 410,
            Self::TooLarge { .. } => 413,
            Self::ContentType { .. } | Self::ContentEncoding { .. } => 415,
            Self::LimitReached { .. } | Self::OverBudget { .. } | Self::RateLimited { .. } => 429,
            Self::Misconfigured { .. } | Self::PostProcessing { .. } => 500,
            Self::Refused { .. } | Self::Failed { .. } | Self::BadAnswer { .. } => 502,
            Self::Unreachable { .. } | Self::Disconnected { .. } | Self::EmptyAnswer { .. } => 502,
            Self::Overloaded { .. } | Self::Uncounted | Self::Unguarded | Self::Full => 503,
            Self::Timeout { .. } | Self::StreamTooLong { .. } => 504,
        }
    }

    /// Returns `error.type`, which OpenAI's SDKs show.
    pub fn kind(&self) -> &'static str {
        match self.status() {
            403 => "permission_error",
            429 => "rate_limit_error",
            504 => "timeout",
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// Returns `error.code`: the provider's own code if the provider refused the request.
    pub fn code(&self) -> &str {
        match self {
            Self::Rejected { code: Some(code), .. } => code,
            Self::Full => "overloaded",
            Self::Invalid(mistakes) => {
                mistakes.first().map_or("invalid_value", |own| own.kind.code())
            }
            other => other.reason(),
        }
    }

    /// Returns a word for logs and metrics, from a fixed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::NoBody => "invalid_json",
            Self::Invalid(_) | Self::Rejected { .. } => "invalid_value",
            Self::Trailers => "invalid_request",
            Self::TooLarge { .. } => "request_too_large",
            Self::ContentType { .. } | Self::ContentEncoding { .. } => "unsupported_media_type",
            Self::NoAccount => "invalid_api_key",
            Self::NoAccess => "model_not_allowed",
            Self::NoSuchPath => "not_found",
            Self::NoSuchModel { .. } => "model_not_found",
            Self::Method { .. } => "method_not_allowed",
            Self::ContextLength { .. } => "context_length_exceeded",
            Self::Retired { .. } => "model_retired",
            Self::LimitReached { .. } | Self::RateLimited { .. } => "rate_limit_exceeded",
            // OpenAI's code for an account without credit.
            Self::OverBudget { .. } => "insufficient_quota",
            Self::Uncounted => "rate_limit_unavailable",
            Self::Full => "gateway_overloaded",
            Self::PostProcessing { .. } => "post_processing_failed",
            Self::Guarded { .. } => "content_filter",
            Self::Unguarded => "guard_unavailable",
            Self::Misconfigured { .. } => "misconfigured",
            Self::Transcript(TranscriptProblem::NotFound) => "transcript_not_found",
            Self::Transcript(TranscriptProblem::Deleted) => "transcript_deleted",
            Self::Transcript(TranscriptProblem::NotReady) => "transcript_not_ready",
            Self::Transcript(TranscriptProblem::Failed) => "transcript_failed",
            Self::Refused { .. } => "provider_refused",
            Self::Failed { .. } | Self::BadAnswer { .. } => "upstream_error",
            Self::EmptyAnswer { .. } => "empty_answer",
            Self::Unreachable { .. } | Self::Disconnected { .. } => "upstream_unreachable",
            Self::Overloaded { .. } => "overloaded",
            Self::Timeout { .. } | Self::StreamTooLong { .. } => "timeout",
        }
    }

    /// Returns the parameter that caused the error.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Invalid(mistakes) => mistakes.first().map(|mistake| mistake.param.as_str()),
            Self::Rejected { param, .. } => param.as_deref(),
            Self::NoSuchModel { .. } => Some("model"),
            Self::Transcript(_) => Some("transcript_id"),
            _ => None,
        }
    }

    /// Returns the time that a client should wait, in seconds, rounded up.
    pub fn retry_after(&self) -> Option<u64> {
        let wait = match self {
            Self::LimitReached { retry_after, .. } | Self::OverBudget { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Full => Some(RETRY_WHEN_FULL),
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        };
        wait.map(seconds)
    }

    /// Returns the value of `allow`, a required header of status 405.
    pub fn allow(&self) -> Option<&'static str> {
        let Self::Method { allow } = self else { return None };
        Some(allow)
    }

    /// Returns the body: flat for AssemblyAI's clients, with `error` inside for OpenAI's clients
    /// and older ones of AssemblyAI.
    pub fn to_json(&self, request_id: &str, made: &AttemptLog) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut body = Object::open(&mut out);
        self.write(&mut body, request_id, made);
        body.close();
        out
    }

    /// Writes the keys of the body into an object.
    pub fn write(&self, body: &mut Object<'_>, request_id: &str, made: &AttemptLog) {
        let metadata = self.metadata(made);
        let headline = match self {
            Self::Invalid(_) => HEADLINE.to_owned(),
            other => other.to_string(),
        };
        body.value("code", &self.status())
            .value("message", &headline)
            .value("request_id", request_id)
            .raw("metadata", &metadata)
            .object("error", |error| self.write_inner(error, made));
    }

    /// Writes the keys of `error`, which OpenAI's clients read.
    pub fn write_inner(&self, error: &mut Object<'_>, made: &AttemptLog) {
        error
            .value("message", &self.to_string())
            .value("type", self.kind())
            .value("param", &self.param())
            .value("code", self.code())
            .raw("metadata", self.metadata(made));
    }

    /// Returns the facts of the error beside its message, an object in JSON.
    pub fn metadata(&self, made: &AttemptLog) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        match self {
            Self::Invalid(mistakes) => {
                let messages: Vec<&str> =
                    mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
                object.value("errors", &messages);
            }
            Self::ContextLength { .. } => {
                object.value("errors", &["model context limit exceeded"]);
            }
            Self::LimitReached { model, limit, .. } => {
                object.value("model", model).value("limit", limit);
            }
            Self::OverBudget { amount, period, until, .. } => {
                object.raw("budget_usd", amount.to_string()).value("per", period);
                object.value("renewed_at", &until.to_rfc3339());
            }
            Self::Refused { provider, status } | Self::Failed { provider, status, .. } => {
                object.value("provider", provider).value("llm_status_code", status);
            }
            Self::RateLimited { provider, .. }
            | Self::Unreachable { provider }
            | Self::Disconnected { provider }
            | Self::Timeout { provider }
            | Self::Overloaded { provider, .. }
            | Self::EmptyAnswer { provider }
            | Self::BadAnswer { provider, .. } => {
                object.value("provider", provider);
            }
            _ => {}
        }
        if !made.is_empty() {
            list(object.key("attempts"), made.list(), |out, (name, status, took)| {
                let (model, endpoint) = split_name(name);
                let mut attempt = Object::open(out);
                attempt.value("model", model);
                if let Some(endpoint) = endpoint {
                    attempt.value("endpoint", endpoint);
                }
                attempt.value("status", &status).value("duration_ms", &took);
                attempt.close();
            });
        }
        object.close();
        out
    }
}

/// Time after which a client of a full gateway should try again. A body is held for about as long as
/// a provider needs for the beginning of its answer.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(1);

/// The message of every validation error. LLM Gateway, *Troubleshooting*.
const HEADLINE: &str = "invalid request body";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(Unreadable { problem, position: (line, column) }) => {
                write!(
                    f,
                    "the body is not a chat request: {problem} at line {line} column {column}"
                )
            }
            Self::Invalid(mistakes) => {
                let mut separator = "";
                for mistake in mistakes {
                    write!(f, "{separator}{}", mistake.message)?;
                    separator = "; ";
                }
                Ok(())
            }
            Self::NoBody => f.write_str("the request has no body, a JSON object is needed"),
            Self::Trailers => f.write_str("HTTP trailers are not supported"),
            Self::TooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::ContentType { found } => {
                write!(f, "content-type `{found}` is not supported, send `application/json`")
            }
            Self::ContentEncoding { found } => {
                write!(f, "content-encoding `{found}` is not supported, send the body as it is")
            }
            Self::NoAccount => f.write_str("Authentication error, API token missing/invalid"),
            Self::NoAccess => f.write_str(
                "Your account does not have access to LLM Gateway. Please upgrade your plan.",
            ),
            Self::NoSuchPath => {
                f.write_str(
                    "no such path, there are POST /v1/chat/completions, /v1/responses, /v1/messages and \
                     /v1/embeddings, and GET /v1/models",
                )
            }
            Self::NoSuchModel { model } => {
                write!(f, "model {model} is not supported, GET /v1/models lists those that are")
            }
            Self::Method { allow } => write!(f, "this path takes {allow} only"),
            Self::LimitReached { .. } | Self::OverBudget { .. } | Self::Uncounted => {
                self.describe_limit(f)
            }
            Self::Full => f.write_str("the gateway is overloaded, try again later"),
            Self::Guarded { message: Some(message), .. } => f.write_str(message),
            Self::Guarded { subject, message: None } => {
                write!(f, "the {subject} was refused by the operator's guard")
            }
            Self::Unguarded => f.write_str("the guard cannot be asked now, try again later"),
            Self::Retired { .. } => {
                f.write_str("the model version you are trying to access has been deprecated")
            }
            Self::Transcript(TranscriptProblem::NotFound) => f.write_str("transcript not found"),
            Self::Transcript(TranscriptProblem::Deleted) => f.write_str("transcript deleted"),
            Self::Transcript(TranscriptProblem::NotReady) => f.write_str("transcript not ready"),
            Self::Transcript(TranscriptProblem::Failed) => {
                f.write_str("transcript failed, it has no text")
            }
            provider => provider.describe_provider(f),
        }
    }
}

impl Error {
    /// Writes the message of a limit of the account.
    fn describe_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitReached { model, limit, counted, retry_after } => write!(
                f,
                "too many requests for this action: model {model} takes {limit} {counted} in 60 s \
                 from this account, try again in {} s",
                seconds(*retry_after)
            ),
            Self::OverBudget { amount, period, until, retry_after } => write!(
                f,
                "the budget of this account is used up: {amount} USD per {period}, renewed at {}, \
                 try again in {} s",
                until.to_rfc3339(),
                seconds(*retry_after)
            ),
            Self::Uncounted => f.write_str("the rate limit cannot be checked now, try again later"),
            _ => Ok(()),
        }
    }

    /// Writes the message of an error behind the gateway.
    fn describe_provider(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { message, .. } | Self::ContextLength { message } => {
                f.write_str(message)
            }
            Self::RateLimited { provider, .. } => {
                write!(f, "the gateway's rate limit at provider `{provider}` is reached")
            }
            Self::Refused { provider, .. } => {
                write!(f, "provider `{provider}` refused the gateway, its operator must act")
            }
            Self::Failed { provider, status: 200 } => {
                write!(f, "provider `{provider}` failed after it had accepted the request")
            }
            Self::Failed { provider, status } => {
                write!(f, "provider `{provider}` failed with status {status}")
            }
            Self::Unreachable { provider } => write!(f, "provider `{provider}` cannot be reached"),
            Self::Disconnected { provider } => {
                write!(f, "the answer of provider `{provider}` broke off before it was complete")
            }
            Self::Timeout { provider } => write!(f, "provider `{provider}` took too long"),
            Self::StreamTooLong { limit } => {
                write!(f, "the stream reached its deadline of {} s", seconds(*limit))
            }
            Self::Overloaded { provider, .. } => write!(f, "provider `{provider}` is overloaded"),
            Self::BadAnswer { provider, problem } => {
                write!(f, "provider `{provider}` sent an answer that {problem}")
            }
            Self::EmptyAnswer { provider } => {
                write!(f, "provider `{provider}` sent an empty answer")
            }
            Self::PostProcessing { place, problem } => {
                write!(f, "post-processing failed: {place} {problem}")
            }
            Self::Misconfigured { problem } => {
                write!(f, "the gateway is misconfigured: {problem}")
            }
            _ => Ok(()),
        }
    }
}

/// Returns whole seconds, rounded up.
fn seconds(span: Duration) -> u64 {
    span.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}
