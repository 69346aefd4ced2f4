//! Replies that the gateway writes itself.

use std::borrow::Cow;

use crate::chat::{attempt_log::AttemptLog, error::Error};

/// Head and body of a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers besides the status and the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body, or the first part of it.
    pub body: Vec<u8>,
    /// The reason of an error, in a word for logs and metrics.
    pub reason: Option<Cow<'static, str>>,
    /// The provider role's summary of the exchange, in its answer to a call.
    pub summary: Option<String>,
}

impl Reply {
    /// Creates the reply for an error.
    pub fn error(error: &Error, request_id: &str) -> Self {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(error.retry_after().map(|wait| ("retry-after", wait.to_string())));
        headers.extend(error.allow().map(|allow| ("allow", allow.to_owned())));
        let (body, reason) =
            (error.to_json(request_id, &AttemptLog::default()), Some(error.reason().into()));
        Self { status: error.status(), headers, body, reason, summary: None }
    }

    /// Creates the reply for an error, with the attempts before it.
    pub fn failed(error: &Error, request_id: &str, made: &AttemptLog) -> Self {
        let mut reply = Self::error(error, request_id);
        reply.body = error.to_json(request_id, made);
        reply.headers.push(("x-attache-attempts", made.to_string()));
        reply
    }

    /// Creates a successful reply.
    pub fn ok(headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status: 200, headers, body, reason: None, summary: None }
    }
}
