//! Envoy's configuration, rendered from the operator's file. Native only: the command's.
//!
//! The shape stands in `envoy/templates`, which is Envoy's own language; here is what goes in.

pub mod istio;
mod jwt;
pub mod keys;
mod playground;
mod replies;
mod telemetry;

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use minijinja::{AutoEscape, Environment, Value, value::Serde};
use serde::Serialize;
use serde_json::Value as Document;

use self::{
    jwt::JwtView,
    keys::{AccountKey, account_keys},
    playground::Playground,
    replies::{OwnReply, replies},
    telemetry::TelemetryView,
};
use crate::{
    config::{
        BaseUrl, Config, Deadlines, KeyHeader, Listener, Model, Provider, TranscriptKey,
        Transcripts, cluster,
        health::{CircuitBreakers, OutlierDetection},
        jwt::{Jwks, Jwt},
        rate_limit::RateLimitService,
    },
    network,
    provider::{MAX_ANSWER, NOBODY},
    region::Region,
    role::Role,
    transcript::SERVICE,
};

/// What the operator says on the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where the files go. Absolute: Envoy may start anywhere.
    pub dir: PathBuf,
    /// Where key files with relative paths are.
    pub base: PathBuf,
    /// The module.
    pub module: PathBuf,
    /// The certificates that providers' own are checked against.
    pub ca_file: PathBuf,
    /// Addresses that stand in for providers, in clear text. `*` stands for all others.
    pub upstreams: BTreeMap<String, String>,
}

/// A file of Envoy's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the directory.
    pub path: String,
    /// YAML, or a page.
    pub text: String,
}

/// Why nothing was rendered.
#[derive(Debug)]
pub enum Error {
    /// An account's key file cannot be read, or holds no key.
    Key(PathBuf, io::Error),
    /// Two files hold the same key: the second, and whose it is already.
    SameKey(PathBuf, String),
    /// A stand-in is not `HOST:PORT`.
    Upstream(String),
    /// A template does not fit what goes into it.
    Template(minijinja::Error),
    /// What was rendered is no YAML.
    Yaml(String),
}

impl std::fmt::Display for Error {
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

impl std::error::Error for Error {}

/// Everything the templates speak of.
#[derive(Serialize)]
struct View<'c> {
    dir: &'c Path,
    module: &'c Path,
    ca_file: &'c Path,
    admin: AddressView<'c>,
    /// What Envoy may hold of one body, in bytes.
    buffer: usize,
    /// Whether the module may see a caller's key, for its transcripts.
    caller_key: bool,
    replies: Vec<OwnReply>,
    playground: Option<Playground>,
    keys: Vec<AccountKey<'c>>,
    jwt: Option<JwtView<'c>>,
    nobody: AddressView<'static>,
    /// Where nobody is sent who must stay on the public internet.
    private: Vec<NetworkView>,
    classes: Vec<ClassView>,
    listeners: Vec<ListenerView<'c>>,
    limiter: Option<LimiterView>,
    #[serde(flatten)]
    telemetry: TelemetryView<'c>,
    clusters: Vec<ClusterView<'c>>,
}

#[derive(Serialize)]
struct AddressView<'c> {
    address: &'c str,
    port: u16,
}

#[derive(Serialize)]
struct NetworkView {
    address: IpAddr,
    length: u32,
}

#[derive(Serialize)]
struct SecretView<'c> {
    provider: &'c str,
    file: PathBuf,
}

#[derive(Serialize)]
struct ListenerView<'c> {
    region: &'static str,
    address: &'c str,
    port: u16,
    tls: Option<TlsView>,
    /// The longest any exchange may take.
    longest: String,
    /// The filter's.
    configuration: String,
    /// Those the region may reach.
    clusters: Vec<String>,
}

/// Deadlines that some models have.
#[derive(Serialize)]
struct ClassView {
    first_content: String,
    answer: String,
    total: String,
}

