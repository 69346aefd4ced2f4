//! One per filter and worker: reads the filter's configuration, makes the contexts of requests.

use std::rc::Rc;

use log::{error, info};
use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{BufferType, ContextType},
};

use super::{
    gateway::GatewayFilter, idle_monitor::IdleMonitor, provider::ProviderFilter, recent_configs,
    shared_data::SharedData, timer::Timer,
};
use crate::plugin_config::Role;

/// The root context.
pub(super) struct Root {
    watch: Rc<IdleMonitor>,
    /// None until it is configured.
    role: Option<Role>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { watch: IdleMonitor::new(Rc::new(Timer::new(id))), role: None }
    }
}

/// The host lets go of the root context of an earlier configuration when its last request is over.
/// Who is still waiting left long ago.
impl Drop for Root {
    fn drop(&mut self) {
        self.watch.timer.stop();
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        self.watch.timer.answered(token, headers, body);
    }

    fn on_grpc_call_response(&mut self, token: u32, status: u32, size: usize) {
        let status = usize::try_from(status).unwrap_or(usize::MAX);
        self.watch.timer.answered(token, status, size);
    }
}

impl RootContext for Root {
    /// A configuration that is refused changes nothing.
    fn on_configure(&mut self, size: usize) -> bool {
        let read = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        match Role::parse(&read.ok().flatten().unwrap_or_default(), Rc::new(SharedData)) {
            Ok(role) => {
                announce(&role);
                if let Role::Provider(sites) = &role {
                    recent_configs::keep(sites);
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
        self.watch.timer.tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match self.role.as_ref()? {
            Role::Gateway(gateway) => {
                let (gateway, watch) = (Rc::clone(gateway), Rc::clone(&self.watch));
                Box::new(GatewayFilter::new(gateway, watch, id))
            }
            Role::Provider(sites) => {
                let (sites, timer) = (Rc::clone(sites), Rc::clone(&self.watch.timer));
                Box::new(ProviderFilter::new(sites, timer, id))
            }
        })
    }
}

fn announce(role: &Role) {
    match role {
        Role::Gateway(gateway) => {
            let (region, config) = (gateway.region.name(), &gateway.config);
            let (models, version) = (config.models.len(), &config.version);
            info!("gateway {region}: {models} models configured, version {version}");
        }
        Role::Provider(sites) => info!("providers: version {}", sites.version),
    }
}
