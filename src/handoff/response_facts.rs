//! Facts about a response that both roles ask their host for.

/// Facts about a response that a host answers at once.
pub trait ResponseFacts {
    /// Returns Envoy's response code details. Empty for a reply of a filter.
    fn details(&self) -> String;

    /// Returns a header of the response.
    fn header(&self, name: &str) -> Option<String>;

    /// Returns the status. A header costs half as much as the property.
    fn status(&self) -> u16 {
        self.header(":status").and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Returns a value of filter state that the module has set.
    fn filter_state(&self, name: &str) -> Option<String>;

    /// Returns the address of the host that Envoy has chosen, as `ADDRESS:PORT`.
    fn upstream_address(&self) -> Vec<u8>;
}