impl From<Deadlines> for ClassView {
    fn from(deadlines: Deadlines) -> Self {
        Self {
            first_content: seconds(deadlines.first_content),
            answer: seconds(deadlines.answer.min(deadlines.total)),
            total: seconds(deadlines.total),
        }
    }
}

#[derive(Serialize)]
struct TlsView {
    certificate_file: PathBuf,
    private_key_file: PathBuf,
}

#[derive(Serialize)]
struct ClusterView<'c> {
    name: String,
    provider: &'c str,
    #[serde(flatten)]
    at: Place,
    connect: String,
    max_connections: u32,
    max_pending_requests: u32,
    max_requests: u32,
    consecutive_5xx: u32,
    base_ejection_time: String,
    /// Whether its name must lead to a public address.
    is_public: bool,
    key: Option<KeyView>,
    /// The module's. None where it has nothing to translate.
    configuration: Option<String>,
}

#[derive(Serialize)]
struct LimiterView {
    name: &'static str,
    #[serde(flatten)]
    at: Place,
}

/// Where something listens, in Envoy's words.
#[derive(Serialize)]
struct Place {
    kind: &'static str,
    san: &'static str,
    host: String,
    port: u16,
    tls: bool,
}

impl Place {
    fn of(url: &BaseUrl) -> Self {
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

#[derive(Serialize)]
struct KeyView {
    header: &'static str,
    prefix: &'static str,
    /// The directory whose changes make Envoy read the key again.
    watched: PathBuf,
}

/// Renders every file.
pub fn render(config: &Config, document: &Document, options: &Options) -> Result<Vec<File>, Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::None);
    for (name, source) in TEMPLATES {
        templates.add_template(name, source).map_err(Error::Template)?;
    }
    let fill = |name: &str, values: Value| {
        let template = templates.get_template(name).map_err(Error::Template)?;
        template.render(values).map_err(Error::Template)
    };
    let playground = config.playground.then(Playground::new);
    let view = Value::from(Serde(View {
        dir: &options.dir,
        module: &options.module,
        ca_file: &options.ca_file,
        admin: AddressView { address: &config.admin.address, port: config.admin.port },
        buffer: buffer(config),
        caller_key: config.transcripts.as_ref().is_some_and(|own| own.key == TranscriptKey::Caller),
        replies: replies(),
        playground: playground.clone(),
        keys: account_keys(config, options)?,
        jwt: config.jwt.as_ref().map(|jwt| JwtView::new(jwt, options)).transpose()?,
        nobody: AddressView { address: NOBODY.0, port: NOBODY.1 },
        private: network::PRIVATE.map(|(address, length)| NetworkView { address, length }).into(),
        classes: config.deadline_classes().into_iter().map(ClassView::from).collect(),
        listeners: listeners(config, document, options),
        limiter: config.rate_limit.as_ref().map(|service| LimiterView {
            name: RateLimitService::CLUSTER,
            at: Place::of(&service.base),
        }),
        telemetry: TelemetryView::from(&config.telemetry),
        clusters: clusters(config, document, options)?,
    }));
    // Envoy looks at a secret when a cluster needs it, and at clusters and pages when a listener does.
    let mut files = Vec::new();
    for (provider, file) in key_files(config, options) {
        let text = fill("secret.yaml", Value::from(Serde(SecretView { provider, file })))?;
        files.push(File { path: format!("secrets/{provider}.yaml"), text });
    }
    if let Some(page) = playground {
        files.push(File { path: playground::FILE.to_owned(), text: page.html });
    }
    let tokens = config.jwt.iter().map(|_| "tokens.yaml");
    let others = [keys::FILE, "clusters.yaml", "listeners.yaml", "envoy.yaml"];
    for name in tokens.chain(others) {
        files.push(File { path: name.to_owned(), text: fill(name, view.clone())? });
    }
    Ok(files)
}

