//! The input and the output of a request translation.

/// A request that is about to be translated.
use crate::{chat::request::Request, config::Target, fit::Fit};

pub(crate) struct TranslationInput<'q, 'a> {
    pub(crate) request: &'q Request<'a>,
    pub(crate) fit: &'q Fit<'a>,
    pub(crate) target: Target<'q>,
    pub(crate) request_id: &'q str,
}

/// A request as it leaves for the provider.
#[derive(Debug, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The value of `:authority`.
    pub authority: String,
    /// The value of `:path`.
    pub path: String,
    /// The value of `accept`.
    pub accept: &'static str,
    /// What else the API schema wants in the head.
    pub headers: &'static [(&'static str, &'static str)],
    /// JSON.
    pub body: Vec<u8>,
}
