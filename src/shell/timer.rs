//! Waking up at a moment, and answers that come back outside of any request.
//!
//! A host gives a root context one periodic tick. Its period is set to the next moment that anybody
//! waits for, and to none when nobody does.

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

thread_local! {
    /// Who waits, and until when. Few do at a time: whoever failed, and whoever hedges.
    static SLEEPERS: RefCell<Vec<(Timestamp, Wake)>> = RefCell::default();
    /// Who gets the answer to a call that was made while the root context was active.
    static CALLERS: RefCell<HashMap<u32, Answer>> = RefCell::default();
    /// Whether the root context is active.
    static AT_ROOT: Cell<bool> = const { Cell::new(false) };
}

/// Calls `wake` at a moment, or as soon after it as the host can.
pub(super) fn at(due: Timestamp, wake: impl FnOnce() + 'static) {
    SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((due, Box::new(wake))));
    if !AT_ROOT.get() {
        arm();
    }
}

/// Whether an answer to a call made now comes to the root context, and to [`expect`].
pub(super) fn is_at_root() -> bool {
    AT_ROOT.get()
}

/// Gives the answer of a call to `answer`: the number of its headers and the length of its body.
pub(super) fn expect(token: u32, answer: impl FnOnce(usize, usize) + 'static) {
    CALLERS.with_borrow_mut(|callers| callers.insert(token, Box::new(answer)));
}

/// The root context's tick.
pub(super) fn tick(root: u32) {
    let now = host::now();
    let due = SLEEPERS.with_borrow_mut(|sleepers| {
        let all = std::mem::take(sleepers);
        let (due, rest) = all.into_iter().partition::<Vec<_>, _>(|(due, _)| *due <= now);
        *sleepers = rest;
        due
    });
    at_root(root, || due.into_iter().for_each(|(_, wake)| wake()));
    arm();
}

/// An answer that came to the root context.
pub(super) fn answered(root: u32, token: u32, headers: usize, body: usize) {
    if let Some(answer) = CALLERS.with_borrow_mut(|callers| callers.remove(&token)) {
        at_root(root, || answer(headers, body));
        arm();
    }
}

/// Does something while the root context is active, and comes back to it.
fn at_root(root: u32, act: impl FnOnce()) {
    AT_ROOT.set(true);
    act();
    AT_ROOT.set(false);
    if let Err(status) = hostcalls::set_effective_context(root) {
        error!("cannot go back to the root context: {status:?}");
    }
}

fn arm() {
    let soonest = SLEEPERS.with_borrow(|sleepers| sleepers.iter().map(|(due, _)| *due).min());
    // A period of zero is none.
    let period =
        soonest.map_or(Duration::ZERO, |due| due.since(host::now()).max(Duration::from_millis(1)));
    if let Err(status) = hostcalls::set_tick_period(period) {
        error!("cannot set a timer: {status:?}");
    }
}
