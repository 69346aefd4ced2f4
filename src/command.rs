//! The command line: `attache check` and `attache render`. Native only.

use std::{
    collections::BTreeMap,
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::{
    config::{Config, Invalid, TranscriptKey, Transcripts},
    hosts::{self, Found},
    render::{self, File, Options, Turn},
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
    /// Writes Envoy's configuration. A file with mistakes changes nothing.
    Render(Render),
}

#[derive(Debug, clap::Args)]
struct Render {
    /// The gateway.yaml.
    file: PathBuf,
    /// Where the configuration goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The module that Envoy loads [default: DIR/attache.wasm].
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Certificates that providers' own are checked against.
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: PathBuf,
    /// An address that stands in for a provider, in clear text; `*` for all others.
    #[arg(long = "upstream", value_name = "NAME=HOST:PORT", value_parser = upstream)]
    upstreams: Vec<(String, String)>,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { file } => check(&file),
        Command::Render(arguments) => render(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn upstream(text: &str) -> Result<(String, String), String> {
    let (name, address) = text.split_once('=').ok_or("not NAME=HOST:PORT")?;
    Ok((name.to_owned(), address.to_owned()))
}

fn check(file: &Path) -> Result<(), String> {
    let (config, _) = read(file)?;
    let Found { mistakes, unknown } = hosts::check(&config, |_| true, hosts::resolve);
    refuse(file, &mistakes)?;
    let unknown =
        unknown.into_iter().map(|(path, host)| format!("{path}: `{host}` does not resolve here"));
    for warning in warnings(&config, file).into_iter().chain(unknown) {
        eprintln!("{}: warning: {warning}", file.display());
    }
    let (models, providers) = (config.models.len(), config.providers.len());
    println!("{}: {models} models of {providers} providers, no mistakes", file.display());
    Ok(())
}

fn render(arguments: &Render) -> Result<(), String> {
    let (config, document) = read(&arguments.file)?;
    let upstreams: BTreeMap<_, _> = arguments.upstreams.iter().cloned().collect();
    let is_asked = |name: &str| !upstreams.contains_key(name) && !upstreams.contains_key("*");
    refuse(&arguments.file, &hosts::check(&config, is_asked, hosts::resolve).mistakes)?;
    let shown = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    fs::create_dir_all(arguments.out.join("secrets"))
        .map_err(|error| shown(&arguments.out, &error))?;
    let absolute = |path: &Path| path.canonicalize().map_err(|error| shown(path, &error));
    let dir = absolute(&arguments.out)?;
    let base = absolute(&arguments.file)?.parent().unwrap_or(Path::new("/")).to_owned();
    let module = arguments.module.clone().unwrap_or_else(|| dir.join("attache.wasm"));
    let module = std::path::absolute(&module).map_err(|error| shown(&module, &error))?;
    let options = Options {
        dir: dir.clone(),
        base,
        module,
        ca_file: arguments.ca_file.clone(),
        upstreams,
        before: before(&dir),
    };
    let files = render::render(&config, &document, &options).map_err(|error| error.to_string())?;
    for warning in warnings(&config, &arguments.file) {
        eprintln!("{}: warning: {warning}", arguments.file.display());
    }
    let [first, then] = [Turn::First, Turn::Then].map(|turn| changed(&dir, &files, turn));
    write_all(&dir, &first)?;
    if options.before.is_some() && !first.is_empty() && !then.is_empty() {
        thread::sleep(TAKEOVER);
    }
    write_all(&dir, &then)?;
    println!(
        "{}: {} files for `envoy -c {}`",
        dir.display(),
        files.len(),
        dir.join("envoy.yaml").display()
    );
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

/// What is no mistake and does harm all the same: keeps requests from being answered, or lets
/// strangers in.
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
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut handle = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    handle.write_all(text.as_bytes())?;
    handle.sync_all()?;
    fs::rename(fresh, path)
}
