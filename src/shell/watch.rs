//! Ends streams in which nothing is said any more. A provider that goes silent after its first
//! content is caught by no timer of Envoy's that would not also run before it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use log::error;
use proxy_wasm::hostcalls;

use super::{host, note_error, timer};
use crate::time::Timestamp;

/// How often all streams are looked at: how much longer than allowed a silence may last.
const PERIOD: Duration = Duration::from_millis(250);

thread_local! {
    /// Streams whose first content has come, by their context.
    static STREAMS: RefCell<BTreeMap<u32, Watched>> = RefCell::default();
    /// Whether somebody is about to look.
    static AWAKE: Cell<bool> = const { Cell::new(false) };
}

struct Watched {
    idle: Duration,
    /// Whether something was said since the last look.
    spoke: Rc<Cell<bool>>,
    /// When something had last been said by then.
    heard: Timestamp,
}

/// Ends a stream after a silence of this length. Whoever hears something says so.
pub(super) fn watch(context: u32, idle: Duration, spoke: Rc<Cell<bool>>) {
    let now = host::now();
    let watched = Watched { idle, spoke, heard: now };
    STREAMS.with_borrow_mut(|streams| streams.insert(context, watched));
    if !AWAKE.replace(true) {
        timer::at(now.plus(PERIOD), look);
    }
}

/// The stream has ended.
pub(super) fn forget(context: u32) {
    STREAMS.with_borrow_mut(|streams| streams.remove(&context));
}

fn look() {
    let now = host::now();
    let silent = STREAMS.with_borrow_mut(|streams| {
        let silent = streams
            .iter_mut()
            .filter_map(|(context, stream)| stream.is_silent(now).then_some(*context));
        silent.collect::<Vec<_>>()
    });
    for context in silent {
        forget(context);
        end(context);
    }
    let some = STREAMS.with_borrow(|streams| !streams.is_empty());
    AWAKE.set(some);
    if some {
        timer::at(now.plus(PERIOD), look);
    }
}

impl Watched {
    fn is_silent(&mut self, now: Timestamp) -> bool {
        if self.spoke.replace(false) {
            self.heard = now;
        }
        now.since(self.heard) >= self.idle
    }
}

fn end(context: u32) {
    if hostcalls::set_effective_context(context).is_err() {
        return;
    }
    note_error(Some("timeout"));
    if let Err(status) = hostcalls::reset_http_response() {
        error!("cannot end a silent stream: {status:?}");
    }
}
