//! The only code that knows a host. Each callback is translated into an input of the core, the
//! core is asked once, and what it answers is done. Nothing is decided here.
//!
//! Only getters that give bytes are used on what comes from outside: those that give strings panic
//! on bytes that are no UTF-8, and a panic takes the VM with every stream in it.

mod gateway;
mod host;
mod idle_monitor;
mod meter;
mod metrics;
mod provider;
mod recent_configs;
mod root;
mod shared_data;
mod telemetry;
mod timer;

use proxy_wasm::types::LogLevel;

use crate::handoff::filter_state::ERROR;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}

/// Crashes the VM at the word of a test that wants to see what outlives it. Only a debug build
/// listens.
#[cfg(debug_assertions)]
fn crash_on_demand(path: &str) {
    if path == "/debug/crash" {
        std::process::abort();
    }
}

/// Leaves the reason of an error for the access log, and counts it.
fn record_error(reason: Option<&str>) {
    if let Some(reason) = reason {
        host::set_filter_state(ERROR, reason);
        metrics::count_error(reason);
    }
}

/// The reason that was left there.
fn recorded_error() -> Option<String> {
    host::property(&[ERROR]).map(host::text)
}
