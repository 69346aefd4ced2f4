//! The command line: `attache check`, `attache render`, `attache keys` and `attache schema`.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use attache::config::{Config, Invalid, TranscriptKey, Transcripts};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::{
    dns_check::{self, Found},
    render::{
        self, File, Options, Turn,
        istio::{self, Mesh, Workload},
    },
    schema,
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
    /// Names every mistake in a gateway.yaml. Exits with 1 if there is one.
    Check {
        /// The gateway.yaml.
        file: PathBuf,
    },
    /// Writes the configuration of Envoy or Istio. A file with mistakes changes nothing.
    Render(Render),
    /// Prints the file that says whose key is whose: for Kubernetes, which keeps it as a Secret.
    Keys {
        /// The gateway.yaml.
        file: PathBuf,
    },
    /// Prints the JSON Schema of gateway.yaml, with which editors complete and check the file.
    Schema,
}

#[derive(Debug, clap::Args)]
struct Render {
    /// The gateway.yaml.
    file: PathBuf,
    /// Where the configuration goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Whose configuration it is.
    #[arg(long, value_enum, default_value = "envoy")]
    target: Target,
    /// The module that Envoy loads [default: DIR/attache.wasm; Istio: /etc/attache/module/plugin.wasm].
    /// For Istio also `oci://…`.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Certificates that providers' own are checked against [default:
    /// /etc/ssl/certs/ca-certificates.crt; Istio: those of its proxies].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// An address that stands in for a provider, in clear text; `*` for all others.
    #[arg(long = "upstream", value_name = "NAME=HOST:PORT", value_parser = pair)]
    upstreams: Vec<(String, String)>,
    #[command(flatten)]
    mesh: MeshArguments,
}

/// Whose configuration is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// An Envoy of its own.
    Envoy,
    /// Istio's proxies that let clients in.
    IstioGateway,
    /// Istio's proxies beside applications.
    IstioSidecar,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Istio")]
struct MeshArguments {
    /// A label of the pods; all of several.
    #[arg(
        long = "workload",
        value_name = "LABEL=VALUE",
        value_parser = pair,
        required_if_eq_any([("target", "istio-gateway"), ("target", "istio-sidecar")]),
    )]
    labels: Vec<(String, String)>,
    /// Where the pods are.
    #[arg(long, default_value = "attache")]
    namespace: String,
    /// What the names of all objects begin with.
    #[arg(long, default_value = "attache")]
    name: String,
}

impl Render {
    /// Whether a provider is not asked itself.
    fn has_stand_in(&self, provider: &str) -> bool {
        self.upstreams.iter().any(|(name, _)| name == provider || name == "*")
    }

    /// None where Envoy is on its own.
    fn mesh(&self) -> Option<Mesh> {
        let workload = match self.target {
            Target::Envoy => return None,
            Target::IstioGateway => Workload::Gateway,
            Target::IstioSidecar => Workload::Sidecar,
        };
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        Some(Mesh {
            workload,
            labels: self.mesh.labels.iter().cloned().collect(),
            namespace: self.mesh.namespace.clone(),
            name: self.mesh.name.clone(),
            module: self.module.as_ref().map_or_else(|| istio::MODULE.to_owned(), text),
            ca_file: self.ca_file.as_ref().map(text),
        })
    }

    /// What Envoy is told, with its files in this directory.
    fn options(&self, dir: PathBuf) -> Result<Options, String> {
        let module = self.module.clone().unwrap_or_else(|| dir.join("attache.wasm"));
        Ok(Options {
            module: std::path::absolute(&module).map_err(|error| shown(&module, &error))?,
            base: base(&self.file)?,
            ca_file: self.ca_file.clone().unwrap_or_else(|| CA_FILE.into()),
            upstreams: self.upstreams.iter().cloned().collect(),
            before: before(&dir),
            dir,
        })
    }
}

