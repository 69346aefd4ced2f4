//! The command line: `attache check`, `attache render`, `attache models`, `attache schema`,
//! `attache keys`, `attache init` and `attache import`.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use attache::config::Config;
use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    at_path,
    catalogue::Catalogue,
    dns_check::{self, DnsReport},
    gateway_file::GatewayFile,
    import,
    init::{self, Choices},
    inotify::InotifyUse,
    new_file::Existing,
    output_dir::{self, DirUse},
    render::{
        self, RenderOptions,
        istio::{self, Mesh, Workload},
    },
    retirement, schema,
    warnings::warnings,
};

/// An LLM gateway inside Envoy.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks a gateway.yaml and prints every mistake in it. Exits with 1 if there is one.
    Check {
        /// The gateway.yaml.
        file: PathBuf,
    },
    /// Writes the configuration of Envoy or Istio. If the file has mistakes, nothing is written.
    Render(RenderArguments),
    /// Prints the model catalogue: the models whose entry in a gateway.yaml needs only `regions`.
    Models {
        /// Prints JSON with every field and its sources, instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Prints the file that maps keys to accounts, which becomes a Secret in Kubernetes.
    Keys {
        /// The gateway.yaml.
        file: PathBuf,
    },
    /// Prints the JSON Schema of gateway.yaml, with which editors complete and check the file.
    Schema,
    /// Writes a minimal gateway.yaml and a key for clients. On a terminal, asks for what the options
    /// leave open.
    Init(InitArguments),
    /// Writes a gateway.yaml from the configuration of another gateway.
    Import {
        #[command(subcommand)]
        origin: ImportOrigin,
    },
}

#[derive(Debug, clap::Args)]
struct InitArguments {
    /// The provider, such as `openai`, or the base URL of a server that is compatible with OpenAI.
    #[arg(long, value_name = "NAME|URL")]
    provider: Option<String>,
    /// The models, as the provider names them, separated by commas.
    #[arg(long, value_name = "NAMES")]
    models: Option<String>,
    /// The region of the gateway: `us` or `eu`.
    #[arg(long)]
    region: Option<String>,
    /// The port of the gateway.
    #[arg(long)]
    port: Option<String>,
    /// The requests of a client per model and minute: a number, or `unlimited`.
    #[arg(long, value_name = "RATE")]
    requests_per_minute: Option<String>,
    #[command(flatten)]
    output: NewFileArguments,
}

/// The gateway that a configuration comes from.
#[derive(Debug, Subcommand)]
enum ImportOrigin {
    /// LiteLLM's proxy. Prints a line for each item that is not carried over.
    Litellm {
        /// The config.yaml of the proxy.
        file: PathBuf,
        #[command(flatten)]
        output: NewFileArguments,
    },
}

#[derive(Debug, clap::Args)]
struct NewFileArguments {
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
    out: PathBuf,
    /// Replaces the file if it exists.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct RenderArguments {
    /// The gateway.yaml.
    file: PathBuf,
    /// The directory to write the configuration to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The kind of proxy to configure.
    #[arg(long, value_enum, default_value = "envoy")]
    target: RenderTarget,
    /// The module that Envoy loads [default: DIR/attache.wasm; Istio: /etc/attache/module/plugin.wasm].
    /// For Istio also `oci://…`.
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
    mesh: MeshArguments,
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
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Istio")]
struct MeshArguments {
    /// A label of the pods. Repeat it for pods that have all of several labels.
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
}

impl RenderArguments {
    /// Returns whether requests to a provider go to another address.
    fn has_upstream_override(&self, provider: &str) -> bool {
        self.upstreams.iter().any(|(name, _)| name == provider || name == "*")
    }

    /// Returns the part of the mesh that is configured. `None`: an Envoy outside of a mesh.
    fn mesh(&self) -> Option<Mesh> {
        let workload = match self.target {
            RenderTarget::Envoy => return None,
            RenderTarget::IstioGateway => Workload::Gateway,
            RenderTarget::IstioSidecar => Workload::Sidecar,
        };
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        Some(Mesh {
            workload,
            labels: self.mesh.labels.iter().cloned().collect(),
            namespace: self.mesh.namespace.clone(),
            name: self.mesh.name.clone(),
            module: self.module.as_ref().map_or_else(|| istio::MODULE_IN_POD.to_owned(), text),
            ca_file: self.ca_file.as_ref().map(text),
        })
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
        })
    }
}

