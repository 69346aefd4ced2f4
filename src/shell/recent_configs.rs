//! The configurations that a VM was given lately.

use std::{cell::RefCell, rc::Rc};

use crate::provider::{ProviderClusters, RecentConfigs};

thread_local! {
    static RECENT: RefCell<RecentConfigs> = RefCell::default();
}

/// Keeps a new configuration.
pub(super) fn keep(clusters: &Rc<ProviderClusters>) {
    RECENT.with_borrow_mut(|recent| recent.add(clusters));
}

/// Returns the configuration of a version. Returns the current one if that version is unknown.
pub(super) fn of(current: &Rc<ProviderClusters>, version: &str) -> Rc<ProviderClusters> {
    RECENT.with_borrow(|recent| recent.get(version, current))
}
