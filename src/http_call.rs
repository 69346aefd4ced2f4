//! HTTP calls that the gateway role makes.

/// Length of the longest answer in one piece, in bytes. Envoy's own limit for the response to a call
/// is the same.
pub const MAX_ANSWER: usize = 32 << 20;

/// Value of `user-agent` in requests to providers and to the transcript service.
pub const USER_AGENT: &str = concat!("attache/", env!("CARGO_PKG_VERSION"));

/// Result of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// A complete response: the provider's, or Envoy's own.
    Response {
        /// Status.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// Body.
        body: Vec<u8>,
    },
    /// The response broke off, or did not fit into Envoy's buffer.
    Broken,
    /// Envoy did not send the call: no host is healthy, or a circuit breaker is open.
    NotSent,
}

impl CallResult {
    /// Returns the result of a call with these headers, `:status` among them.
    pub fn from_headers(headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        let status = headers.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, status)| status.parse().ok()).unwrap_or_default();
        Self::Response { status, headers, body }
    }

    /// Returns a header of the response.
    pub fn header(&self, name: &str) -> Option<&str> {
        let Self::Response { headers, .. } = self else { return None };
        headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
