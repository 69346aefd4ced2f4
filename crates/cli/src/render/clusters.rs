//! Envoy's clusters, one for each upstream.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{RenderError, RenderOptions, UpstreamView, seconds, upstream_override};
use attache::{
    config::{
        BaseUrl, Config, KeyHeader, Model, Provider,
        auth::{Auth, AwsAuth, AwsSource, AzureAuth},
        cluster, direct_cluster,
        health::{CircuitBreakers, OutlierDetection},
        jwt::{Jwks, Jwt},
    },
    region::Region,
};

/// A cluster, and the cluster of its hosts.
#[derive(Serialize)]
pub(super) struct ClusterView<'c> {
    pub(super) name: String,
    /// The name of the cluster beside it in which the module does not run.
    pub(super) direct: String,
    provider: &'c str,
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
    key: Option<KeyView>,
    aws: Option<AwsView<'c>>,
    azure: Option<AzureView<'c>>,
    /// `true` if the module's provider role runs in it, and not in the cluster beside it.
    translates: bool,
}

#[derive(Serialize)]
struct KeyView {
    header: &'static str,
    prefix: &'static str,
    /// The directory that Envoy watches in order to read the key again.
    watched: PathBuf,
}

/// The signature of requests for AWS.
#[derive(Serialize)]
struct AwsView<'c> {
    service: &'c str,
    region: &'c str,
    /// Envoy's configuration of the credentials. `None`: the standard chain.
    credentials: Option<Value>,
}

/// The tokens of Microsoft Entra ID.
#[derive(Serialize)]
struct AzureView<'c> {
    url: String,
    /// The cluster of the token service.
    cluster: String,
    client_id: &'c str,
    scope: &'c str,
    /// The directory that Envoy watches in order to read the client secret again.
    watched: PathBuf,
}

