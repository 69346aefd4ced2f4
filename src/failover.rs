//! What an error leads to: a retry, the next model, or the end of the exchange.

use std::time::Duration;

use crate::chat::error::Error;

/// How long a model is left alone before it is asked again. LLM Gateway, *Fallbacks*: retries.
pub const BACK_OFF: Duration = Duration::from_millis(500);

/// What a failed attempt means for the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same may work a moment later.
    Retry,
    /// Another model may do it.
    Move,
    /// Nobody else would do better.
    Stop,
}

impl Next {
    /// What to do about an error.
    pub fn after(error: &Error) -> Self {
        match error {
            Error::Failed { .. } | Error::Unreachable { .. } => Self::Retry,
            Error::Overloaded { .. } | Error::BadAnswer { .. } => Self::Retry,
            // A model that is asked again says something else.
            Error::PostProcessing { .. } => Self::Retry,
            Error::RateLimited { .. } | Error::Timeout { .. } => Self::Move,
            Error::Refused { .. } | Error::Retired { .. } | Error::Misconfigured { .. } => {
                Self::Move
            }
            _ => Self::Stop,
        }
    }

    /// How the provider role tells the gateway role of a failure, in the header `x-attache-next`:
    /// what it means, and its reason.
    pub fn tell(error: &Error) -> String {
        let word = match Self::after(error) {
            Self::Retry => "retry",
            Self::Move => "move",
            Self::Stop => "stop",
        };
        format!("{word} {}", error.reason())
    }

    /// What was told by [`Self::tell`]. Whatever else stands there stops.
    pub fn told(header: &str) -> Self {
        match header.split(' ').next() {
            Some("retry") => Self::Retry,
            Some("move") => Self::Move,
            _ => Self::Stop,
        }
    }
}

/// How many attempts of the rest of a plan are passed over: a retry asks whoever is next, a move
/// only who is asked something else.
pub fn skip(next: Next, entry: usize, mut rest: impl Iterator<Item = usize>) -> Option<usize> {
    match next {
        Next::Stop => None,
        Next::Retry => rest.next().map(|_| 0),
        Next::Move => rest.position(|other| other != entry),
    }
}

/// The most fallbacks a request may ask to be traversed. LLM Gateway, *Fallbacks*.
pub const MAX_DEPTH: u8 = 2;
