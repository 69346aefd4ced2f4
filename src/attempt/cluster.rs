//! Providers as clusters of Envoy.

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use crate::{
    chat::{
        error::Error, mistake::Mistake, parameter::Parameters, request::Request,
        request_variant::RequestVariant,
    },
    config::{Config, PoolKey, Target, cluster},
    failover::EndpointIndex,
    fallbacks::Fallbacks,
    quota::SharedStore,
    region::Region,
};

/// Provider in one region with one of its keys, which has a cluster of Envoy's.
#[derive(Clone, Debug)]
pub struct ProviderCluster {
    /// Configuration.
    pub config: Rc<Config>,
    /// Name of the provider.
    pub provider: String,
    /// Key with which the provider is asked.
    pub key: PoolKey,
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
        let mut by_name = BTreeMap::new();
        for (name, provider) in &config.providers {
            for (key, (region, _)) in
                provider.pool().flat_map(|key| provider.base_urls.iter().map(move |at| (key, at)))
            {
                let (config, store) = (Rc::clone(config), Rc::clone(store));
                let own = ProviderCluster { config, provider: name.clone(), key, region, store };
                by_name.insert(own.name(), Rc::new(own));
            }
        }
        Self { version: config.version.clone(), by_name }
    }

    /// Returns the cluster with this name.
    pub fn get(&self, name: &str) -> Option<&Rc<ProviderCluster>> {
        self.by_name.get(name)
    }
}

impl ProviderCluster {
    /// Returns the name of the cluster.
    pub(super) fn name(&self) -> String {
        cluster(&self.provider, self.region, self.key)
    }

    /// Returns the name of the provider for metrics, with the key.
    pub(super) fn provider_label(&self) -> Cow<'_, str> {
        match self.key {
            PoolKey::FIRST => Cow::Borrowed(&self.provider),
            key => Cow::Owned([&*self.provider, &*key.suffix()].concat()),
        }
    }

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

    /// Returns the model that a request names, as the provider has it at one of its endpoints.
    pub(super) fn target(
        &self,
        request: &Request<'_>,
        endpoint: EndpointIndex,
    ) -> Result<Target<'_>, Error> {
        let target = self.config.target_at(&request.model, self.region, endpoint);
        let is_own = |target: &Target<'_>| {
            (&target.endpoint.provider, target.endpoint.key) == (&self.provider, self.key)
        };
        target
            .filter(is_own)
            .ok_or(Error::Misconfigured { problem: "a request came to a provider it is not for" })
    }
}
