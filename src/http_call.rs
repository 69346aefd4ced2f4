//! The result of an HTTP call that the gateway made itself.

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// A whole answer: the provider role's, or Envoy's own.
    Response {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: Vec<u8>,
    },
    /// The provider went away in the middle, or said more than fits.
    Broken,
    /// Envoy did not even try: no host is healthy, or a breaker is open.
    NotSent,
}
