//! What an error leads to: a retry, the next model, or the end of the exchange.

use std::time::Duration;

use crate::chat::error::Error;

/// How long a model is left alone before it is asked again. LLM Gateway, *Fallbacks*: retries.
pub const BACK_OFF: Duration = Duration::from_millis(500);

/// What a failed attempt means for the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The same may work a moment later.
    RetrySame,
    /// Another model may do it.
    NextModel,
    /// Nobody else would do better.
    GiveUp,
}

impl Failover {
    /// What to do about an error.
    pub fn after(error: &Error) -> Self {
        match error {
            Error::Failed { .. } | Error::Unreachable { .. } => Self::RetrySame,
            Error::Overloaded { .. } | Error::BadAnswer { .. } => Self::RetrySame,
            // A model that is asked again says something else.
            Error::PostProcessing { .. } => Self::RetrySame,
            Error::RateLimited { .. } | Error::Timeout { .. } => Self::NextModel,
            Error::Refused { .. } | Error::Retired { .. } | Error::Misconfigured { .. } => {
                Self::NextModel
            }
            _ => Self::GiveUp,
        }
    }

    /// How the provider role tells the gateway role of a failure, in the header `x-attache-next`:
    /// what it means, and its reason.
    pub fn to_header(error: &Error) -> String {
        let word = match Self::after(error) {
            Self::RetrySame => "retry",
            Self::NextModel => "move",
            Self::GiveUp => "stop",
        };
        format!("{word} {}", error.reason())
    }

    /// What was told by [`Self::tell`]. Whatever else stands there stops.
    pub fn from_header(header: &str) -> Self {
        match header.split(' ').next() {
            Some("retry") => Self::RetrySame,
            Some("move") => Self::NextModel,
            _ => Self::GiveUp,
        }
    }
}

/// How many attempts of the rest of a plan are passed over: a retry asks whoever is next, a move
/// only who is asked something else.
pub fn skip(next: Failover, entry: usize, mut rest: impl Iterator<Item = usize>) -> Option<usize> {
    match next {
        Failover::GiveUp => None,
        Failover::RetrySame => rest.next().map(|_| 0),
        Failover::NextModel => rest.position(|other| other != entry),
    }
}

/// The most fallbacks a request may ask to be traversed. LLM Gateway, *Fallbacks*.
pub const MAX_DEPTH: u8 = 2;
