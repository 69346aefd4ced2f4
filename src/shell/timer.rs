//! Timers, and responses to calls that were made outside of any request.
//!
//! A host gives each root context one periodic tick, whose period is set to the next moment that a
//! request waits for. A VM has a root context for each listener and configuration. Each serves its own
//! requests, because only the root context that has made a call may read the response.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use log::error;
use proxy_wasm::hostcalls;

use super::host;
use crate::time::{Timestamp, WaitingKey, WaitingList};

type OnDue = Box<dyn FnOnce()>;
type OnResponse = Box<dyn FnOnce(usize, usize)>;

/// Timer of a root context.
pub(super) struct Timer {
    root: u32,
    waiting: RefCell<WaitingList<OnDue>>,
    /// Receivers of responses to calls that were made while the root context was active.
    receivers: RefCell<HashMap<u32, OnResponse>>,
    /// Whether the root context is active.
    is_at_root: Cell<bool>,
}

impl Timer {
    /// Creates the timer of a root context.
    pub(super) fn new(root: u32) -> Self {
        let (waiting, receivers) = (RefCell::default(), RefCell::default());
        Self { root, waiting, receivers, is_at_root: Cell::new(false) }
    }

    /// Calls `on_due` at a moment, or as soon after it as the host can.
    pub(super) fn at(&self, due: Timestamp, on_due: impl FnOnce() + 'static) -> WaitingKey {
        let key = self.waiting.borrow_mut().add(due, Box::new(on_due));
        if !self.is_at_root.get() {
            self.arm();
        }
        key
    }

    /// Drops calls that have become needless. The host's next tick may come for nothing.
    pub(super) fn cancel(&self, keys: &[WaitingKey]) {
        keys.iter().for_each(|key| self.waiting.borrow_mut().remove(*key));
    }

    /// Gives the response to a call that has just been made to `on_response`, if the response comes to
    /// the root context: the number of its headers and the length of its body, or the gRPC status and
    /// the length of the message.
    pub(super) fn expect(&self, token: u32, on_response: impl FnOnce(usize, usize) + 'static) {
        if self.is_at_root.get() {
            self.receivers.borrow_mut().insert(token, Box::new(on_response));
        }
    }

    /// Takes in the root context's tick.
    pub(super) fn tick(&self) {
        let due = self.waiting.borrow_mut().take_due(host::now());
        self.at_root(|| due.into_iter().for_each(|on_due| on_due()));
    }

    /// Takes in a response that has come to the root context.
    pub(super) fn on_response(&self, token: u32, first: usize, size: usize) {
        let receiver = self.receivers.borrow_mut().remove(&token);
        if let Some(on_response) = receiver {
            self.at_root(|| on_response(first, size));
        }
    }

    /// Drops everything that waits.
    pub(super) fn stop(&self) {
        self.waiting.take();
        self.receivers.take();
    }

    /// Acts while the root context is active, and makes it active again afterwards.
    fn at_root(&self, act: impl FnOnce()) {
        self.is_at_root.set(true);
        act();
        self.is_at_root.set(false);
        self.activate_root();
        self.arm();
    }

    /// Makes the root context the one that host calls are about.
    pub(super) fn activate_root(&self) {
        if let Err(status) = hostcalls::set_effective_context(self.root) {
            error!("cannot go back to the root context: {status:?}");
        }
    }

    fn arm(&self) {
        let wait = self.waiting.borrow().next_wait(host::now);
        // A period of zero is none.
        if let Err(status) = hostcalls::set_tick_period(wait.unwrap_or_default()) {
            error!("cannot set a timer: {status:?}");
        }
    }
}
