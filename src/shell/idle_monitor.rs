//! Looks after streams in which nothing is said: keeps them warm for a while, and then ends them. A
//! provider that goes silent after its first content is caught by no timer of Envoy's that would
//! not also run before it.
//!
//! A host lets a filter write into an answer only when a piece of it comes, so what keeps a stream
//! warm is sent in the place of what a provider sends to keep its own.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use log::error;
use proxy_wasm::hostcalls;

use super::{host, record_error, timer::Timer};
use crate::{gateway::IdleTimeouts, time::Timestamp};

/// How often all streams are looked at: how much longer than meant a silence may last.
const PERIOD: Duration = Duration::from_millis(250);

/// A watch over the streams of a root context.
pub(super) struct IdleMonitor {
    /// The root context's.
    pub(super) timer: Rc<Timer>,
    /// Streams whose first content has come, by their context.
    streams: RefCell<BTreeMap<u32, MonitoredStream>>,
    /// Whether somebody is about to look.
    is_awake: Cell<bool>,
}

/// What the watch and the stream tell each other.
#[derive(Default)]
pub(super) struct StreamActivity {
    spoke: Cell<bool>,
    /// Whether the last thing that came was said.
    is_said: Cell<bool>,
    is_cold: Cell<bool>,
}

impl StreamActivity {
    /// Something was said.
    pub(super) fn on_content(&self) {
        self.spoke.set(true);
        self.is_said.set(true);
    }

    /// Something came that says nothing. Whether that is to keep the stream warm. The first time it
    /// counts as said: so comes what an answer cost, before its end.
    pub(super) fn on_keepalive(&self) -> bool {
        if self.is_said.replace(false) {
            self.spoke.set(true);
        }
        self.is_cold.replace(false)
    }
}

struct MonitoredStream {
    patience: IdleTimeouts,
    line: Rc<StreamActivity>,
    /// When something had last been said by the last look.
    heard: Timestamp,
    /// The same of anything that the client got.
    warmed: Timestamp,
    /// Whether the stream was cold by then.
    was_cold: bool,
}

impl IdleMonitor {
    /// Over nothing yet.
    pub(super) fn new(timer: Rc<Timer>) -> Rc<Self> {
        Rc::new(Self { timer, streams: RefCell::default(), is_awake: Cell::new(false) })
    }

    /// Watches a stream until it ends.
    pub(super) fn over(
        self: &Rc<Self>,
        context: u32,
        patience: IdleTimeouts,
        line: Rc<StreamActivity>,
    ) {
        let now = host::now();
        let watched = MonitoredStream { patience, line, heard: now, warmed: now, was_cold: false };
        self.streams.borrow_mut().insert(context, watched);
        if !self.is_awake.replace(true) {
            self.look_after(now);
        }
    }

    /// The stream has ended.
    pub(super) fn forget(&self, context: u32) {
        self.streams.borrow_mut().remove(&context);
    }

    fn look_after(self: &Rc<Self>, now: Timestamp) {
        let watch = Rc::clone(self);
        self.timer.at(now.plus(PERIOD), move || watch.look());
    }

    fn look(self: &Rc<Self>) {
        let now = host::now();
        let mut streams = self.streams.borrow_mut();
        let silent = streams
            .iter_mut()
            .filter_map(|(context, stream)| stream.is_silent(now).then_some(*context));
        let silent: Vec<u32> = silent.collect();
        drop(streams);
        for context in silent {
            self.forget(context);
            end(context);
        }
        let some = !self.streams.borrow().is_empty();
        self.is_awake.set(some);
        if some {
            self.look_after(now);
        }
    }
}

impl MonitoredStream {
    /// Whether it has been silent for too long.
    fn is_silent(&mut self, now: Timestamp) -> bool {
        let Self { patience, line, .. } = self;
        let spoke = line.spoke.replace(false);
        if spoke {
            self.heard = now;
        }
        if spoke || (self.was_cold && !line.is_cold.get()) {
            self.warmed = now;
        }
        self.was_cold = now.since(self.warmed) >= patience.warm;
        line.is_cold.set(self.was_cold);
        now.since(self.heard) >= patience.idle
    }
}

fn end(context: u32) {
    if hostcalls::set_effective_context(context).is_err() {
        return;
    }
    record_error(Some("timeout"));
    if let Err(status) = hostcalls::reset_http_response() {
        error!("cannot end a silent stream: {status:?}");
    }
}
