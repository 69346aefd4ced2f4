//! The timer behind [`MonitoredStreams`].

use std::{cell::RefCell, rc::Rc};

use log::error;
use proxy_wasm::hostcalls;

use super::{host, timer::Timer};
use crate::{
    gateway::idle::{MonitoredStreams, StreamActivity, StreamLimits, record_silence},
    metrics::Metrics,
    time::Timestamp,
};

/// Monitor of the streams of a root context.
pub(super) struct IdleMonitor {
    timer: Rc<Timer>,
    metrics: Rc<Metrics>,
    streams: RefCell<MonitoredStreams>,
}

impl IdleMonitor {
    pub(super) fn new(timer: Rc<Timer>, metrics: Rc<Metrics>) -> Self {
        Self { timer, metrics, streams: RefCell::default() }
    }

    /// Monitors a stream until it ends.
    pub(super) fn add(
        self: &Rc<Self>,
        context: u32,
        limits: StreamLimits,
    ) -> Rc<RefCell<StreamActivity>> {
        let (activity, due) = self.streams.borrow_mut().add(context, limits, host::now());
        self.schedule(due);
        activity
    }

    /// Removes a stream that has ended.
    pub(super) fn remove(&self, context: u32) {
        self.streams.borrow_mut().remove(context);
    }

    fn schedule(self: &Rc<Self>, due: Option<Timestamp>) {
        let monitor = Rc::clone(self);
        if let Some(due) = due {
            self.timer.at(due, move || monitor.check());
        }
    }

    fn check(self: &Rc<Self>) {
        let (silent, due) = self.streams.borrow_mut().check(host::now());
        silent.into_iter().for_each(|context| self.end(context));
        self.schedule(due);
    }

    fn end(&self, context: u32) {
        if hostcalls::set_effective_context(context).is_err() {
            return;
        }
        host::update_filter_state(&record_silence(&self.metrics), None);
        if let Err(status) = hostcalls::reset_http_response() {
            error!("cannot end a silent stream: {status:?}");
        }
    }
}
