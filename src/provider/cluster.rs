//! Providers as clusters of Envoy.

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    chat::{error::Error, mistake::Mistake, parameter::Parameters, request::Request},
    config::{Config, Target, cluster},
    fallbacks::Fallbacks,
    quota::SharedStore,
    region::Region,
};

/// A provider in one region: what a cluster of Envoy stands for.
#[derive(Clone, Debug)]
pub struct ProviderCluster {
    /// Everything the operator decided.
    pub config: Rc<Config>,
    /// The provider's name.
    pub provider: String,
    /// Where it is asked.
    pub region: Region,
    /// Where requests and tokens are counted.
    pub store: Rc<dyn SharedStore>,
}

/// All providers in all regions, as one file has them.
#[derive(Clone, Debug)]
pub struct ProviderClusters {
    /// The file's. See `Config::version`.
    pub version: String,
    /// By the name of the cluster.
    by_cluster: BTreeMap<String, Rc<ProviderCluster>>,
}

impl ProviderClusters {
    /// The sites of a configuration. They count in `store`.
    pub fn new(config: &Rc<Config>, store: &Rc<dyn SharedStore>) -> Self {
        let site = |name: &String, region| {
            let (config, store) = (Rc::clone(config), Rc::clone(store));
            let site = ProviderCluster { config, provider: name.clone(), region, store };
            (cluster(name, region), Rc::new(site))
        };
        let all = config.providers.iter().flat_map(|(name, provider)| {
            provider.base_urls.iter().map(move |(region, _)| site(name, region))
        });
        Self { version: config.version.clone(), by_cluster: all.collect() }
    }

    /// The site that a cluster stands for.
    pub fn at(&self, cluster: &str) -> Option<&Rc<ProviderCluster>> {
        self.by_cluster.get(cluster)
    }
}

impl ProviderCluster {
    /// Reads the request that an entry of the plan stands for: 0 is the client's own. Of another,
    /// the model that the client asked for comes with it.
    pub(super) fn read<'a>(
        &'a self,
        parameters: Parameters<'a>,
        entry: usize,
    ) -> Result<(Request<'a>, Vec<Mistake>, Option<String>), Error> {
        let Some(index) = entry.checked_sub(1) else {
            let (own, mistakes) = Request::read(parameters);
            return Ok((own, mistakes, None));
        };
        let (own, _) = Request::read(parameters);
        let invalid = |mistake| Error::Invalid(vec![mistake]);
        let fallbacks = Fallbacks::of(&own.parameters, &own.model, &self.config);
        let merged = fallbacks.and_then(|fallbacks| fallbacks.merged(&own.parameters, index));
        let asked = self.config.model(&own.model).map(|(name, _)| name.to_owned());
        let (request, mistakes) = Request::read(merged.map_err(invalid)?);
        Ok((request, mistakes, asked))
    }

    pub(super) fn target(&self, request: &Request<'_>) -> Result<Target<'_>, Error> {
        let target = self.config.target(&request.model, self.region);
        target
            .filter(|target| target.endpoint.provider == self.provider)
            .ok_or(Error::Misconfigured { problem: "a request came to a provider it is not for" })
    }
}