/// The file that holds each provider's key, and that of the transcript service.
pub fn key_files<'c>(config: &'c Config, options: &Options) -> Vec<(&'c str, PathBuf)> {
    let of_providers = config.providers.iter();
    let of_providers =
        of_providers.filter_map(|(name, own)| Some((name.as_str(), own.key_file.as_ref()?)));
    let of_transcripts = config.transcripts.iter().filter_map(|own| match &own.key {
        TranscriptKey::File(file) => Some((Transcripts::CLUSTER, file)),
        TranscriptKey::Caller => None,
    });
    let files = of_providers.chain(of_transcripts);
    files.map(|(name, file)| (name, options.base.join(file))).collect()
}

const TEMPLATES: [(&str, &str); 6] = [
    ("envoy.yaml", include_str!("../envoy/templates/envoy.yaml")),
    ("listeners.yaml", include_str!("../envoy/templates/listeners.yaml")),
    ("clusters.yaml", include_str!("../envoy/templates/clusters.yaml")),
    (keys::FILE, include_str!("../envoy/templates/keys.yaml")),
    ("tokens.yaml", include_str!("../envoy/templates/tokens.yaml")),
    ("secret.yaml", include_str!("../envoy/templates/secret.yaml")),
];

fn listeners<'c>(
    config: &'c Config,
    document: &Document,
    options: &Options,
) -> Vec<ListenerView<'c>> {
    let longest = config.models.values().map(|model| model.deadlines.total).max();
    let longest = seconds(longest.unwrap_or(config.deadlines.total));
    let view = |(region, listener): (Region, &'c Listener)| ListenerView {
        region: region.name(),
        address: &listener.socket.address,
        port: listener.socket.port,
        tls: listener.tls.as_ref().map(|tls| TlsView {
            certificate_file: options.base.join(&tls.certificate_file),
            private_key_file: options.base.join(&tls.private_key_file),
        }),
        longest: longest.clone(),
        configuration: Role::gateway(region, document).to_string(),
        clusters: sites(config)
            .filter(|(_, _, endpoint, _)| region.may_reach(*endpoint))
            .map(|(name, _, endpoint, _)| cluster(name, endpoint))
            .collect(),
    };
    config.listeners.iter().map(view).collect()
}

/// Every provider in every region where some model needs it and some gateway may reach it.
fn sites(config: &Config) -> impl Iterator<Item = (&str, &Provider, Region, &BaseUrl)> {
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
            config.listeners.iter().any(|(home, _)| home.may_reach(*region))
        })
}

fn clusters<'c>(
    config: &'c Config,
    document: &Document,
    options: &Options,
) -> Result<Vec<ClusterView<'c>>, Error> {
    let of_providers = sites(config).map(|(name, provider, region, url)| {
        let site = Site { name: cluster(name, region), secret: name, stands_in: name, url };
        Ok(ClusterView {
            max_connections: provider.circuit_breakers.max_connections.get(),
            max_pending_requests: provider.circuit_breakers.max_pending_requests.get(),
            max_requests: provider.circuit_breakers.max_requests.get(),
            consecutive_5xx: provider.outlier_detection.consecutive_5xx.get(),
            base_ejection_time: seconds(provider.outlier_detection.base_ejection_time),
            is_public: must_be_public(name, provider, url, options)?,
            key: provider.key_file.as_ref().map(|file| key(file, provider.key_header, options)),
            configuration: Some(Role::provider(name, region, document).to_string()),
            ..site.view(connect(config, name), options)?
        })
    });
    let of_tokens = config.jwt.iter().filter_map(|jwt| match &jwt.jwks {
        Jwks::Url(url) => Some(jwks_cluster(url, config)),
        Jwks::File(_) => None,
    });
    of_providers.chain(transcript_clusters(config, options)).chain(of_tokens.map(Ok)).collect()
}

/// Where the keys come from that tokens are signed with.
fn jwks_cluster<'c>(url: &BaseUrl, config: &Config) -> ClusterView<'c> {
    Site::at(Jwt::CLUSTER.to_owned(), Jwt::CLUSTER, url, config.deadlines.connect)
}

/// Whether a provider has a name that may lead to another address at any time, and must not to a
/// private one.
fn must_be_public(
    name: &str,
    provider: &Provider,
    url: &BaseUrl,
    options: &Options,
) -> Result<bool, Error> {
    let is_name = stand_in(name, options)?.is_none() && url.address().is_none();
    Ok(is_name && !provider.allow_private)
}

