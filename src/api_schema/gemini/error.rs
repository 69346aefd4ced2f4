//! Google's errors, classified. cloud.google.com, *API design guide*, *Errors*; ai.google.dev,
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

/// `google.rpc.Status`.
#[derive(Default, Deserialize)]
struct RpcStatus<'a> {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<u16>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    details: Option<Vec<&'a RawValue>>,
}

/// Fields of `google.rpc.ErrorInfo` and `google.rpc.RetryInfo` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusDetail<'a> {
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    retry_delay: Option<Cow<'a, str>>,
}

/// Classifies a response whose status is not 200.
pub(crate) fn classify(origin: ResponseContext<'_>, body: &[u8]) -> Error {
    #[derive(Default, Deserialize)]
    struct ErrorBody<'a> {
        #[serde(borrow, default)]
        error: RpcStatus<'a>,
    }
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ErrorBody { error } = serde_json::from_str(text).unwrap_or_default();
    error.classify(origin, body)
}

/// Classifies an error in a body that came with status 200, or in a stream. Its `code` counts as
/// the status.
pub(super) fn classify_embedded(origin: ResponseContext<'_>, error: &RawValue) -> Error {
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
            // Cancelled at the provider: a call that the module cancels has no response.
            Error::Rejected { .. } if status == 499 => Error::Failed { provider, status },
            other => other,
        }
    }

    /// Returns true if the operator must act. To Google a wrong key is an invalid argument, and a
    /// project without billing or in the wrong region a failed precondition.
    fn is_operator_fault(&self) -> bool {
        let mut reasons = self.details().filter_map(|detail| detail.reason);
        self.status.as_deref() == Some("FAILED_PRECONDITION")
            || reasons.any(|reason| reason.starts_with("API_KEY_"))
    }

    fn details(&self) -> impl Iterator<Item = StatusDetail<'_>> {
        let details = self.details.iter().flatten();
        details.filter_map(|raw| serde_json::from_str(raw.get()).ok())
    }
}

/// Parses a `google.protobuf.Duration` in JSON, such as `16.2s`.
fn parse_duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
