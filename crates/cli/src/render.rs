//! Envoy's configuration, rendered from the operator's file. Native only: the command's.
//!
//! The shape stands in `envoy/templates`, which is Envoy's own language; here is what goes in.

mod clusters;
mod handoff;
pub mod istio;
mod jwt;
pub mod keys;
mod playground;
mod replies;
mod telemetry;

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
        BaseUrl, Config, Deadlines, Listener, TranscriptKey, Transcripts,
        rate_limit::RateLimitService,
    },
    network,
    plugin_config::Role,
    provider::MAX_ANSWER,
    region::Region,
};
use minijinja::{AutoEscape, Environment, Value, context, value::Serde};
use serde::Serialize;
use serde_json::Value as Document;

use self::{
    Turn::{First, Then},
    clusters::{ClusterView, clusters, reachable},
    handoff::{DeadlineProfileView, HandoffView, RoutedCluster},
    jwt::JwtView,
    keys::{AccountKey, account_keys},
    playground::Playground,
    replies::{OwnReply, replies},
    telemetry::TelemetryView,
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
    /// What was rendered into the directory before.
    pub before: Option<Config>,
}

/// A file of Envoy's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Below the directory.
    pub path: String,
    /// YAML, or a page.
    pub text: String,
    /// When it is written.
    pub turn: Turn,
}

/// When a file is written. Whoever is sent somewhere has to find it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// At once: where requests can go, and by whose key they come.
    First,
    /// When Envoy has taken over the first: what sends them there.
    Then,
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
    #[serde(flatten)]
    handoff: HandoffView,
    /// Networks that a public provider must not lead to.
    private: Vec<NetworkView>,
    classes: Vec<DeadlineProfileView>,
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
struct FilterView<'c> {
    role: &'static str,
    /// What the role is told.
    configuration: String,
    module: &'c Path,
    /// Empty where the module is not there yet.
    module_hash: String,
}

#[derive(Serialize)]
struct ListenerView<'c> {
    region: &'static str,
    address: &'c str,
    port: u16,
    tls: Option<TlsView>,
    /// The longest any exchange may take.
    longest: String,
    /// Those the region may reach.
    clusters: Vec<RoutedCluster>,
}

#[derive(Serialize)]
struct TlsView {
    certificate_file: PathBuf,
    private_key_file: PathBuf,
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

/// Renders every file.
pub fn render(config: &Config, document: &Document, options: &Options) -> Result<Vec<File>, Error> {
    let templates = Templates::new()?;
    let playground = config.playground.then(Playground::new);
    let view = Value::from(Serde(View::new(config, playground.as_ref(), options)?));
    let (mut files, fill) = (Vec::new(), |name: &str| templates.fill(name, view.clone()));
    let mut add = |turn, path: String, text| files.push(File { path, text, turn });
    for (provider, file) in key_files(config, options) {
        let view = Value::from(Serde(SecretView { provider, file }));
        add(First, format!("secrets/{provider}.yaml"), templates.fill("secret.yaml", view)?);
    }
    let filter = |role, configuration: Document| {
        let (configuration, module) = (configuration.to_string(), options.module.as_path());
        let module_hash = hash(&fs::read(module).unwrap_or_default());
        let view = FilterView { role, configuration, module, module_hash };
        templates.fill("filter.yaml", Value::from(Serde(view)))
    };
    if let Some(page) = playground {
        add(First, playground::FILE.to_owned(), page.html);
    }
    for name in config.jwt.iter().map(|_| "tokens.yaml").chain([keys::FILE, "clusters.yaml"]) {
        add(First, name.to_owned(), fill(name)?);
    }
    let version = hash(document.to_string().as_bytes());
    add(First, PROVIDER.to_owned(), filter("provider", Role::provider(&version, document))?);
    for listener in listeners(config, options) {
        let region = listener.region;
        let listener = Value::from(Serde(listener));
        let routes = templates.fill("routes.yaml", context! { listener, ..view.clone() })?;
        add(First, format!("routes-{region}.yaml"), routes);
    }
    for (region, _) in config.listeners.iter() {
        let role = Role::gateway(region, &version, document);
        add(Then, format!("gateway-{}.yaml", region.name()), filter("gateway", role)?);
    }
    for name in ["listeners.yaml", "envoy.yaml"] {
        add(Then, name.to_owned(), fill(name)?);
    }
    Ok(files)
}

/// The file that says what the provider role is told, and so what was rendered.
pub const PROVIDER: &str = "provider.yaml";

/// The operator's file that [`PROVIDER`] was rendered from.
pub fn rendered(provider: &str) -> Option<Document> {
    let yaml: Document = serde_saphyr::from_str(provider).ok()?;
    let told = yaml.pointer("/resources/0/typed_config/config/configuration/value")?.as_str()?;
    let mut told: Document = serde_json::from_str(told).ok()?;
    Some(told.get_mut("file")?.take())
}

/// Tells one content from another.
fn hash(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
}

struct Templates(Environment<'static>);

impl Templates {
    fn new() -> Result<Self, Error> {
        let mut templates = Environment::new();
        templates.set_auto_escape_callback(|_| AutoEscape::None);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source).map_err(Error::Template)?;
        }
        Ok(Self(templates))
    }

    fn fill(&self, name: &str, values: Value) -> Result<String, Error> {
        let template = self.0.get_template(name).map_err(Error::Template)?;
        template.render(values).map_err(Error::Template)
    }
}

impl<'c> View<'c> {
    fn new(
        config: &'c Config,
        playground: Option<&Playground>,
        options: &'c Options,
    ) -> Result<Self, Error> {
        let private = network::PRIVATE.map(|(address, length)| NetworkView { address, length });
        let transcripts = config.transcripts.as_ref();
        Ok(Self {
            dir: &options.dir,
            ca_file: &options.ca_file,
            admin: AddressView { address: &config.admin.address, port: config.admin.port },
            buffer: buffer(config),
            caller_key: transcripts.is_some_and(|own| own.key == TranscriptKey::Caller),
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
                at: Place::of(&service.base),
            }),
            telemetry: TelemetryView::from(&config.telemetry),
            clusters: clusters(config, options)?,
        })
    }
}

/// The deadlines that requests may have: those that the configuration before gave them, too.
fn classes(config: &Config, options: &Options) -> Vec<DeadlineProfileView> {
    let all = [config].into_iter().chain(&options.before).flat_map(Config::deadline_classes);
    let by_name: BTreeMap<String, Deadlines> = all.map(|own| (own.class(), own)).collect();
    by_name.into_values().map(DeadlineProfileView::from).collect()
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

const TEMPLATES: [(&str, &str); 8] = [
    ("envoy.yaml", include_str!("../../../envoy/templates/envoy.yaml")),
    ("listeners.yaml", include_str!("../../../envoy/templates/listeners.yaml")),
    ("routes.yaml", include_str!("../../../envoy/templates/routes.yaml")),
    ("filter.yaml", include_str!("../../../envoy/templates/filter.yaml")),
    ("clusters.yaml", include_str!("../../../envoy/templates/clusters.yaml")),
    (keys::FILE, include_str!("../../../envoy/templates/keys.yaml")),
    ("tokens.yaml", include_str!("../../../envoy/templates/tokens.yaml")),
    ("secret.yaml", include_str!("../../../envoy/templates/secret.yaml")),
];

fn listeners<'c>(config: &'c Config, options: &Options) -> Vec<ListenerView<'c>> {
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
        clusters: RoutedCluster::list(reachable(config, options, region)),
    };
    config.listeners.iter().map(view).collect()
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
