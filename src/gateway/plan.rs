//! The plan: the attempts that one exchange may make, in order. Everything about them is checked
//! before the first is made.

mod check;
mod endpoint_order;

use std::{borrow::Cow, time::Duration};

use crate::{
    chat::{attempt_log::attempt_name, request_variant::RequestVariant},
    config::{Deadlines, PoolKey, Target},
    failover::{AttemptReason, AttemptRoute, Failover},
    handoff::ticket::{AttemptTarget, Lane, Ticket},
    region::Region,
};

/// Plan of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Lane of the exchange.
    pub lane: Lane,
    /// Time without content after which the next attempt begins beside the first.
    pub hedge: Option<Duration>,
    /// Name of the requested model in answers.
    pub shown_model: String,
    /// The first attempt.
    pub primary: PlannedAttempt,
    /// Client's own limit of the time for the whole exchange.
    pub max_timeout: Option<Duration>,
    /// Attempts after the first, at other endpoints of the requested model.
    siblings: Vec<PlannedAttempt>,
    /// Whether the last of those attempts is followed by a retry at the same endpoint.
    retry: bool,
    /// Attempts after those, for other models.
    fallbacks: Vec<PlannedAttempt>,
}

/// Maximum number of attempts for one model in one exchange.
pub const MAX_ATTEMPTS_PER_MODEL: usize = 3;

/// Position of an attempt in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanIndex(usize);

impl PlanIndex {
    /// The first attempt.
    pub const FIRST: Self = Self(0);

    /// The attempt this many positions after the first.
    pub const fn new(position: usize) -> Self {
        Self(position)
    }

    /// Returns the position this many after the next one.
    fn after(self, skipped: usize) -> Self {
        Self(self.0.saturating_add(1).saturating_add(skipped))
    }

    /// Returns the position before this one. The first has none and stays.
    pub(super) fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

/// Attempt that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedAttempt {
    /// Request that is made, and the endpoint of its model.
    pub route: AttemptRoute,
    /// Name of the model, as the operator spells it.
    pub model: String,
    /// Name of the provider.
    pub provider: String,
    /// Key with which the provider is asked.
    pub key: PoolKey,
    /// Name of the endpoint, if the model has several.
    label: Option<String>,
    /// Region that the data goes to.
    pub region: Region,
    /// Envoy's cluster for it.
    pub cluster: String,
    /// Timeouts.
    pub deadlines: Deadlines,
    /// Name of the timeouts that Envoy keeps. See `Deadlines::profile`.
    deadline_profile: String,
    /// The operator's default of [`Plan::hedge`].
    hedge: Option<Duration>,
}

impl Plan {
    /// Returns the number of attempts that may follow the first.
    pub fn max_retries(&self) -> usize {
        self.siblings.len() + usize::from(self.retry) + self.fallbacks.len()
    }

    /// Returns the number of attempts that may follow this one.
    pub fn retries_after(&self, index: PlanIndex) -> usize {
        self.max_retries().saturating_sub(index.0)
    }

    /// Returns `true` if an attempt may be made for this request.
    pub fn includes(&self, variant: RequestVariant) -> bool {
        let mut fallbacks = self.fallbacks.iter();
        variant == RequestVariant::OWN || fallbacks.any(|own| own.route.variant == variant)
    }

    /// Returns the attempt at a position.
    pub fn get(&self, index: PlanIndex) -> Option<&PlannedAttempt> {
        let own = self.siblings.len() + usize::from(self.retry);
        match index.0.checked_sub(own + 1) {
            None => {
                let sibling = index.0.min(self.siblings.len()).checked_sub(1);
                sibling.map_or(Some(&self.primary), |sibling| self.siblings.get(sibling))
            }
            Some(fallback) => self.fallbacks.get(fallback),
        }
    }

    /// Returns the longest silence in a stream that any of the models may need.
    pub fn max_idle(&self) -> Duration {
        let others = self.fallbacks.iter().map(|own| own.deadlines.idle);
        others.fold(self.primary.deadlines.idle, Duration::max)
    }

    /// Returns the attempts after a position.
    fn rest(&self, index: PlanIndex) -> impl Iterator<Item = &PlannedAttempt> {
        (index.0 + 1..=self.max_retries()).filter_map(|position| self.get(PlanIndex(position)))
    }

