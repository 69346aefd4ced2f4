//! Attempts under way.

use crate::{gateway::plan::PlanIndex, time::Timestamp};

/// Attempts under way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The attempt that goes, or went, through Envoy's router.
    pub(super) routed: PlanIndex,
    /// The attempt that was made beside that one.
    pub(super) hedged: Option<PlanIndex>,
    /// Attempts under way, and the moments at which they began.
    attempts: Vec<(PlanIndex, Timestamp)>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { routed: PlanIndex::FIRST, hedged: None, attempts: Vec::new() }
    }
}

impl InFlight {
    /// Adds the attempt that goes through Envoy's router.
    pub(super) fn route(&mut self, index: PlanIndex, now: Timestamp) {
        self.routed = index;
        self.begin(index, now);
    }

    /// Adds an attempt.
    pub(super) fn begin(&mut self, index: PlanIndex, now: Timestamp) {
        self.attempts.push((index, now));
    }

    /// Removes an attempt.
    pub(super) fn end(&mut self, index: PlanIndex) {
        self.attempts.retain(|(other, _)| *other != index);
    }

    /// Returns the moment at which an attempt began.
    pub(super) fn began(&self, index: PlanIndex) -> Option<Timestamp> {
        let found = self.attempts.iter().find(|(other, _)| *other == index);
        found.map(|(_, began)| *began)
    }

    /// Returns `true` if no attempt is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Returns `true` if the attempt through the router is the only one under way.
    pub(super) fn is_routed_alone(&self) -> bool {
        self.attempts.iter().map(|(index, _)| *index).eq([self.routed])
    }
}