/// Returns every provider in every region where a model runs on it and a gateway may reach it.
fn provider_clusters(config: &Config) -> impl Iterator<Item = (&str, &Provider, Region, &BaseUrl)> {
    let needed = |name: &str, region: Region| {
        config.models.values().any(|model| {
            model.endpoints.get(region).is_some_and(|endpoint| endpoint.provider == name)
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
pub(super) fn clusters<'c>(
    config: &'c Config,
    options: &'c RenderOptions,
) -> Result<Vec<ClusterView<'c>>, RenderError> {
    let mut clusters = clusters_of(config, options)?;
    for old in options.previous.iter().map(|previous| clusters_of(previous, options)) {
        for old in old? {
            if !clusters.iter().any(|own| own.name == old.name) {
                clusters.push(old);
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
        .map(|(name, _, region, _)| cluster(name, region));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn clusters_of<'c>(
    config: &'c Config,
    options: &RenderOptions,
) -> Result<Vec<ClusterView<'c>>, RenderError> {
    let of_providers = provider_clusters(config).map(|(name, provider, region, url)| {
        let source =
            ClusterSource { name: cluster(name, region), secret: name, override_name: name, url };
        Ok(ClusterView {
            max_connections: provider.circuit_breakers.max_connections.get(),
            max_pending_requests: provider.circuit_breakers.max_pending_requests.get(),
            max_requests: provider.circuit_breakers.max_requests.get(),
            consecutive_5xx: provider.outlier_detection.consecutive_5xx.get(),
            base_ejection_time: seconds(provider.outlier_detection.base_ejection_time),
            is_public: must_be_public(name, provider, url, options)?,
            key: provider
                .key_file
                .as_ref()
                .map(|file| key_view(file, provider.key_header, options)),
            aws: match &provider.auth {
                Some(Auth::Aws(aws)) => aws_view(aws, url, options),
                Some(Auth::Azure(_)) | None => None,
            },
            azure: match &provider.auth {
                Some(Auth::Azure(azure)) => Some(azure_view(name, azure, options)),
                Some(Auth::Aws(_)) | None => None,
            },
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

/// Returns the cluster that the issuer's public keys are fetched from.
fn jwks_cluster<'c>(url: &BaseUrl, config: &Config) -> ClusterView<'c> {
    ClusterSource::with_defaults(
        Jwt::CLUSTER.to_owned(),
        Jwt::CLUSTER,
        url,
        config.deadlines.connect,
    )
}

/// Returns the clusters that tokens of Microsoft Entra ID are fetched from.
fn authority_clusters(config: &Config) -> impl Iterator<Item = ClusterView<'_>> {
    let used: BTreeSet<&str> = provider_clusters(config).map(|(name, ..)| name).collect();
    let providers = config.providers.iter().filter(move |(name, _)| used.contains(name.as_str()));
    providers.filter_map(|(name, provider)| match &provider.auth {
        Some(Auth::Azure(AzureAuth { authority, .. })) => Some(ClusterView {
            is_public: authority.address().is_none() && !provider.allow_private,
            ..ClusterSource::with_defaults(
                AzureAuth::cluster(name),
                name,
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
fn service_clusters<'c>(
    config: &'c Config,
    options: &RenderOptions,
) -> impl Iterator<Item = Result<ClusterView<'c>, RenderError>> {
    let here = |(region, _): &(Region, &BaseUrl)| config.listeners.get(*region).is_some();
    let services = config.services();
    let urls = services.flat_map(|own| own.urls.iter().map(move |(at, url)| (own, at, url)));
    urls.filter(move |(_, region, url)| here(&(*region, url))).map(|(own, region, url)| {
        let name = cluster(own.cluster, region);
        let source = ClusterSource { name, secret: own.cluster, override_name: own.name, url };
        Ok(ClusterView {
            key: own.key_file.map(|file| KeyView {
                prefix: own.key_prefix,
                ..key_view(file, KeyHeader::Authorization, options)
            }),
            ..source.view(config.deadlines.connect, options)?
        })
    })
}

/// A cluster without settings of its own, apart from its URL.
struct ClusterSource<'c> {
    name: String,
    /// The name of its key's secret.
    secret: &'c str,
    /// The name of the upstream in `--upstream`.
    override_name: &'c str,
    url: &'c BaseUrl,
}

impl<'c> ClusterSource<'c> {
    fn view(
        self,
        connect: Duration,
        options: &RenderOptions,
    ) -> Result<ClusterView<'c>, RenderError> {
        let url = upstream_override(self.override_name, options)?;
        Ok(Self::with_defaults(self.name, self.secret, url.as_ref().unwrap_or(self.url), connect))
    }

    fn with_defaults(
        name: String,
        provider: &'c str,
        url: &BaseUrl,
        connect: Duration,
    ) -> ClusterView<'c> {
        let breakers = CircuitBreakers::default();
        let outliers = OutlierDetection::default();
        ClusterView {
            direct: direct_cluster(&name),
            name,
            provider,
            upstream: UpstreamView::new(url),
            connect: seconds(connect),
            max_connections: breakers.max_connections.get(),
            max_pending_requests: breakers.max_pending_requests.get(),
            max_requests: breakers.max_requests.get(),
            consecutive_5xx: outliers.consecutive_5xx.get(),
            base_ejection_time: seconds(outliers.base_ejection_time),
            is_public: false,
            key: None,
            aws: None,
            azure: None,
            translates: false,
        }
    }
}

/// Returns the longest connect timeout of the models that run on a provider.
fn connect_timeout(config: &Config, provider: &str) -> Duration {
    let runs = |model: &&Model| model.endpoints.iter().any(|(_, end)| end.provider == provider);
    let of_models = config.models.values().filter(runs).map(|model| model.deadlines.connect);
    of_models.max().unwrap_or(config.deadlines.connect)
}

fn key_view(file: &str, header: KeyHeader, options: &RenderOptions) -> KeyView {
    KeyView { header: header.name(), prefix: header.prefix(), watched: directory_of(file, options) }
}

/// Returns the directory of a file that the configuration names.
fn directory_of(file: &str, options: &RenderOptions) -> PathBuf {
    options.base.join(file).parent().unwrap_or(Path::new("/")).to_owned()
}

/// Returns the view of a signature. The reader of the configuration has made sure of its region.
fn aws_view<'c>(
    aws: &'c AwsAuth,
    url: &'c BaseUrl,
    options: &RenderOptions,
) -> Option<AwsView<'c>> {
    let region = aws.region_for(url)?;
    let credentials = aws.source.map(|source| credentials(aws, source, options));
    Some(AwsView { service: &aws.service, region, credentials })
}

/// Returns Envoy's configuration of a chain with one source of credentials.
fn credentials(aws: &AwsAuth, source: AwsSource, options: &RenderOptions) -> Value {
    let file = |path: &Option<String>| {
        let path = path.as_ref()?;
        let watched = directory_of(path, options);
        Some(json!({"filename": options.base.join(path), "watched_directory": {"path": watched}}))
    };
    let (provider, settings) = match source {
        AwsSource::Environment => ("environment_credential_provider", vec![]),
        AwsSource::Container => ("container_credential_provider", vec![]),
        AwsSource::InstanceMetadata => ("instance_profile_credential_provider", vec![]),
        AwsSource::CredentialsFile => (
            "credentials_file_provider",
            vec![
                ("credentials_data_source", file(&aws.credentials_file)),
                ("profile", aws.profile.as_ref().map(|profile| json!(profile))),
            ],
        ),
        AwsSource::WebIdentity => (
            "assume_role_with_web_identity_provider",
            vec![
                ("role_arn", aws.role.as_ref().map(|role| json!(role))),
                ("web_identity_token_data_source", file(&aws.token_file)),
            ],
        ),
    };
    let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let settings: Map<String, Value> = settings.collect();
    json!({"custom_credential_provider_chain": true, provider: settings})
}

fn azure_view<'c>(name: &str, azure: &'c AzureAuth, options: &RenderOptions) -> AzureView<'c> {
    let AzureAuth { tenant, client_id, scope, authority, .. } = azure;
    let scheme = if authority.tls { "https" } else { "http" };
    AzureView {
        url: format!("{scheme}://{}/{tenant}/oauth2/v2.0/token", authority.authority()),
        cluster: AzureAuth::cluster(name),
        client_id,
        scope,
        watched: directory_of(&azure.client_secret_file, options),
    }
}
