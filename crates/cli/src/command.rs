//! The command line: `attache check`, `attache render`, `attache models`, `attache schema`,
//! `attache keys`, `attache init`, `attache import`, `attache token` and `attache drain`.

mod rendering;
mod token;

use std::{
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::{Parser, Subcommand};

use self::{rendering::RenderArguments, token::TokenArguments};
use crate::{
    catalogue::Catalogue,
    dns_check::{self, DnsReport},
    drain::{self, AdminAddress, DrainTimes},
    gateway_file::GatewayFile,
    import,
    init::{self, Choices},
    new_file::Existing,
    render::{self, RenderOptions},
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
    /// Writes the configuration of Envoy, Istio or Envoy Gateway. If the file has mistakes, nothing is written.
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
    /// Writes an access token of Google Cloud or Azure to the key files of providers.
    Token(TokenArguments),
    /// Lets an Envoy finish its requests before it is stopped: fails its health check, and waits until
    /// no request is in progress.
    Drain(DrainArguments),
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

#[derive(Debug, clap::Args)]
struct DrainArguments {
    /// The address of Envoy's administration interface.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9901")]
    admin: String,
    /// Waits at least so long, until load balancers send no new requests.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    at_least: Duration,
    /// Gives requests up after so long, and exits with 1.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    at_most: Duration,
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

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Check { file } => check(&file),
        Command::Render(arguments) => rendering::render(&arguments),
        Command::Models { json } => models(json),
        Command::Keys { file } => keys(&file),
        Command::Schema => {
            print!("{}", schema::text());
            Ok(())
        }
        Command::Init(arguments) => init(arguments),
        Command::Token(arguments) => token::token(arguments),
        Command::Drain(DrainArguments { admin, at_least, at_most }) => {
            drain::drain(&AdminAddress(admin), DrainTimes { at_least, at_most }, drain::wait)
        }
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
