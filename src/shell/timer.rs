//! Waking up at a moment, and answers that come back outside of any request.
//!
//! A host gives each root context one periodic tick. Its period is set to the next moment that anyone
//! of its requests waits for, and to none when nobody does. A VM has several root contexts: one for
//! each listener, and that of an earlier configuration beside that of a later one. Each looks after
//! its own requests, because the answer to a call is its to read alone.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    time::Duration,
};

use log::error;
use proxy_wasm::hostcalls;

use super::host;
use crate::time::Timestamp;

type Wake = Box<dyn FnOnce()>;
type Answer = Box<dyn FnOnce(usize, usize)>;

/// The tick of a root context.
pub(super) struct Timer {
    root: u32,
    /// Who waits, and until when. Few do at a time: whoever failed, and whoever hedges.
    sleepers: RefCell<Vec<(Timestamp, Wake)>>,
    /// Who gets the answer to a call that was made while the root context was active.
    callers: RefCell<HashMap<u32, Answer>>,
    /// Whether the root context is active.
    is_at_root: Cell<bool>,
}

impl Timer {
    /// The tick of this root context.
    pub(super) fn new(root: u32) -> Self {
        let (sleepers, callers) = (RefCell::default(), RefCell::default());
        Self { root, sleepers, callers, is_at_root: Cell::new(false) }
    }

    /// Calls `wake` at a moment, or as soon after it as the host can.
    pub(super) fn at(&self, due: Timestamp, wake: impl FnOnce() + 'static) {
        self.sleepers.borrow_mut().push((due, Box::new(wake)));
        if !self.is_at_root.get() {
            self.arm();
        }
    }

    /// Whether an answer to a call made now comes to the root context, and to [`Self::expect`].
    pub(super) fn is_at_root(&self) -> bool {
        self.is_at_root.get()
    }

    /// Gives the answer of a call to `answer`: the number of its headers and the length of its body.
    pub(super) fn expect(&self, token: u32, answer: impl FnOnce(usize, usize) + 'static) {
        self.callers.borrow_mut().insert(token, Box::new(answer));
    }

    /// The root context's tick.
    pub(super) fn tick(&self) {
        let now = host::now();
        let all = self.sleepers.take();
        let (due, rest) = all.into_iter().partition::<Vec<_>, _>(|(due, _)| *due <= now);
        self.sleepers.replace(rest);
        self.at_root(|| due.into_iter().for_each(|(_, wake)| wake()));
    }

    /// An answer that came to the root context.
    pub(super) fn answered(&self, token: u32, headers: usize, body: usize) {
        let caller = self.callers.borrow_mut().remove(&token);
        if let Some(answer) = caller {
            self.at_root(|| answer(headers, body));
        }
    }

    /// Forgets everybody.
    pub(super) fn stop(&self) {
        self.sleepers.take();
        self.callers.take();
    }

    /// Does something while the root context is active, and comes back to it.
    fn at_root(&self, act: impl FnOnce()) {
        self.is_at_root.set(true);
        act();
        self.is_at_root.set(false);
        if let Err(status) = hostcalls::set_effective_context(self.root) {
            error!("cannot go back to the root context: {status:?}");
        }
        self.arm();
    }

    fn arm(&self) {
        let soonest = self.sleepers.borrow().iter().map(|(due, _)| *due).min();
        let wait = |due: Timestamp| due.since(host::now()).max(Duration::from_millis(1));
        // A period of zero is none.
        if let Err(status) = hostcalls::set_tick_period(soonest.map_or(Duration::ZERO, wait)) {
            error!("cannot set a timer: {status:?}");
        }
    }
}
