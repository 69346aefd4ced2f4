//! Providers as clusters of Envoy.

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    chat::{
        error::Error, mistake::Mistake, parameter::Parameters, request::Request,
        request_variant::RequestVariant,
    },
    collections::map_of,
    config::{Config, Target, cluster},
    fallbacks::Fallbacks,
    quota::SharedStore,
    region::Region,
};

/// Provider in one region, which has a cluster of Envoy's.
#[derive(Clone, Debug)]
pub struct ProviderCluster {
    /// Configuration.
    pub config: Rc<Config>,
    /// Name of the provider.
    pub provider: String,
    /// Region in which the provider is asked.
    pub region: Region,
    /// Store of the counts for limits.
    pub store: Rc<dyn SharedStore>,
}

/// Clusters of all providers in all regions, as one file has them.
#[derive(Clone, Debug)]
pub struct ProviderClusters {
    /// Version of the file. See `Config::version`.
    pub version: String,
    /// Clusters by their names.
    by_name: BTreeMap<String, Rc<ProviderCluster>>,
}

impl ProviderClusters {
    /// Returns the clusters of a configuration.
    pub fn new(config: &Rc<Config>, store: &Rc<dyn SharedStore>) -> Self {
        let provider_cluster = |provider: &String, region| {
            let (config, store) = (Rc::clone(config), Rc::clone(store));
            let own = ProviderCluster { config, provider: provider.clone(), region, store };
            (cluster(provider, region), Rc::new(own))
        };
        let all = config.providers.iter().flat_map(|(name, provider)| {
            provider.base_urls.iter().map(move |(region, _)| provider_cluster(name, region))
        });
        Self { version: config.version.clone(), by_name: map_of(all) }
    }

    /// Returns the cluster with this name.
    pub fn get(&self, name: &str) -> Option<&Rc<ProviderCluster>> {
        self.by_name.get(name)
    }
}

impl ProviderCluster {
    /// Reads the request of a variant. With a fallback comes the model of the client's own request.
    pub(super) fn read<'a>(
        &'a self,
        parameters: Parameters<'a>,
        variant: RequestVariant,
    ) -> Result<(Request<'a>, Vec<Mistake>, Option<String>), Error> {
        let Some(index) = variant.fallback_index() else {
            let (own, mistakes) = Request::read(parameters);
            return Ok((own, mistakes, None));
        };
        let (own, _) = Request::read(parameters);
        let invalid = |mistake| Error::Invalid(vec![mistake]);
        let fallbacks = Fallbacks::from_request(&own.parameters, &own.model, &self.config);
        let merged = fallbacks.and_then(|fallbacks| fallbacks.merged(&own.parameters, index));
        let request_model = self.config.model(&own.model).map(|(name, _)| name.to_owned());
        let (request, mistakes) = Request::read(merged.map_err(invalid)?);
        Ok((request, mistakes, request_model))
    }

    /// Returns the model that a request names, as the provider has it.
    pub(super) fn target(&self, request: &Request<'_>) -> Result<Target<'_>, Error> {
        let target = self.config.target(&request.model, self.region);
        target
            .filter(|target| target.endpoint.provider == self.provider)
            .ok_or(Error::Misconfigured { problem: "a request came to a provider it is not for" })
    }
}
