//! Replies that the gateway writes itself.

use std::borrow::Cow;

use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    handoff::headers::ATTEMPTS,
    inlet::Inlet,
};

/// Head and body of a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers without status and length.
    pub headers: Vec<(&'static str, String)>,
    /// Body, or the beginning of a stream.
    pub body: Vec<u8>,
    /// The reason of an error, in a word for logs and metrics.
    pub reason: Option<Cow<'static, str>>,
    /// The summary of the exchange, for the error of an attempt.
    pub summary: Option<String>,
}

impl Reply {
    /// Creates the reply for an error.
    pub fn error(error: &Error, request_id: &str, inlet: Inlet) -> Self {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(error.retry_after().map(|wait| ("retry-after", wait.to_string())));
        headers.extend(error.allow().map(|allow| ("allow", allow.to_owned())));
        headers.extend(inlet.id_header(request_id));
        let body = inlet.error(error, request_id, &AttemptLog::default());
        let reason = Some(error.reason().into());
        Self { status: error.status(), headers, body, reason, summary: None }
    }

    /// Returns the headers of a response, `:status` among them. `length` is `None` for a stream.
    pub fn head<'r>(&'r self, status: &'r str, length: Option<&'r str>) -> Vec<(&'r str, &'r str)> {
        let mut headers = vec![(":status", status)];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers.extend(length.map(|length| ("content-length", length)));
        headers
    }

    /// Creates the answer for an error, with the attempts that led to it.
    pub fn failed(error: &Error, request_id: &str, log: &AttemptLog, inlet: Inlet) -> Self {
        let mut reply = Self::error(error, request_id, inlet);
        reply.body = inlet.error(error, request_id, log);
        reply.headers.push((ATTEMPTS, log.to_string()));
        reply
    }

    /// Creates a successful reply.
    pub fn ok(headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status: 200, headers, body, reason: None, summary: None }
    }
}
