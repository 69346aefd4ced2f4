//! How a client is told what came of the attempts.

use super::Output;
use crate::{
    chat::attempt_log::AttemptLog,
    handoff::headers::{ATTEMPTS, NEXT, PARAMS, REGION, REPAIR, SUMMARY},
    reply::Reply,
};

/// How the client is told of a failure if nothing comes after it.
#[derive(Debug)]
pub(super) enum FinalReply {
    /// By the answer that is held.
    Held,
    /// By this one.
    Reply(Reply),
}

impl FinalReply {
    /// What to do so that the client is told.
    pub(super) fn output(self) -> Output {
        match self {
            Self::Held => Output::Pass,
            Self::Reply(reply) => Output::Reply(reply),
        }
    }
}

/// The provider role's answer to a call, as the client gets it after these attempts.
pub(super) fn reply_from_call(
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    made: &AttemptLog,
) -> Reply {
    let reason = header(&headers, NEXT).and_then(|told| told.split(' ').nth(1));
    let reason = reason.map(|reason| reason.to_owned().into());
    let summary = header(&headers, SUMMARY).map(str::to_owned);
    let known = |(name, value): (String, String)| {
        FORWARDED_HEADERS.into_iter().find(|known| *known == name).map(|known| (known, value))
    };
    let mut headers: Vec<_> = headers.into_iter().filter_map(known).collect();
    headers.push((ATTEMPTS, made.to_string()));
    Reply { status, headers, body, reason, summary }
}

/// A header's value.
pub(super) fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Headers of the provider role's that a client gets.
const FORWARDED_HEADERS: [&str; 12] = [
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
];
