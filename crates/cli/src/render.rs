//! Envoy's configuration, rendered from the operator's file.
//!
//! The templates in `envoy/templates` are written in Envoy's own language. This module computes the
//! values that they refer to.

mod cloud_auth;
mod clusters;
pub mod envoy_gateway;
mod handoff;
pub mod istio;
mod jwt;
pub mod keys;
pub mod objects;
mod playground;
pub mod pods;
mod replies;
mod telemetry;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use attache::{
    config::{
        BaseUrl, Config, Deadlines, Listener, PoolKey, Tls, TranscriptKey,
        rate_limit::RateLimitService,
    },
    http_call::MAX_ANSWER,
    network,
    plugin_config::Role,
    region::Region,
};
use minijinja::{AutoEscape, Environment, Value, context, value::Serde};
use serde::Serialize;
use serde_json::Value as Document;

use self::{
    WritePhase::{Routes, Targets},
    clusters::{ClusterView, clusters, reachable},
    handoff::{DeadlineProfileView, HandoffView, RoutedCluster},
    jwt::JwtView,
    keys::{AccountKey, account_keys},
    playground::Playground,
    replies::{LocalReplyView, replies},
    telemetry::TelemetryView,
};

/// The options of a rendering, from the command line.
#[derive(Clone, Debug, Default)]
pub struct RenderOptions {
    /// The directory that the files go to. Absolute, as Envoy may start in any directory.
    pub dir: PathBuf,
    /// The directory that relative paths of key files start from.
    pub base: PathBuf,
    /// The module's file.
    pub module: PathBuf,
    /// The CA certificates that providers are verified with.
    pub ca_file: PathBuf,
    /// Addresses that replace providers', without TLS, by provider. `*` is for all other providers.
    pub upstreams: BTreeMap<String, String>,
    /// The configuration that was rendered into the directory before.
    pub previous: Option<Config>,
    /// Providers whose keys are tokens that a container of the same pod writes.
    pub token_providers: Vec<String>,
}

/// A file of Envoy's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFile {
    /// The path below the directory.
    pub path: String,
    /// The content: YAML, or the playground's page.
    pub text: String,
    /// The phase in which it is written.
    pub phase: WritePhase,
}

/// The phases of writing. Envoy must know a target before a route leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WritePhase {
    /// At once: the targets of requests, and the keys of accounts.
    Targets,
    /// After Envoy has loaded the targets: whatever leads requests to them.
    Routes,
}

/// The reasons why nothing is rendered.
#[derive(Debug)]
pub enum RenderError {
    /// An account's key file cannot be read, or holds no key.
    Key(PathBuf, io::Error),
    /// Two files hold the same key: the second file, and the account of the first.
    SameKey(PathBuf, String),
    /// An address of `--upstream` is not `HOST:PORT`.
    Upstream(String),
    /// A template refers to values that are not there.
    Template(minijinja::Error),
    /// Rendered text is not the YAML that was expected.
    Yaml(String),
}

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(path, error) => {
                write!(f, "cannot read the key in {}: {error}", path.display())
            }
            Self::SameKey(path, account) => {
                let path = path.display();
                write!(f, "the key in {path} is one that account `{account}` has already")
            }
            Self::Upstream(text) => write!(f, "`{text}` is not `HOST:PORT`"),
            Self::Template(error) => write!(f, "template: {error:#}"),
            Self::Yaml(error) => write!(f, "rendered: {error}"),
        }
    }
}

impl std::error::Error for RenderError {}

/// The values that the templates refer to.
#[derive(Serialize)]
struct EnvoyView<'c> {
    dir: &'c Path,
    ca_file: &'c Path,
    admin: AddressView<'c>,
    /// The limit of Envoy's buffer for one body, in bytes.
    buffer: usize,
    /// `true` if the module may see a caller's key, with which it fetches transcripts.
    caller_key: bool,
    overload: OverloadView,
    replies: Vec<LocalReplyView>,
    playground: Option<Playground>,
    keys: Vec<AccountKey<'c>>,
    jwt: Option<JwtView<'c>>,
    #[serde(flatten)]
    handoff: HandoffView,
    /// The private networks, which public names must not lead to.
    private: Vec<NetworkView>,
    classes: Vec<DeadlineProfileView>,
    listeners: Vec<ListenerView<'c>>,
    limiter: Option<LimiterView>,
    #[serde(flatten)]
    telemetry: TelemetryView<'c>,
    clusters: Vec<ClusterView>,
}

