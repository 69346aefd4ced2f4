//! The timer behind [`MonitoredStreams`]: checks all streams of a root context as long as there are
//! any, and ends those that were silent for too long.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use log::error;
use proxy_wasm::hostcalls;

use super::{host, record_error, timer::Timer};
use crate::{
    gateway::idle::{CHECK_PERIOD, IdleTimeouts, MonitoredStreams, StreamActivity},
    time::Timestamp,
};

/// Monitor of the streams of a root context.
pub(super) struct IdleMonitor {
    /// Timer of the root context.
    pub(super) timer: Rc<Timer>,
    streams: RefCell<MonitoredStreams>,
    /// Whether a check is due.
    is_scheduled: Cell<bool>,
}

impl IdleMonitor {
    /// Creates a monitor without streams.
    pub(super) fn new(timer: Rc<Timer>) -> Rc<Self> {
        Rc::new(Self { timer, streams: RefCell::default(), is_scheduled: Cell::new(false) })
    }

    /// Monitors a stream until it ends.
    pub(super) fn add(
        self: &Rc<Self>,
        context: u32,
        timeouts: IdleTimeouts,
    ) -> Rc<RefCell<StreamActivity>> {
        let now = host::now();
        let activity = self.streams.borrow_mut().add(context, timeouts, now);
        if !self.is_scheduled.replace(true) {
            self.schedule(now);
        }
        activity
    }

    /// Removes a stream that has ended.
    pub(super) fn remove(&self, context: u32) {
        self.streams.borrow_mut().remove(context);
    }

    fn schedule(self: &Rc<Self>, now: Timestamp) {
        let monitor = Rc::clone(self);
        self.timer.at(now.plus(CHECK_PERIOD), move || monitor.check());
    }

    fn check(self: &Rc<Self>) {
        let now = host::now();
        let silent = self.streams.borrow_mut().take_silent(now);
        silent.into_iter().for_each(end);
        let is_busy = !self.streams.borrow().is_empty();
        self.is_scheduled.set(is_busy);
        if is_busy {
            self.schedule(now);
        }
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
