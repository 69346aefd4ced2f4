//! Attempts under way.

use crate::{attempt::Attempt, gateway::plan::PlanIndex, time::Timestamp};

/// Attempts under way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// The attempt that goes, or went, through Envoy's router.
    pub(super) routed: PlanIndex,
    /// The attempt that was made beside that one.
    pub(super) hedged: Option<PlanIndex>,
    entries: Vec<Entry>,
}

/// Attempt under way.
#[derive(Debug)]
struct Entry {
    index: PlanIndex,
    began: Timestamp,
    /// `None` in the stream lane, where the provider role has it.
    attempt: Option<Box<Attempt>>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self { routed: PlanIndex::FIRST, hedged: None, entries: Vec::new() }
    }
}

impl InFlight {
    /// Adds the attempt that goes through Envoy's router.
    pub(super) fn route(&mut self, index: PlanIndex, own: Option<Box<Attempt>>, now: Timestamp) {
        self.routed = index;
        self.begin(index, own, now);
    }

    /// Adds an attempt.
    pub(super) fn begin(&mut self, index: PlanIndex, own: Option<Box<Attempt>>, now: Timestamp) {
        self.entries.push(Entry { index, began: now, attempt: own });
    }

    /// Removes an attempt, and returns it if it is the gateway role's own.
    pub(super) fn end(&mut self, index: PlanIndex) -> Option<Box<Attempt>> {
        let at = self.entries.iter().position(|entry| entry.index == index)?;
        self.entries.swap_remove(at).attempt
    }

    /// Returns an attempt of the gateway role's own.
    pub(super) fn attempt(&self, index: PlanIndex) -> Option<&Attempt> {
        let found = self.entries.iter().find(|entry| entry.index == index);
        found.and_then(|entry| entry.attempt.as_deref())
    }

    /// Returns an attempt of the gateway role's own.
    pub(super) fn attempt_mut(&mut self, index: PlanIndex) -> Option<&mut Attempt> {
        let found = self.entries.iter_mut().find(|entry| entry.index == index);
        found.and_then(|entry| entry.attempt.as_deref_mut())
    }

    /// Returns the moment at which an attempt began.
    pub(super) fn began(&self, index: PlanIndex) -> Option<Timestamp> {
        let found = self.entries.iter().find(|entry| entry.index == index);
        found.map(|entry| entry.began)
    }

    /// Returns `true` if no attempt is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns `true` if the attempt through the router is the only one under way.
    pub(super) fn is_routed_alone(&self) -> bool {
        self.entries.iter().map(|entry| entry.index).eq([self.routed])
    }
}