#[derive(Serialize)]
struct AddressView<'c> {
    address: &'c str,
    port: u16,
}

#[derive(Serialize)]
struct OverloadView {
    heap_bytes: u64,
    connections: u32,
}

#[derive(Serialize)]
struct NetworkView {
    address: IpAddr,
    length: u32,
}

#[derive(Serialize)]
struct SecretView {
    name: String,
    file: PathBuf,
}

#[derive(Serialize)]
struct FilterView<'c> {
    role: &'static str,
    /// The configuration of the role, as JSON.
    configuration: String,
    module: &'c Path,
    /// A hash of the module. Empty if its file does not exist yet.
    module_hash: String,
}

#[derive(Serialize)]
struct ListenerView<'c> {
    region: &'static str,
    address: &'c str,
    port: u16,
    /// The name of the secret with the certificate.
    certificate: Option<String>,
    /// The longest silence that any model's deadlines allow.
    longest: String,
    /// The clusters that a gateway in the region may reach.
    clusters: Vec<RoutedCluster>,
}

#[derive(Serialize)]
struct CertificateView {
    name: String,
    certificate_file: PathBuf,
    private_key_file: PathBuf,
    watched: PathBuf,
}

impl CertificateView {
    fn new(region: Region, tls: &Tls, options: &RenderOptions) -> Self {
        Self {
            name: certificate_name(region),
            certificate_file: options.base.join(&tls.certificate_file),
            private_key_file: options.base.join(&tls.private_key_file),
            watched: options.directory_of(&tls.certificate_file),
        }
    }
}

#[derive(Serialize)]
struct LimiterView {
    name: &'static str,
    #[serde(flatten)]
    upstream: UpstreamView,
}

/// The address of an upstream in Envoy's terms.
#[derive(Serialize)]
struct UpstreamView {
    kind: &'static str,
    san: &'static str,
    host: String,
    port: u16,
    tls: bool,
}

impl UpstreamView {
    fn new(url: &BaseUrl) -> Self {
        let host = url.host.trim_matches(['[', ']']).to_owned();
        let is_address = url.address().is_some();
        Self {
            kind: if is_address { "STATIC" } else { "LOGICAL_DNS" },
            san: if is_address { "IP_ADDRESS" } else { "DNS" },
            host,
            port: url.port,
            tls: url.tls,
        }
    }
}

