//! The host, which no other module knows. Each callback becomes an event of the core, the core is asked
//! once, and its output is performed. Nothing is decided here.
//!
//! Only host calls that return bytes are used on data from outside: those that return strings panic on
//! bytes that are not UTF-8, and a panic takes the VM with every stream in it.

mod gateway;
mod host;
mod idle_monitor;
mod metrics;
mod provider;
mod root;
mod shared_data;
mod timer;

use std::rc::Rc;

use proxy_wasm::types::LogLevel;

use self::{idle_monitor::IdleMonitor, metrics::METRICS, shared_data::SharedData, timer::Timer};
use crate::{metrics::Metrics, quota::budget::SpendingReport};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}

/// Parts that all filters of a root context share.
#[derive(Clone)]
struct Shared {
    metrics: Rc<Metrics>,
    timer: Rc<Timer>,
    monitor: Rc<IdleMonitor>,
}

impl Shared {
    fn new(root: u32) -> Self {
        let (metrics, timer) = (METRICS.with(Rc::clone), Rc::new(Timer::new(root)));
        let monitor = Rc::new(IdleMonitor::new(Rc::clone(&timer), Rc::clone(&metrics)));
        Self { metrics, timer, monitor }
    }

    /// Reports spending to the rate limit service. The root context makes the call, because the request
    /// may be over.
    fn report(&self, report: SpendingReport) {
        let timer = Rc::clone(&self.timer);
        self.timer.at(host::now(), move || {
            // Another request that has waited until now may be the active context.
            timer.activate_root();
            let Some(token) = host::ask_service(&report.message, report.timeout) else { return };
            timer.expect(token, move |status, size| {
                if let Some(answer) = host::service_answer(status, size) {
                    report.apply(&answer, &SharedData, host::now());
                }
            });
        });
    }
}
