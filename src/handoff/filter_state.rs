//! The names of filter state: values that Envoy keeps for one request, where no client can read or
//! write them.

use std::borrow::Cow;

use crate::{config::Telemetry, summary};

/// Ticket of the attempt under way, which Envoy's routes read too.
pub const TICKET: &str = "attache_ticket";

/// Reason of the error that the client gets, for the access log.
pub const ERROR: &str = "attache_error";

/// Summary line of the exchange, for the access log.
pub const SUMMARY: &str = "attache_exchange";

/// Clusters of attempts besides the one that Envoy's router names in the access log.
pub const OTHER_CLUSTERS: &str = "attache_others";

/// Prefix of the names under which the values of the summary line are kept one by one.
pub const FIELD_PREFIX: &str = "attache_";

/// Account of the caller, for the access log. Set by Envoy, never by the module.
pub const ACCOUNT: &str = "attache.account";

/// The caller's own key, for transcripts. Set by Envoy, never by the module.
pub const CALLER_KEY: &str = "attache.caller";

/// Prefix that Envoy adds to the name of a value that a module set. Envoy,
/// `source/extensions/common/wasm/context.cc`: `Context::setProperty`.
pub const MODULE_PREFIX: &str = "wasm.";

/// Returns the name by which Envoy's configuration reads a value that the module set.
pub fn in_envoy(name: &str) -> String {
    [MODULE_PREFIX, name].concat()
}

/// Values that the shell writes into filter state. `None` leaves a value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Value of [`TICKET`].
    pub ticket: Option<String>,
    /// Value of [`SUMMARY`].
    pub summary: Option<String>,
    /// Value of [`ERROR`].
    pub error: Option<String>,
    /// Cluster to add to [`OTHER_CLUSTERS`].
    pub other_cluster: Option<String>,
}

impl Update {
    /// Returns names and values, without [`Self::other_cluster`]. `telemetry` says whether the values
    /// of the summary are wanted one by one, too.
    pub fn values(&self, telemetry: Option<&Telemetry>) -> Vec<(Cow<'static, str>, &str)> {
        let whole = [(TICKET, &self.ticket), (SUMMARY, &self.summary), (ERROR, &self.error)];
        let mut values: Vec<(Cow<'static, str>, &str)> = Vec::new();
        for (name, value) in whole {
            values.extend(value.as_deref().map(|value| (Cow::Borrowed(name), value)));
        }
        if telemetry.is_some_and(Telemetry::needs_separate_fields) {
            let fields = self.summary.iter().flat_map(|line| summary::fields(line));
            values
                .extend(fields.map(|(name, value)| ([FIELD_PREFIX, name].concat().into(), value)));
        }
        values
    }

    /// Returns the new value of [`OTHER_CLUSTERS`].
    pub fn with_other_cluster(before: Option<String>, cluster: &str) -> String {
        let before = before.unwrap_or_default();
        let separator = if before.is_empty() { "" } else { " " };
        [&before, separator, cluster].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_reads_values_under_its_own_prefix() {
        assert_eq!(in_envoy(TICKET), "wasm.attache_ticket");
    }

    #[test]
    fn an_update_has_the_values_that_are_set() {
        let text = |value: &str| Some(value.to_owned());
        let mut update = Update { error: text("timeout"), ..Update::default() };
        let pairs = |update: &Update, telemetry: Option<&Telemetry>| {
            let values = update.values(telemetry).into_iter();
            values.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&update, None), ["attache_error: timeout"]);
        update.ticket = text("t");
        update.summary = text("provider=openai total_ms=7");
        update.other_cluster = text("openai-us");
        let whole = [
            "attache_ticket: t",
            "attache_exchange: provider=openai total_ms=7",
            "attache_error: timeout",
        ];
        assert_eq!(pairs(&update, None), whole);
        let together = Telemetry { separate_fields: false, per_account: true, tracing: None };
        assert_eq!(pairs(&update, Some(&together)), whole);
        let separate = Telemetry { separate_fields: true, ..together };
        let one_by_one = ["attache_provider: openai", "attache_total_ms: 7"];
        assert_eq!(pairs(&update, Some(&separate)), [&whole[..], &one_by_one[..]].concat());
    }

    #[test]
    fn clusters_are_listed_in_order() {
        let one = Update::with_other_cluster(None, "a-us");
        assert_eq!(one, "a-us");
        assert_eq!(Update::with_other_cluster(Some(one), "b-us"), "a-us b-us");
    }
}
