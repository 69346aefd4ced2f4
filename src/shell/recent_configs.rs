//! The files that a VM was given lately. Exchanges that were planned by one of them may have attempts
//! to make when the next has come.

use std::{cell::RefCell, rc::Rc};

use crate::provider::ProviderClusters;

/// How many are kept: more than an operator writes while an exchange lasts.
const KEPT: usize = 4;

thread_local! {
    /// The newest comes last.
    static RECENT: RefCell<Vec<Rc<ProviderClusters>>> = RefCell::default();
}

/// Keeps a new one.
pub(super) fn keep(sites: &Rc<ProviderClusters>) {
    RECENT.with_borrow_mut(|recent| {
        if recent.len() == KEPT {
            recent.remove(0);
        }
        recent.push(Rc::clone(sites));
    });
}

/// Those of a version, or the current ones if that is too old, or not here yet.
pub(super) fn of(current: &Rc<ProviderClusters>, version: &str) -> Rc<ProviderClusters> {
    if current.version == version {
        return Rc::clone(current);
    }
    let is_it = |sites: &&Rc<ProviderClusters>| sites.version == version;
    let found = RECENT.with_borrow(|recent| recent.iter().rev().find(is_it).cloned());
    found.unwrap_or_else(|| Rc::clone(current))
}
