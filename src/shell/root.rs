//! One per filter and worker: reads the filter's configuration, makes the contexts of requests.

use std::rc::Rc;

use log::{error, info};
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType},
};

use super::{gateway::GatewayFilter, provider::ProviderFilter};
use crate::role::Role;

/// The root context. Without a role until it is configured.
#[derive(Default)]
pub(super) struct Root {
    role: Option<Role>,
}

impl Context for Root {}

impl RootContext for Root {
    /// A configuration that is refused changes nothing.
    fn on_configure(&mut self, size: usize) -> bool {
        let read = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        match Role::parse(&read.ok().flatten().unwrap_or_default()) {
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

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.role.as_ref()? {
            Role::Gateway(gateway) => Box::new(GatewayFilter::new(Rc::clone(gateway))),
            Role::Provider(site) => Box::new(ProviderFilter::new(Rc::clone(site))),
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
