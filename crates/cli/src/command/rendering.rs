//! `attache render`: its options, and the files of each target.

use std::{
    fs,
    path::{Path, PathBuf},
};

use attache::config::Config;
use clap::ValueEnum;

use crate::{
    at_path, dns_check,
    gateway_file::GatewayFile,
    inotify::InotifyUse,
    output_dir::{self, DirUse},
    render::{
        self, RenderOptions,
        envoy_gateway::{self, ManagedGateway},
        istio::{self, Mesh, Workload},
        objects::ObjectNames,
        pods,
    },
    warnings::warnings,
};

#[derive(Debug, clap::Args)]
pub(super) struct RenderArguments {
    /// The gateway.yaml.
    file: PathBuf,
    /// The directory to write the configuration to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The kind of proxy to configure.
    #[arg(long, value_enum, default_value = "envoy")]
    target: RenderTarget,
    /// The module that Envoy loads [default: DIR/attache.wasm; in Kubernetes:
    /// /etc/attache/module/plugin.wasm]. In Kubernetes also `oci://…`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The CA certificates to verify providers with [default:
    /// /etc/ssl/certs/ca-certificates.crt; Istio: those of its proxies].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// An address to use instead of a provider's, without TLS; `*` for all other providers.
    #[arg(long = "upstream", value_name = "NAME=HOST:PORT", value_parser = parse_pair)]
    upstreams: Vec<(String, String)>,
    #[command(flatten)]
    objects: ObjectArguments,
}

/// The kind of proxy that is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RenderTarget {
    /// An Envoy outside of a mesh.
    Envoy,
    /// Istio's ingress gateways.
    IstioGateway,
    /// Istio's sidecars.
    IstioSidecar,
    /// The proxies of Envoy Gateway.
    EnvoyGateway,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
struct ObjectArguments {
    /// A label of Istio's pods. Repeat it for pods that have all of several labels.
    #[arg(
        long = "workload",
        value_name = "LABEL=VALUE",
        value_parser = parse_pair,
        required_if_eq_any([("target", "istio-gateway"), ("target", "istio-sidecar")]),
    )]
    labels: Vec<(String, String)>,
    /// The namespace of the pods.
    #[arg(long, default_value = "attache")]
    namespace: String,
    /// The prefix of all objects' names.
    #[arg(long, default_value = "attache")]
    name: String,
    /// A provider whose key is a token that `attache token` writes, in a container of the pods.
    #[arg(long = "token-provider", value_name = "NAME")]
    token_providers: Vec<String>,
    /// The class of Envoy Gateway's `Gateway`.
    #[arg(long, value_name = "NAME", default_value = "eg")]
    gateway_class: String,
}

/// The objects that are written, of the Envoys in a cluster.
enum Objects {
    Istio(Mesh),
    EnvoyGateway(ManagedGateway),
}

impl RenderArguments {
    /// Returns whether requests to a provider go to another address.
    fn has_upstream_override(&self, provider: &str) -> bool {
        self.upstreams.iter().any(|(name, _)| name == provider || name == "*")
    }

    /// Returns an error if a provider with tokens does not exist, or sends no key.
    fn check_token_providers(&self, config: &Config) -> Result<(), String> {
        let has_key = |name: &&String| {
            config.providers.get(*name).is_some_and(|provider| provider.key_files.len() == 1)
        };
        match self.objects.token_providers.iter().find(|name| !has_key(name)) {
            Some(name) => {
                Err(format!("--token-provider: there is no provider `{name}` with a key_file"))
            }
            None => Ok(()),
        }
    }