/// Renders every file of Envoy's configuration.
pub fn render(
    config: &Config,
    document: &Document,
    options: &RenderOptions,
) -> Result<Vec<RenderedFile>, RenderError> {
    let templates = Templates::new()?;
    let playground = config.playground.then(Playground::new);
    let view = Value::from(Serde(EnvoyView::new(config, playground.as_ref(), options)?));
    let (mut files, fill) = (Vec::new(), |name: &str| templates.fill(name, view.clone()));
    let mut add = |phase, path: String, text| files.push(RenderedFile { path, text, phase });
    for (name, file) in key_files(config, options) {
        let path = format!("secrets/{name}.yaml");
        let view = Value::from(Serde(SecretView { name, file }));
        add(Targets, path, templates.fill("secret.yaml", view)?);
    }
    for (region, listener) in config.listeners.iter() {
        let Some(tls) = &listener.tls else { continue };
        let view = CertificateView::new(region, tls, options);
        let path = format!("secrets/{}.yaml", view.name);
        add(Targets, path, templates.fill("certificate.yaml", Value::from(Serde(view)))?);
    }
    let filter = |role, configuration: Document| {
        let (configuration, module) = (configuration.to_string(), options.module.as_path());
        let module_hash = hash(&fs::read(module).unwrap_or_default());
        let view = FilterView { role, configuration, module, module_hash };
        templates.fill("filter.yaml", Value::from(Serde(view)))
    };
    if let Some(page) = playground {
        add(Targets, playground::FILE.to_owned(), page.html);
    }
    for name in config.jwt.iter().map(|_| "tokens.yaml").chain([keys::FILE, "clusters.yaml"]) {
        add(Targets, name.to_owned(), fill(name)?);
    }
    let version = hash(document.to_string().as_bytes());
    add(Targets, PROVIDER_FILE.to_owned(), filter("provider", Role::provider(&version, document))?);
    for listener in listeners(config, options) {
        let region = listener.region;
        let listener = Value::from(Serde(listener));
        let routes = templates.fill("routes.yaml", context! { listener, ..view.clone() })?;
        add(Targets, format!("routes-{region}.yaml"), routes);
    }
    for (region, _) in config.listeners.iter() {
        let role = Role::gateway(region, &version, document);
        add(Routes, format!("gateway-{}.yaml", region.name()), filter("gateway", role)?);
    }
    for name in ["listeners.yaml", "envoy.yaml"] {
        add(Routes, name.to_owned(), fill(name)?);
    }
    Ok(files)
}

/// The file with the provider role's configuration, which contains the operator's document.
pub const PROVIDER_FILE: &str = "provider.yaml";

/// Returns the operator's document that a [`PROVIDER_FILE`] was rendered from.
pub fn rendered_document(provider: &str) -> Option<Document> {
    let yaml: Document = serde_saphyr::from_str(provider).ok()?;
    let value = yaml.pointer("/resources/0/typed_config/config/configuration/value")?.as_str()?;
    let mut configuration: Document = serde_json::from_str(value).ok()?;
    Some(configuration.get_mut("file")?.take())
}

/// Returns a short hash of a content, as hexadecimal digits.
fn hash(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
}

struct Templates(Environment<'static>);

impl Templates {
    fn new() -> Result<Self, RenderError> {
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::None);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source).map_err(RenderError::Template)?;
        }
        Ok(Self(templates))
    }

    fn fill(&self, name: &str, values: Value) -> Result<String, RenderError> {
        let template = self.0.get_template(name).map_err(RenderError::Template)?;
        template.render(values).map_err(RenderError::Template)
    }
}

impl<'c> EnvoyView<'c> {
    fn new(
        config: &'c Config,
        playground: Option<&Playground>,
        options: &'c RenderOptions,
    ) -> Result<Self, RenderError> {
        let private = network::PRIVATE.map(|(address, length)| NetworkView { address, length });
        let transcripts = config.transcripts.as_ref();
        Ok(Self {
            dir: &options.dir,
            ca_file: &options.ca_file,
            admin: AddressView { address: &config.admin.address, port: config.admin.port },
            buffer: buffer(config),
            caller_key: transcripts.is_some_and(|own| own.key == TranscriptKey::Caller),
            overload: OverloadView {
                heap_bytes: u64::from(config.overload.heap_mib) << 20,
                connections: config.overload.connections.get(),
            },
            replies: replies(),
            playground: playground.cloned(),
            keys: account_keys(config, options)?,
            jwt: config.jwt.as_ref().map(|jwt| JwtView::new(jwt, options)).transpose()?,
            handoff: HandoffView::new(),
            private: private.into(),
            classes: classes(config, options),
            listeners: listeners(config, options),
            limiter: config.rate_limit.as_ref().map(|service| LimiterView {
                name: RateLimitService::CLUSTER,
                upstream: UpstreamView::new(&service.base),
            }),
            telemetry: TelemetryView::from(&config.telemetry),
            clusters: clusters(config, options)?,
        })
    }
}

