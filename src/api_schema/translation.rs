//! The input and the output of a request translation.

use crate::{chat::request::Request, config::Target, fit::Fit, inlet::Inlet};

/// A request and its surroundings, ready to be translated.
pub(crate) struct TranslationInput<'q, 'a> {
    pub(crate) request: &'q Request<'a>,
    pub(crate) fit: &'q Fit<'a>,
    pub(crate) target: Target<'q>,
    pub(crate) request_id: &'q str,
    pub(crate) inlet: Inlet,
}

/// A translated request as Envoy sends it to the provider.
#[derive(Debug, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The value of `:authority`.
    pub authority: String,
    /// The value of `:path`.
    pub path: String,
    /// The value of `accept`.
    pub accept: &'static str,
    /// Further headers that the API schema requires.
    pub headers: Vec<(&'static str, String)>,
    /// The body, in JSON.
    pub body: Vec<u8>,
}
