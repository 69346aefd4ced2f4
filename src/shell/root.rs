//! One per filter and worker: reads the filter's configuration, makes the contexts of requests.

use std::rc::Rc;

use log::{error, info};
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType},
};

use super::{gateway::GatewayFilter, provider::ProviderFilter, shared_data::SharedData, timer};
use crate::role::Role;

/// The root context.
pub(super) struct Root {
    id: u32,
    /// None until it is configured.
    role: Option<Role>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, role: None }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        timer::answered(self.id, token, headers, body);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        timer::answered(self.id, token, usize::try_from(status).unwrap_or(usize::MAX), size);
    }
}

impl RootContext for Root {
    /// A configuration that is refused changes nothing.
    fn on_configure(&mut self, size: usize) -> bool {
        let read = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        match Role::parse(&read.ok().flatten().unwrap_or_default(), Rc::new(SharedData)) {
            Ok(role) => {
                announce(&role);
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
        timer::tick(self.id);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.role.as_ref()? {
            Role::Gateway(gateway) => Box::new(GatewayFilter::new(Rc::clone(gateway), id)),
            Role::Provider(site) => Box::new(ProviderFilter::new(Rc::clone(site), id)),
        })
    }
}

fn announce(role: &Role) {
    match role {
        Role::Gateway(gateway) => {
            let (region, models) = (gateway.region.name(), gateway.config.models.len());
            info!("gateway {region}: {models} models configured");
        }
        Role::Provider(site) => info!("provider {} in {}", site.provider, site.region.name()),
    }
}