/// The certificates of Debian and its derivatives.
const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { file } => check(&file),
        Command::Render(arguments) => render(&arguments),
        Command::Models { json } => models(json),
        Command::Keys { file } => keys(&file),
        Command::Schema => {
            print!("{}", schema::text());
            Ok(())
        }
        Command::Init(arguments) => init(arguments),
        Command::Import { origin: ImportOrigin::Litellm { file, output } } => {
            import::litellm(&file, &output.out, Existing::with_force(output.force))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Splits `NAME=VALUE` at its first `=`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn check(path: &Path) -> Result<(), String> {
    let file = GatewayFile::read(path)?;
    let DnsReport { mistakes, unresolved } =
        dns_check::check(&file.config, |_| true, dns_check::resolve);
    file.refuse(&mistakes)?;
    warnings(&file.config, &file.base_dir()?).iter().for_each(|warning| file.warn(warning));
    retirement::warnings(&file.config, SystemTime::now())
        .iter()
        .for_each(|warning| file.warn(warning));
    for (path, host) in unresolved {
        file.warn(&format!("{path}: `{host}` does not resolve here"));
    }
    let (models, providers) = (file.config.models.len(), file.config.providers.len());
    file.report(&format!("{models} models of {providers} providers, no mistakes"));
    Ok(())
}

fn render(arguments: &RenderArguments) -> Result<(), String> {
    let file = GatewayFile::read(&arguments.file)?;
    let is_contacted = |name: &str| !arguments.has_upstream_override(name);
    file.refuse(&dns_check::check(&file.config, is_contacted, dns_check::resolve).mistakes)?;
    fs::create_dir_all(&arguments.out).map_err(|error| at_path(&arguments.out, &error))?;
    let dir = arguments.out.canonicalize().map_err(|error| at_path(&arguments.out, &error))?;
    let options = arguments.options(&dir, file.base_dir()?)?;
    let mesh = arguments.mesh();
    let files = match &mesh {
        Some(mesh) => istio::render(&file.config, &file.document, &options, mesh),
        None => render::render(&file.config, &file.document, &options),
    };
    let files = files.map_err(|error| error.to_string())?;
    if mesh.is_none() {
        warnings(&file.config, &options.base).iter().for_each(|warning| file.warn(warning));
    }
    let dir_use = if options.previous.is_some() { DirUse::Watched } else { DirUse::New };
    // An Envoy that watches the directory has its instances already.
    if mesh.is_none() && dir_use == DirUse::New {
        let inotify = InotifyUse::read(Path::new("/proc"));
        inotify.and_then(|inotify| inotify.warning(&files)).iter().for_each(|it| file.warn(it));
    }
    output_dir::write(&dir, &files, dir_use)?;
    let shown = dir.display();
    let next = match mesh {
        Some(_) => format!("kubectl apply --server-side -f {shown}"),
        None => format!("envoy -c {}", dir.join("envoy.yaml").display()),
    };
    println!("{shown}: {} files for `{next}`", files.len());
    Ok(())
}

fn models(json: bool) -> Result<(), String> {
    let catalogue = Catalogue::built_in()?;
    let text = if json { catalogue.json() } else { catalogue.table() };
    match io::stdout().write_all(text.as_bytes()) {
        // `attache models | head` closes the pipe early.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn keys(path: &Path) -> Result<(), String> {
    let file = GatewayFile::read(path)?;
    let options = RenderOptions { base: file.base_dir()?, ..RenderOptions::default() };
    let files = render::render(&file.config, &file.document, &options);
    let files = files.map_err(|error| error.to_string())?;
    let keys = files.iter().filter(|file| file.path == render::keys::FILE);
    keys.for_each(|file| print!("{}", file.text));
    Ok(())
}

fn init(arguments: InitArguments) -> Result<(), String> {
    let InitArguments { provider, models, region, port, requests_per_minute, output } = arguments;
    let choices = Choices { provider, models, region, port, requests_per_minute };
    init::run(choices, &output.out, Existing::with_force(output.force))
}

/// Returns the configuration that was rendered into a directory before, if any was.
fn previous_config(dir: &Path) -> Option<Config> {
    let provider = fs::read_to_string(dir.join(render::PROVIDER_FILE)).ok()?;
    Config::parse(&render::rendered_document(&provider)?).ok()
}
