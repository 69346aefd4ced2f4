//! An answer that the gateway writes itself.

use crate::chat::error::Error;

/// A head and a body of the gateway's own.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Headers besides the status and the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body, or the first part of it.
    pub body: Vec<u8>,
    /// Why it is an error, in a word for logs and metrics.
    pub reason: Option<&'static str>,
}

impl Reply {
    /// An error in its one shape.
    pub fn error(error: &Error, request_id: &str) -> Self {
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(error.retry_after().map(|wait| ("retry-after", wait.to_string())));
        headers.extend(error.allow().map(|allow| ("allow", allow.to_owned())));
        let (body, reason) = (error.to_json(request_id), Some(error.reason()));
        Self { status: error.status(), headers, body, reason }
    }

    /// What was asked for.
    pub fn ok(headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self { status: 200, headers, body, reason: None }
    }
}
