//! Envoy's clusters, one for each upstream.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use serde::Serialize;

use super::{
    RenderError, RenderOptions, UpstreamView,
    cloud_auth::{AwsView, AzureView},
    seconds, secret_name, upstream_override,
};
use attache::{
    config::{
        BaseUrl, Config, KeyHeader, Model, PoolKey, Provider,
        auth::{Auth, AzureAuth},
        cluster, direct_cluster,
        health::{CircuitBreakers, OutlierDetection},
        jwt::{Jwks, Jwt},
    },
    region::Region,
};

/// The cluster of an upstream's hosts, with the clusters that lead there.
#[derive(Serialize)]
pub(super) struct ClusterView {
    pub(super) name: String,
    /// The clusters with filters, one for each key.
    pub(super) entrances: Vec<EntranceView>,
    #[serde(flatten)]
    pub(super) upstream: UpstreamView,
    pub(super) connect: String,
    pub(super) max_connections: u32,
    pub(super) max_pending_requests: u32,
    pub(super) max_requests: u32,
    pub(super) consecutive_5xx: u32,
    pub(super) base_ejection_time: String,
    /// `true` if its host name must resolve to a public address.
    is_public: bool,
    aws: Option<AwsView>,
    azure: Option<AzureView>,
    /// `true` if the module's provider role runs in each entrance, and not in the cluster beside it.
    translates: bool,
}

/// A cluster with filters.
#[derive(Serialize)]
pub(super) struct EntranceView {
    pub(super) name: String,
    /// The name of the cluster beside it in which the module does not run.
    pub(super) direct: String,
    key: Option<KeyView>,
}

impl EntranceView {
    fn new(name: String, key: Option<KeyView>) -> Self {
        Self { direct: direct_cluster(&name), name, key }
    }
}

#[derive(Serialize)]
struct KeyView {
    /// The name of its secret.
    secret: String,
    header: &'static str,
    prefix: &'static str,
    /// The directory that Envoy watches in order to read the key again.
    watched: PathBuf,
}

/// Returns every provider in every region where a model runs on it and a gateway may reach it.
fn provider_clusters(config: &Config) -> impl Iterator<Item = (&str, &Provider, Region, &BaseUrl)> {
    let needed = |name: &str, region: Region| {
        config.models.values().any(|model| {
            model.endpoints_in(region).iter().any(|endpoint| endpoint.provider == name)
        })
    };
    config
        .providers
        .iter()
        .flat_map(|(name, provider)| {
            let urls = provider.base_urls.iter();
            urls.map(move |(region, url)| (name.as_str(), provider, region, url))
        })
        .filter(move |(name, _, region, _)| needed(name, *region))
        .filter(|(_, _, region, _)| {
            config.listeners.iter().any(|(gateway_region, _)| gateway_region.may_reach(*region))
        })
}

/// Returns the clusters of a configuration, and those of the previous one, which requests may still
/// use.
pub(super) fn clusters(
    config: &Config,
    options: &RenderOptions,
) -> Result<Vec<ClusterView>, RenderError> {
    let mut clusters = clusters_of(config, options)?;
    for old in options.previous.iter().map(|previous| clusters_of(previous, options)) {
        for old in old? {
            match clusters.iter_mut().find(|own| own.name == old.name) {
                Some(own) => own.add_entrances(old),
                None => clusters.push(old),
            }
        }
    }
    Ok(clusters)
}