/// Returns the deadlines that requests may have, with those of the previous configuration, which
/// Envoy may still use.
fn classes(config: &Config, options: &RenderOptions) -> Vec<DeadlineProfileView> {
    let all = [config].into_iter().chain(&options.previous).flat_map(Config::deadline_profiles);
    let by_name: BTreeMap<String, Deadlines> = all.map(|own| (own.profile(), own)).collect();
    by_name.into_values().map(DeadlineProfileView::from).collect()
}

/// Returns the key files of providers and other services, each with its secret's name.
pub fn key_files(config: &Config, options: &RenderOptions) -> Vec<(String, PathBuf)> {
    let of_providers = config.providers.iter().flat_map(|(name, own)| {
        own.pool().zip(own.secret_files()).map(move |(key, file)| (secret_name(name, key), file))
    });
    let of_services =
        config.services().filter_map(|own| Some((own.cluster.to_owned(), own.key_file?)));
    let files = of_providers.chain(of_services);
    files.map(|(name, file)| (name, options.base.join(file))).collect()
}

impl RenderOptions {
    /// Returns the directory of a file that the configuration names.
    fn directory_of(&self, file: &str) -> PathBuf {
        self.base.join(file).parent().unwrap_or(Path::new("/")).to_owned()
    }
}

/// Returns the name of the secret with a provider's key.
fn secret_name(provider: &str, key: PoolKey) -> String {
    [provider, &*key.suffix()].concat()
}

/// Returns the name of the secret with a gateway's certificate. No provider's name begins like it.
fn certificate_name(region: Region) -> String {
    format!("_tls-{}", region.name())
}

const TEMPLATES: [(&str, &str); 9] = [
    ("envoy.yaml", include_str!("../../../envoy/templates/envoy.yaml")),
    ("listeners.yaml", include_str!("../../../envoy/templates/listeners.yaml")),
    ("routes.yaml", include_str!("../../../envoy/templates/routes.yaml")),
    ("filter.yaml", include_str!("../../../envoy/templates/filter.yaml")),
    ("clusters.yaml", include_str!("../../../envoy/templates/clusters.yaml")),
    (keys::FILE, include_str!("../../../envoy/templates/keys.yaml")),
    ("tokens.yaml", include_str!("../../../envoy/templates/tokens.yaml")),
    ("secret.yaml", include_str!("../../../envoy/templates/secret.yaml")),
    ("certificate.yaml", include_str!("../../../envoy/templates/certificate.yaml")),
];

fn listeners<'c>(config: &'c Config, options: &RenderOptions) -> Vec<ListenerView<'c>> {
    let silence = |deadlines: Deadlines| deadlines.total.max(deadlines.idle);
    let longest = config.models.values().map(|model| silence(model.deadlines)).max();
    let longest = seconds(longest.unwrap_or(silence(config.deadlines)));
    let view = |(region, listener): (Region, &'c Listener)| ListenerView {
        region: region.name(),
        address: &listener.socket.address,
        port: listener.socket.port,
        certificate: listener.tls.as_ref().map(|_| certificate_name(region)),
        longest: longest.clone(),
        clusters: RoutedCluster::list(reachable(config, options, region)),
    };
    config.listeners.iter().map(view).collect()
}

/// Returns the address that replaces a provider's in this rendering.
fn upstream_override(
    provider: &str,
    options: &RenderOptions,
) -> Result<Option<BaseUrl>, RenderError> {
    let named = options.upstreams.get(provider).or_else(|| options.upstreams.get("*"));
    let Some(text) = named else { return Ok(None) };
    let wrong = || RenderError::Upstream(text.clone());
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    Ok(Some(BaseUrl { tls: false, host: host.to_owned(), port, path: String::new() }))
}

/// Returns the size of Envoy's buffer: enough for the longest request and the longest answer, as the
/// module writes an answer in one piece, and Envoy crashes if it does not fit. The module refuses
/// bodies that are too long, in both directions.
fn buffer(config: &Config) -> usize {
    let request = usize::try_from(config.request_body.get()).unwrap_or(usize::MAX);
    request.max(MAX_ANSWER).saturating_add(1 << 20)
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
