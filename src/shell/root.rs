//! Root contexts, one per filter and worker.

use std::rc::Rc;

use log::{error, info};
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType},
};

use super::{
    Shared,
    gateway::GatewayFilter,
    provider::{ProviderFilter, RECENT},
    shared_data::SharedData,
};
use crate::{gateway::held_bodies::HeldBodies, plugin_config::Role};

thread_local! {
    /// Bodies of requests that this VM holds, for all its root contexts.
    static HELD: HeldBodies = HeldBodies::default();
}

/// Root context.
pub(super) struct Root {
    shared: Shared,
    /// `None` before a configuration has come.
    role: Option<Role>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { shared: Shared::new(id), role: None }
    }
}

/// The host drops the root context of an earlier configuration after its last request. No request
/// waits for the timer then.
impl Drop for Root {
    fn drop(&mut self) {
        self.shared.timer.stop();
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.shared.timer.on_response(token, headers, body);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        let status = usize::try_from(status).unwrap_or(usize::MAX);
        self.shared.timer.on_response(token, status, size);
    }
}

impl RootContext for Root {
    /// A configuration with mistakes changes nothing.
    fn on_configure(&mut self, size: usize) -> bool {
        let read = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        let read = read.ok().flatten().unwrap_or_default();
        match Role::parse(&read, Rc::new(SharedData), HELD.with(HeldBodies::clone)) {
            Ok(role) => {
                info!("{role}");
                if let Role::Provider(clusters) = &role {
                    RECENT.with_borrow_mut(|recent| recent.add(clusters));
                }
                self.role = Some(role);
                true
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    error!("configuration refused: {mistake}");
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.shared.timer.tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let shared = self.shared.clone();
        Some(match self.role.as_ref()? {
            Role::Gateway(gateway) => Box::new(GatewayFilter::new(Rc::clone(gateway), shared, id)),
            Role::Provider(clusters) => {
                Box::new(ProviderFilter::new(Rc::clone(clusters), shared, id))
            }
        })
    }
}
