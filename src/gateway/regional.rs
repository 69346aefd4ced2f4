//! The gateway of one region: what all its exchanges share.

use std::rc::Rc;

use super::Ejections;
use crate::{
    attempt::ProviderCluster,
    chat::error::Error,
    config::{Config, PoolKey},
    endpoint_choice::DrawCounts,
    quota::SharedStore,
    region::Region,
};

/// Gateway of one region, which has a listener of Envoy's.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Configuration.
    pub config: Rc<Config>,
    /// Region of the listener.
    pub region: Region,
    /// Store of the counts for limits, and of cool-downs.
    pub store: Rc<dyn SharedStore>,
    /// Providers that are not asked for a while.
    pub ejections: Ejections,
    /// Draws among the endpoints of models that have several.
    pub draws: DrawCounts,
}

impl Gateway {
    /// Creates a gateway that has seen no request.
    pub fn new(config: Rc<Config>, region: Region, store: Rc<dyn SharedStore>) -> Self {
        let (ejections, draws) = (Ejections::default(), DrawCounts::default());
        Self { config, region, store, ejections, draws }
    }

    /// Returns the error of a body that is too long.
    pub(super) fn check_size(&self, size: usize) -> Result<(), Error> {
        let limit = self.config.request_body.get();
        let is_short = usize::try_from(limit).is_ok_and(|limit| size <= limit);
        if is_short { Ok(()) } else { Err(Error::TooLarge { limit }) }
    }

    /// Returns a provider in a region, with one of its keys.
    pub(super) fn cluster(
        &self,
        provider: &str,
        region: Region,
        key: PoolKey,
    ) -> Rc<ProviderCluster> {
        let (config, store) = (Rc::clone(&self.config), Rc::clone(&self.store));
        Rc::new(ProviderCluster { config, provider: provider.to_owned(), key, region, store })
    }
}