    /// Returns the targets of the attempts after a position.
    pub fn targets_after(&self, index: PlanIndex) -> Vec<AttemptTarget> {
        self.rest(index).map(PlannedAttempt::target).collect()
    }

    /// Returns the position of the attempt that a ticket of the stream lane is for. One that leads
    /// nowhere has the route of the last attempt that was made.
    pub fn index_of(&self, ticket: &Ticket) -> PlanIndex {
        let last = self.max_retries();
        if ticket.is_exhausted() {
            let has_route = |position: &usize| {
                let planned = self.get(PlanIndex(*position));
                planned.is_some_and(|own| own.route == ticket.target.route)
            };
            return PlanIndex((0..=last).rev().find(has_route).unwrap_or(last));
        }
        PlanIndex(last.saturating_sub(ticket.rest.len()))
    }

    /// Returns the position of the attempt that follows a failed one.
    pub fn after(&self, index: PlanIndex, failover: Failover) -> Option<PlanIndex> {
        let routes = self.rest(index).map(|own| own.route);
        let skipped = failover.next_attempt(self.get(index)?.route, routes)?;
        Some(index.after(skipped))
    }

    /// Returns `true` if two attempts make the same request at the same endpoint, so that the second
    /// waits.
    pub fn is_same_endpoint(&self, index: PlanIndex, next: PlanIndex) -> bool {
        self.get(index).map(|own| own.route) == self.get(next).map(|own| own.route)
    }

    /// Returns the reason of an attempt after a failed one.
    pub fn reason(&self, index: PlanIndex, next: PlanIndex) -> AttemptReason {
        let variant = |index| self.get(index).map(|own: &PlannedAttempt| own.route.variant);
        match variant(index) == variant(next) {
            true => AttemptReason::Retry,
            false => AttemptReason::Fallback,
        }
    }

    /// Returns the attempt whose deadlines an attempt and those after it have in the stream lane.
    /// Envoy's router has one timeout for the first content of all of them: the longest.
    pub fn slowest_from(&self, index: PlanIndex) -> &PlannedAttempt {
        let first_content = |own: &&PlannedAttempt| own.deadlines.first_content;
        let own = self.get(index).unwrap_or(&self.primary);
        let longest = self.rest(index).max_by_key(first_content);
        let longest = longest.filter(|other| first_content(other) > first_content(&own));
        longest.unwrap_or(own)
    }

    /// Returns the time within which Envoy's router ends the attempts from a position on that have no
    /// content.
    pub fn longest_wait_from(&self, index: PlanIndex) -> Duration {
        let attempts = u32::try_from(self.retries_after(index) + 1).unwrap_or(u32::MAX);
        self.slowest_from(index).deadlines.first_content.saturating_mul(attempts)
    }
}

impl PlannedAttempt {
    /// Plans an attempt at a target.
    fn new(route: AttemptRoute, target: &Target<'_>) -> Self {
        let Target { name, model, region, endpoint, .. } = *target;
        Self {
            route,
            model: name.to_owned(),
            provider: endpoint.provider.clone(),
            key: endpoint.key,
            label: endpoint.label.clone(),
            region,
            cluster: target.cluster(),
            deadlines: model.deadlines,
            deadline_profile: model.deadline_profile.clone(),
            hedge: model.hedge,
        }
    }

    /// Returns the target for a ticket.
    pub fn target(&self) -> AttemptTarget {
        let (model, cluster) = (self.model.clone(), self.cluster.clone());
        AttemptTarget { route: self.route, model, cluster }
    }

    /// Returns the name of the attempt for the attempt log.
    pub fn name(&self) -> Cow<'_, str> {
        attempt_name(&self.model, self.label.as_deref())
    }

    /// Returns the name of the provider for metrics, with the key.
    pub fn provider_label(&self) -> String {
        [&*self.provider, &*self.key.suffix()].concat()
    }

    /// Returns the cluster of the provider's first key. All keys have the same hosts.
    pub fn first_cluster(&self) -> &str {
        self.cluster.strip_suffix(&*self.key.suffix()).unwrap_or(&self.cluster)
    }

    /// Returns the deadline profile of this attempt alone.
    pub fn deadline_profile(&self) -> &str {
        &self.deadline_profile
    }
}