/// Where Debian and those after it have the certificates.
const CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { file } => check(&file),
        Command::Render(arguments) => render(&arguments),
        Command::Keys { file } => keys(&file),
        Command::Schema => {
            print!("{}", schema::text());
            Ok(())
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

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn check(file: &Path) -> Result<(), String> {
    let (config, _) = read(file)?;
    let Found { mistakes, unknown } = dns_check::check(&config, |_| true, dns_check::resolve);
    refuse(file, &mistakes)?;
    warn(&config, file);
    for (path, host) in unknown {
        eprintln!("{}: warning: {path}: `{host}` does not resolve here", file.display());
    }
    let (models, providers) = (config.models.len(), config.providers.len());
    println!("{}: {models} models of {providers} providers, no mistakes", file.display());
    Ok(())
}

fn render(arguments: &Render) -> Result<(), String> {
    let (config, document) = read(&arguments.file)?;
    let is_asked = |name: &str| !arguments.has_stand_in(name);
    refuse(&arguments.file, &dns_check::check(&config, is_asked, dns_check::resolve).mistakes)?;
    fs::create_dir_all(&arguments.out).map_err(|error| shown(&arguments.out, &error))?;
    let dir = absolute(&arguments.out)?;
    let options = arguments.options(dir.clone())?;
    let mesh = arguments.mesh();
    let files = match &mesh {
        Some(mesh) => istio::render(&config, &document, &options, mesh),
        None => render::render(&config, &document, &options),
    };
    let files = files.map_err(|error| error.to_string())?;
    if mesh.is_none() {
        warn(&config, &arguments.file);
    }
    let [first, then] = [Turn::First, Turn::Then].map(|turn| changed(&dir, &files, turn));
    write_all(&dir, &first)?;
    if options.before.is_some() && !first.is_empty() && !then.is_empty() {
        thread::sleep(TAKEOVER);
    }
    write_all(&dir, &then)?;
    let shown = dir.display();
    let next = match mesh {
        Some(_) => format!("kubectl apply --server-side -f {shown}"),
        None => format!("envoy -c {}", dir.join("envoy.yaml").display()),
    };
    println!("{shown}: {} files for `{next}`", files.len());
    Ok(())
}

fn keys(file: &Path) -> Result<(), String> {
    let (config, document) = read(file)?;
    let options = Options { base: base(file)?, ..Options::default() };
    let files = render::render(&config, &document, &options).map_err(|error| error.to_string())?;
    let keys = files.iter().filter(|file| file.path == render::keys::FILE);
    keys.for_each(|file| print!("{}", file.text));
    Ok(())
}

/// What was rendered into a directory before, if anything was.
fn before(dir: &Path) -> Option<Config> {
    Config::parse(&render::rendered(&fs::read_to_string(dir.join(render::PROVIDER)).ok()?)?).ok()
}

/// The files of a turn that are not there already as they should be. Envoy would take over others,
/// too, and have nothing of it.
fn changed<'f>(dir: &Path, files: &'f [File], turn: Turn) -> Vec<&'f File> {
    let is_there =
        |file: &File| fs::read_to_string(dir.join(&file.path)).is_ok_and(|text| text == file.text);
    files.iter().filter(|file| file.turn == turn && !is_there(file)).collect()
}

/// How long Envoy may take to take over what it is told. It compiles a new module meanwhile.
const TAKEOVER: Duration = Duration::from_secs(1);

fn shown(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn absolute(path: &Path) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| shown(path, &error))
}

/// Where relative paths in a file start.
fn base(file: &Path) -> Result<PathBuf, String> {
    Ok(absolute(file)?.parent().unwrap_or(Path::new("/")).to_owned())
}

/// The file, read and found right, with the document it was read from.
fn read(file: &Path) -> Result<(Config, Value), String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    // YAML 1.2: `n` and `no` are words.
    let options = serde_saphyr::options! { strict_booleans: true };
    let document: Value = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| format!("{shown}: not YAML: {error}"))?;
    match Config::parse(&document) {
        Ok(config) => Ok((config, document)),
        Err(mistakes) => Err(told(file, &mistakes)),
    }
}

fn refuse(file: &Path, mistakes: &[Invalid]) -> Result<(), String> {
    if mistakes.is_empty() { Ok(()) } else { Err(told(file, mistakes)) }
}

/// Every mistake on a line of its own, and how many there are.
fn told(file: &Path, mistakes: &[Invalid]) -> String {
    let shown = file.display();
    let lines = mistakes.iter().map(|mistake| format!("{shown}: {mistake}\n"));
    format!("{}{shown}: mistakes: {}", lines.collect::<String>(), mistakes.len())
}

/// Says what is no mistake and does harm all the same.
fn warn(config: &Config, file: &Path) {
    for warning in warnings(config, file) {
        eprintln!("{}: warning: {warning}", file.display());
    }
}

/// What keeps requests from being answered, or lets strangers in.
fn warnings(config: &Config, file: &Path) -> Vec<String> {
    let base = file.parent().unwrap_or(Path::new("."));
    let of_providers = config.providers.iter();
    let mut files: Vec<(String, &String)> = of_providers
        .filter_map(|(name, own)| Some((format!("providers.{name}"), own.key_file.as_ref()?)))
        .collect();
    if let Some(Transcripts { key: TranscriptKey::File(file), .. }) = &config.transcripts {
        files.push(("transcripts".to_owned(), file));
    }
    let warning = |(place, file): (String, &String)| {
        let problem = key_problem(&base.join(file))?;
        Some(format!("{place}.key_file: `{file}` {problem}"))
    };
    files.into_iter().filter_map(warning).chain(admin_warning(config)).collect()
}

/// Envoy's administration asks nobody for a key, and takes commands.
fn admin_warning(config: &Config) -> Option<String> {
    let address = &config.admin.address;
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!is_loopback).then(|| {
        format!("admin.address: whoever reaches `{address}` can stop Envoy: keep it on loopback")
    })
}

/// Why a key file is of no use.
fn key_problem(path: &Path) -> Option<String> {
    match fs::read_to_string(path) {
        Err(error) => Some(format!("cannot be read, what needs it fails until it can: {error}")),
        Ok(key) if key.trim() != key => {
            Some("has blanks around the key, which Envoy would send".to_owned())
        }
        Ok(key) if key.is_empty() => Some("is empty".to_owned()),
        Ok(_) => None,
    }
}

fn write_all(dir: &Path, files: &[&File]) -> Result<(), String> {
    files.iter().try_for_each(|file| {
        let path = dir.join(&file.path);
        write(&path, &file.text).map_err(|error| format!("{}: {error}", path.display()))
    })
}

/// Writes a file in one step, so that Envoy never reads half of one. Only its owner may read it:
/// accounts' keys are inside.
fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut handle = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(fresh, path)
}
