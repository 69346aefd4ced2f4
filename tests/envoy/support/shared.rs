//! What some tests share for as long as one of them has it. A gateway of them all is a `static`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use testkit::envoy::Gateway;

/// Something that is there while it is in use.
pub struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// What others have, or what is started for this one.
    pub fn get(&self, start: impl FnOnce() -> T) -> Arc<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let new = Arc::new(start());
            *shared = Arc::downgrade(&new);
            new
        })
    }
}

/// Starts two gateways, which one test at a time may have: a second one waits for the inotify instances
/// that others have, and two tests that wait with their first one would wait for each other.
pub fn two_gateways(start: impl Fn() -> Gateway) -> (MutexGuard<'static, ()>, [Gateway; 2]) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (turn, [(), ()].map(|()| start()))
}
