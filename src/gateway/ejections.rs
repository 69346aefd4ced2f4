//! Ejections that Envoy cannot know of. Envoy ejects a provider by the status of its responses, and
//! takes a response with status 200 for a success, whatever its body says.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::{config::health::OutlierDetection, time::Timestamp};

/// Providers that have failed in a row, by the clusters of their first keys. Each worker thread counts
/// for itself.
#[derive(Clone, Debug, Default)]
pub struct Ejections(Rc<RefCell<BTreeMap<String, FailureStreak>>>);

/// Failures of a provider in a row.
#[derive(Debug, Default)]
struct FailureStreak {
    failures: u32,
    /// End of the ejection.
    ejected_until: Option<Timestamp>,
}

impl Ejections {
    /// Returns the end of the ejection of a provider. `None` if the provider may be asked.
    pub(super) fn end(&self, cluster: &str, now: Timestamp) -> Option<Timestamp> {
        let mut streaks = self.0.borrow_mut();
        let until = streaks.get(cluster).and_then(|streak| streak.ejected_until)?;
        if until > now {
            return Some(until);
        }
        streaks.remove(cluster);
        None
    }

    /// Takes in that a provider has failed.
    pub(super) fn on_failure(&self, cluster: &str, limits: OutlierDetection, now: Timestamp) {
        let mut streaks = self.0.borrow_mut();
        let streak = streaks.entry(cluster.to_owned()).or_default();
        streak.failures = streak.failures.saturating_add(1);
        if streak.failures >= limits.consecutive_5xx.get() {
            streak.ejected_until = Some(now.plus(limits.base_ejection_time));
        }
    }

    /// Takes in that a provider has not failed.
    pub(super) fn on_success(&self, cluster: &str) {
        self.0.borrow_mut().remove(cluster);
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use super::*;

    const LIMITS: OutlierDetection = OutlierDetection {
        consecutive_5xx: NonZeroU32::new(2).unwrap(),
        base_ejection_time: Duration::from_secs(10),
    };

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_secs(secs))
    }

    #[test]
    fn failures_in_a_row_eject_a_provider_for_a_while() {
        let ejections = Ejections::default();
        let fail = |secs| ejections.on_failure("a-us", LIMITS, at(secs));
        fail(1);
        ejections.on_success("a-us");
        fail(2);
        assert_eq!(ejections.end("a-us", at(3)), None);
        fail(3);
        assert_eq!(ejections.end("a-us", at(12)), Some(at(13)));
        assert_eq!(ejections.end("a-eu", at(12)), None);
        assert_eq!(ejections.end("a-us", at(13)), None);
        fail(14);
        assert_eq!(ejections.end("a-us", at(15)), None, "the count begins anew");
    }
}