/// Returns the names of the clusters that a gateway in a region may reach.
pub(super) fn reachable(
    config: &Config,
    options: &RenderOptions,
    gateway_region: Region,
) -> Vec<String> {
    let all = provider_clusters(config).chain(options.previous.iter().flat_map(provider_clusters));
    let names = all
        .filter(|(_, _, region, _)| gateway_region.may_reach(*region))
        .flat_map(|(name, own, region, _)| own.pool().map(move |key| cluster(name, region, key)));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn clusters_of(config: &Config, options: &RenderOptions) -> Result<Vec<ClusterView>, RenderError> {
    let of_providers = provider_clusters(config).map(|(name, provider, region, url)| {
        let source =
            ClusterSource { name: cluster(name, region, PoolKey::FIRST), override_name: name, url };
        Ok(ClusterView {
            max_connections: provider.circuit_breakers.max_connections.get(),
            max_pending_requests: provider.circuit_breakers.max_pending_requests.get(),
            max_requests: provider.circuit_breakers.max_requests.get(),
            consecutive_5xx: provider.outlier_detection.consecutive_5xx.get(),
            base_ejection_time: seconds(provider.outlier_detection.base_ejection_time),
            is_public: must_be_public(name, provider, url, options)?,
            aws: AwsView::of(provider, url, options),
            azure: AzureView::of(name, provider, options),
            entrances: entrances(name, provider, region, options),
            translates: true,
            ..source.view(connect_timeout(config, name), options)?
        })
    });
    let of_tokens = config.jwt.iter().filter_map(|jwt| match &jwt.jwks {
        Jwks::Url(url) => Some(jwks_cluster(url, config)),
        Jwks::File(_) => None,
    });
    let others = of_tokens.chain(authority_clusters(config)).map(Ok);
    of_providers.chain(service_clusters(config, options)).chain(others).collect()
}

/// Returns the clusters that lead to a provider, one for each key.
fn entrances(
    name: &str,
    provider: &Provider,
    region: Region,
    options: &RenderOptions,
) -> Vec<EntranceView> {
    let mut files = provider.key_files.iter();
    let entrance = |key| {
        let view =
            |file: &String| key_view(secret_name(name, key), file, provider.key_header, options);
        EntranceView::new(cluster(name, region, key), files.next().map(view))
    };
    provider.pool().map(entrance).collect()
}

/// Returns the cluster that the issuer's public keys are fetched from.
fn jwks_cluster(url: &BaseUrl, config: &Config) -> ClusterView {
    ClusterSource::with_defaults(Jwt::CLUSTER.to_owned(), url, config.deadlines.connect)
}

/// Returns the clusters that tokens of Microsoft Entra ID are fetched from.
fn authority_clusters(config: &Config) -> impl Iterator<Item = ClusterView> {
    let used: BTreeSet<&str> = provider_clusters(config).map(|(name, ..)| name).collect();
    let providers = config.providers.iter().filter(move |(name, _)| used.contains(name.as_str()));
    providers.filter_map(|(name, provider)| match &provider.auth {
        Some(Auth::Azure(AzureAuth { authority, .. })) => Some(ClusterView {
            is_public: authority.address().is_none() && !provider.allow_private,
            ..ClusterSource::with_defaults(
                AzureAuth::cluster(name),
                authority,
                config.deadlines.connect,
            )
        }),
        Some(Auth::Aws(_)) | None => None,
    })
}

/// Returns whether a provider is contacted by a host name, which may resolve to another address at any
/// time, and never may to a private one.
fn must_be_public(
    name: &str,
    provider: &Provider,
    url: &BaseUrl,
    options: &RenderOptions,
) -> Result<bool, RenderError> {
    let is_name = upstream_override(name, options)?.is_none() && url.address().is_none();
    Ok(is_name && !provider.allow_private)
}

/// Returns the clusters of other services in the regions that have a gateway. The module does not run
/// in them: the gateway role reads their answers.
fn service_clusters(
    config: &Config,
    options: &RenderOptions,
) -> impl Iterator<Item = Result<ClusterView, RenderError>> {
    let here = |(region, _): &(Region, &BaseUrl)| config.listeners.get(*region).is_some();
    let services = config.services();
    let urls = services.flat_map(|own| own.urls.iter().map(move |(at, url)| (own, at, url)));
    urls.filter(move |(_, region, url)| here(&(*region, url))).map(|(own, region, url)| {
        let name = cluster(own.cluster, region, PoolKey::FIRST);
        let key = own.key_file.map(|file| {
            let secret = own.cluster.to_owned();
            let view = key_view(secret, file, KeyHeader::Authorization, options);
            KeyView { prefix: own.key_prefix, ..view }
        });
        let source = ClusterSource { name: name.clone(), override_name: own.name, url };
        Ok(ClusterView {
            entrances: vec![EntranceView::new(name, key)],
            ..source.view(config.deadlines.connect, options)?
        })
    })
}

/// A cluster without settings of its own, apart from its URL.
struct ClusterSource<'c> {
    name: String,
    /// The name of the upstream in `--upstream`.
    override_name: &'c str,
    url: &'c BaseUrl,
}

impl ClusterView {
    /// Adds the entrances that a view of the same hosts has besides.
    fn add_entrances(&mut self, other: Self) {
        for entrance in other.entrances {
            if !self.entrances.iter().any(|own| own.name == entrance.name) {
                self.entrances.push(entrance);
            }
        }
    }
}

impl ClusterSource<'_> {
    fn view(self, connect: Duration, options: &RenderOptions) -> Result<ClusterView, RenderError> {
        let url = upstream_override(self.override_name, options)?;
        Ok(Self::with_defaults(self.name, url.as_ref().unwrap_or(self.url), connect))
    }

    fn with_defaults(name: String, url: &BaseUrl, connect: Duration) -> ClusterView {
        let breakers = CircuitBreakers::default();
        let outliers = OutlierDetection::default();
        ClusterView {
            entrances: vec![EntranceView::new(name.clone(), None)],
            name,
            upstream: UpstreamView::new(url),
            connect: seconds(connect),
            max_connections: breakers.max_connections.get(),
            max_pending_requests: breakers.max_pending_requests.get(),
            max_requests: breakers.max_requests.get(),
            consecutive_5xx: outliers.consecutive_5xx.get(),
            base_ejection_time: seconds(outliers.base_ejection_time),
            is_public: false,
            aws: None,
            azure: None,
            translates: false,
        }
    }
}

/// Returns the longest connect timeout of the models that run on a provider.
fn connect_timeout(config: &Config, provider: &str) -> Duration {
    let runs = |model: &&Model| model.all_endpoints().any(|own| own.provider == provider);
    let of_models = config.models.values().filter(runs).map(|model| model.deadlines.connect);
    of_models.max().unwrap_or(config.deadlines.connect)
}

fn key_view(secret: String, file: &str, header: KeyHeader, options: &RenderOptions) -> KeyView {
    let watched = options.directory_of(file);
    KeyView { secret, header: header.name(), prefix: header.prefix(), watched }
}
