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

#[cfg(test)]
mod tests {
    use super::*;

    /// A response that has one header.
    struct Status(Option<&'static str>);

    impl ResponseFacts for Status {
        fn details(&self) -> String {
            String::new()
        }

        fn header(&self, name: &str) -> Option<String> {
            self.0.filter(|_| name == ":status").map(str::to_owned)
        }

        fn filter_state(&self, _: &str) -> Option<String> {
            None
        }

        fn upstream_address(&self) -> Vec<u8> {
            Vec::new()
        }
    }

    #[test]
    fn the_status_is_read_from_its_header() {
        for (header, expected) in [(Some("429"), 429), (Some("none"), 0), (None, 0)] {
            assert_eq!(Status(header).status(), expected, "{header:?}");
        }
    }
}
