//! Google's errors. cloud.google.com, *API design guide*, *Errors*; ai.google.dev,
//! *Troubleshooting*.

use std::{borrow::Cow, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api_schema::{
        error,
        origin::{ResponseContext, ResponseHead},
    },
    chat::{error::Error, text::lenient},
};

/// `google.rpc.Status` in an answer.
#[derive(Default, Deserialize)]
struct RpcStatus<'a> {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<u16>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    details: Option<Vec<&'a RawValue>>,
}

/// `google.rpc.ErrorInfo`, `google.rpc.RetryInfo`, or something else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusDetail<'a> {
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    retry_delay: Option<Cow<'a, str>>,
}

/// The error behind an answer whose status is not 200.
pub(crate) fn classify(origin: ResponseContext<'_>, body: &[u8]) -> Error {
    #[derive(Default, Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow, default)]
        error: RpcStatus<'a>,
    }
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let wire: ErrorBody<'_> = serde_json::from_str(inner).unwrap_or_default();
    wire.error.classify(origin, body)
}

/// The error in a body that came with status 200, or in a stream.
pub(super) fn hidden(origin: ResponseContext<'_>, error: &RawValue) -> Error {
    let status: RpcStatus<'_> = serde_json::from_str(error.get()).unwrap_or_default();
    let code = status.code.filter(|code| (400..=599).contains(code)).unwrap_or(502);
    let head = ResponseHead {
        status: code,
        retry_after: origin.head.retry_after,
        ..ResponseHead::default()
    };
    let body = format!("{{\"error\":{}}}", error.get());
    status.classify(ResponseContext { head: &head, ..origin }, body.as_bytes())
}

impl RpcStatus<'_> {
    fn classify(&self, origin: ResponseContext<'_>, body: &[u8]) -> Error {
        let retry_after = self.details().find_map(|detail| parse_duration(&detail.retry_delay?));
        let (provider, status) = (origin.provider.to_owned(), origin.head.status);
        let head = ResponseHead {
            status,
            retry_after: retry_after.or(origin.head.retry_after),
            ..ResponseHead::default()
        };
        match error::classify(ResponseContext { head: &head, ..origin }, body) {
            Error::Rejected { .. } if self.is_operator_fault() => {
                Error::Refused { provider, status }
            }
            // The call was cancelled, but not by us.
            Error::Rejected { .. } if status == 499 => Error::Failed { provider, status },
            Error::Rejected { message, .. } if is_context_length(&message) => {
                Error::ContextLength { message }
            }
            other => other,
        }
    }

    /// Whether the operator must act: a wrong key is an invalid argument to Google, and a project
    /// without billing, or in the wrong place, a failed precondition.
    fn is_operator_fault(&self) -> bool {
        let keyed = |detail: StatusDetail<'_>| {
            detail.reason.is_some_and(|reason| reason.starts_with("API_KEY_"))
        };
        self.status.as_deref() == Some("FAILED_PRECONDITION") || self.details().any(keyed)
    }

    fn details(&self) -> impl Iterator<Item = StatusDetail<'_>> {
        let details = self.details.iter().flatten();
        details.filter_map(|raw| serde_json::from_str(raw.get()).ok())
    }
}

/// A duration in JSON of protocol buffers: seconds, with a fraction at times, and `s`.
fn parse_duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// "The input token count (…) exceeds the maximum number of tokens allowed (…)."
fn is_context_length(message: &str) -> bool {
    message.contains("exceeds the maximum number of tokens allowed")
}
