//! The client's answer after attempts that the gateway role has made.

use super::Output;
use crate::{
    chat::attempt_log::AttemptLog,
    failover::header_reason,
    handoff::headers::{ATTEMPTS, NEXT, PARAMS, REGION, REPAIR, SUMMARY},
    inlet::REQUEST_ID,
    reply::Reply,
};

/// The client's answer if no attempt follows a failed one.
#[derive(Debug)]
pub(super) enum FinalReply {
    /// The response that the shell holds.
    Held,
    /// This reply.
    Reply(Reply),
}

impl FinalReply {
    /// Returns the output that answers the client.
    pub(super) fn into_output(self) -> Output {
        match self {
            Self::Held => Output::Pass,
            Self::Reply(reply) => Output::Reply(reply),
        }
    }
}

/// Returns the client's answer for the provider role's response to a call.
pub(super) fn reply_from_call(
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    log: &AttemptLog,
) -> Reply {
    let reason = header(&headers, NEXT).and_then(header_reason);
    let reason = reason.map(|reason| reason.to_owned().into());
    let summary = header(&headers, SUMMARY).map(str::to_owned);
    let forwarded = |(name, value): (String, String)| {
        let known = FORWARDED_HEADERS.into_iter().find(|known| *known == name);
        known.map(|known| (known, value))
    };
    let mut headers: Vec<_> = headers.into_iter().filter_map(forwarded).collect();
    headers.push((ATTEMPTS, log.to_string()));
    Reply { status, headers, body, reason, summary }
}

/// Returns the value of a header.
pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Headers of the provider role's response that the client gets.
const FORWARDED_HEADERS: [&str; 16] = [
    "content-type",
    "cache-control",
    "retry-after",
    "x-accel-buffering",
    PARAMS,
    REGION,
    REPAIR,
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-model",
    "x-ratelimit-service",
    REQUEST_ID,
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