/// The transcript services of the regions where there is a gateway. They have no filter of ours:
/// what they say is read by the gateway role.
fn transcript_clusters<'c>(
    config: &'c Config,
    options: &Options,
) -> impl Iterator<Item = Result<ClusterView<'c>, Error>> {
    let here = |(region, _): &(Region, &BaseUrl)| config.listeners.get(*region).is_some();
    let services = config.transcripts.iter();
    let urls = services.flat_map(|own| own.base_urls.iter().map(move |(at, url)| (own, at, url)));
    urls.filter(move |(_, region, url)| here(&(*region, url))).map(|(own, region, url)| {
        let secret = Transcripts::CLUSTER;
        let (name, stands_in) = (Transcripts::cluster(region), SERVICE);
        let site = Site { name, secret, stands_in, url };
        Ok(ClusterView {
            key: match &own.key {
                TranscriptKey::File(file) => {
                    Some(KeyView { prefix: "", ..key(file, KeyHeader::Authorization, options) })
                }
                TranscriptKey::Caller => None,
            },
            ..site.view(config.deadlines.connect, options)?
        })
    })
}

/// A cluster of which the operator has said no more than where it leads.
struct Site<'c> {
    name: String,
    /// The name of its key.
    secret: &'c str,
    /// By which name the command line knows it.
    stands_in: &'c str,
    url: &'c BaseUrl,
}

impl<'c> Site<'c> {
    fn view(self, connect: Duration, options: &Options) -> Result<ClusterView<'c>, Error> {
        let url = stand_in(self.stands_in, options)?;
        Ok(Self::at(self.name, self.secret, url.as_ref().unwrap_or(self.url), connect))
    }

    fn at(name: String, provider: &'c str, url: &BaseUrl, connect: Duration) -> ClusterView<'c> {
        let breakers = CircuitBreakers::default();
        let outliers = OutlierDetection::default();
        ClusterView {
            name,
            provider,
            at: Place::of(url),
            connect: seconds(connect),
            max_connections: breakers.max_connections.get(),
            max_pending_requests: breakers.max_pending_requests.get(),
            max_requests: breakers.max_requests.get(),
            consecutive_5xx: outliers.consecutive_5xx.get(),
            base_ejection_time: seconds(outliers.base_ejection_time),
            is_public: false,
            key: None,
            configuration: None,
        }
    }
}

/// How long a connection to a provider may take: as long as the most patient of its models allows.
fn connect(config: &Config, provider: &str) -> Duration {
    let runs = |model: &&Model| model.endpoints.iter().any(|(_, end)| end.provider == provider);
    let of_models = config.models.values().filter(runs).map(|model| model.deadlines.connect);
    of_models.max().unwrap_or(config.deadlines.connect)
}

fn key(file: &str, header: KeyHeader, options: &Options) -> KeyView {
    let path = options.base.join(file);
    let watched = path.parent().unwrap_or(Path::new("/")).to_owned();
    KeyView { header: header.name(), prefix: header.prefix(), watched }
}

/// The address that takes a provider's place in this rendering.
fn stand_in(provider: &str, options: &Options) -> Result<Option<BaseUrl>, Error> {
    let named = options.upstreams.get(provider).or_else(|| options.upstreams.get("*"));
    let Some(text) = named else { return Ok(None) };
    let wrong = || Error::Upstream(text.clone());
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    Ok(Some(BaseUrl { tls: false, host: host.to_owned(), port, path: String::new() }))
}

/// Room for the longest request and for the longest answer: the module writes an answer in one
/// piece, and Envoy breaks down over one that does not fit. The module itself refuses what is too
/// long, in either direction.
fn buffer(config: &Config) -> usize {
    let request = usize::try_from(config.request_body.get()).unwrap_or(usize::MAX);
    request.max(MAX_ANSWER).saturating_add(1 << 20)
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