    /// Returns the objects to write. `None`: an Envoy outside of Kubernetes.
    fn objects(&self) -> Option<Objects> {
        let workload = match self.target {
            RenderTarget::Envoy => return None,
            RenderTarget::IstioGateway => Workload::Gateway,
            RenderTarget::IstioSidecar => Workload::Sidecar,
            RenderTarget::EnvoyGateway => return Some(self.managed_gateway()),
        };
        Some(Objects::Istio(Mesh {
            workload,
            labels: self.objects.labels.iter().cloned().collect(),
            names: self.names(),
            module: self.module_in_pod(),
            ca_file: self.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned()),
        }))
    }

    fn managed_gateway(&self) -> Objects {
        Objects::EnvoyGateway(ManagedGateway {
            names: self.names(),
            class: self.objects.gateway_class.clone(),
            module: self.module_in_pod(),
        })
    }

    fn names(&self) -> ObjectNames {
        let ObjectArguments { namespace, name, .. } = &self.objects;
        ObjectNames { namespace: namespace.clone(), prefix: name.clone() }
    }

    fn module_in_pod(&self) -> String {
        let own = self.module.as_ref().map(|path| path.to_string_lossy().into_owned());
        own.unwrap_or_else(|| pods::MODULE_IN_POD.to_owned())
    }

    /// Returns the options of a rendering into a directory, for a file whose relative paths start
    /// from `base`.
    fn options(&self, dir: &Path, base: PathBuf) -> Result<RenderOptions, String> {
        let module = self.module.clone().unwrap_or_else(|| dir.join("attache.wasm"));
        Ok(RenderOptions {
            dir: dir.to_owned(),
            module: std::path::absolute(&module).map_err(|error| at_path(&module, &error))?,
            base,
            ca_file: self.ca_file.clone().unwrap_or_else(|| CA_FILE.into()),
            upstreams: self.upstreams.iter().cloned().collect(),
            previous: previous_config(dir),
            token_providers: self.objects.token_providers.clone(),
        })
    }
}

/// The certificates of Debian and its derivatives.
pub(super) const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Splits `NAME=VALUE` at its first `=`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Writes the configuration for a target.
pub(super) fn render(arguments: &RenderArguments) -> Result<(), String> {
    let file = GatewayFile::read(&arguments.file)?;
    arguments.check_token_providers(&file.config)?;
    let is_contacted = |name: &str| !arguments.has_upstream_override(name);
    file.refuse(&dns_check::check(&file.config, is_contacted, dns_check::resolve).mistakes)?;
    fs::create_dir_all(&arguments.out).map_err(|error| at_path(&arguments.out, &error))?;
    let dir = arguments.out.canonicalize().map_err(|error| at_path(&arguments.out, &error))?;
    let options = arguments.options(&dir, file.base_dir()?)?;
    let objects = arguments.objects();
    let files = match &objects {
        Some(Objects::Istio(mesh)) => istio::render(&file.config, &file.document, &options, mesh),
        Some(Objects::EnvoyGateway(gateway)) => {
            envoy_gateway::render(&file.config, &file.document, &options, gateway)
        }
        None => render::render(&file.config, &file.document, &options),
    };
    let files = files.map_err(|error| error.to_string())?;
    if objects.is_none() {
        let found = warnings(&file.config, &options.base).into_iter();
        found.chain(missing_files(&options)).for_each(|warning| file.warn(&warning));
    }
    let dir_use = if options.previous.is_some() { DirUse::Watched } else { DirUse::New };
    // An Envoy that watches the directory has its instances already.
    if objects.is_none() && dir_use == DirUse::New {
        let inotify = InotifyUse::read(Path::new("/proc"));
        inotify.and_then(|inotify| inotify.warning(&files)).iter().for_each(|it| file.warn(it));
    }
    output_dir::write(&dir, &files, dir_use)?;
    let shown = dir.display();
    let next = match objects {
        Some(_) => format!("kubectl apply --server-side -f {shown}"),
        None => format!("envoy -c {}", dir.join("envoy.yaml").display()),
    };
    println!("{shown}: {} files for `{next}`", files.len());
    Ok(())
}

/// Returns warnings of files without which Envoy does not start, and which this machine lacks.
fn missing_files(options: &RenderOptions) -> Vec<String> {
    let wanted = [("--module", &options.module), ("--ca-file", &options.ca_file)];
    let missing = wanted.iter().filter(|(_, path)| !path.exists());
    missing
        .map(|(option, path)| {
            let path = path.display();
            format!("{path} does not exist on this machine, and Envoy needs it ({option})")
        })
        .collect()
}

/// Returns the configuration that was rendered into a directory before, if any was.
fn previous_config(dir: &Path) -> Option<Config> {
    let provider = fs::read_to_string(dir.join(render::PROVIDER_FILE)).ok()?;
    Config::parse(&render::rendered_document(&provider)?).ok()
}
