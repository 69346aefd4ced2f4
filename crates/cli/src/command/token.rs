//! `attache token`: its options.

use std::{env, path::PathBuf};

use super::rendering::CA_FILE;
use crate::token::{self, HttpClient, TokenFiles, TokenSource};

/// Without a file with credentials, the token is that of the machine's or the pod's service account,
/// from the metadata server.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArguments {
    /// A file to write the token to: the `key_file` of a provider. Repeat it for several providers.
    #[arg(long = "out", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Keeps running, and writes a new token before each token ends.
    #[arg(long)]
    watch: bool,
    /// The file of a service account or of workload identity federation [default: the variable
    /// GOOGLE_APPLICATION_CREDENTIALS].
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The permissions of the token.
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://www.googleapis.com/auth/cloud-platform"
    )]
    scope: String,
    /// The metadata server [default: http:// and the variable GCE_METADATA_HOST, or
    /// http://metadata.google.internal].
    #[arg(long, value_name = "URL")]
    metadata_server: Option<String>,
    /// The CA certificates to verify token services with.
    #[arg(long, value_name = "FILE", default_value = CA_FILE)]
    ca_file: PathBuf,
}

/// Writes tokens.
pub(super) fn token(arguments: TokenArguments) -> Result<(), String> {
    let credentials = arguments.credentials;
    let credentials =
        credentials.or_else(|| variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from));
    let metadata_host =
        || variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
    let metadata_server =
        arguments.metadata_server.unwrap_or_else(|| format!("http://{}", metadata_host()));
    let files = TokenFiles {
        source: TokenSource::new(credentials.as_deref(), &metadata_server)?,
        http: HttpClient { ca_file: arguments.ca_file },
        scope: arguments.scope,
        files: arguments.files,
    };
    if arguments.watch {
        files.watch(token::wait);
        return Ok(());
    }
    files.write().map(drop)
}

/// The host name of the metadata server in Google Cloud.
const METADATA_HOST: &str = "metadata.google.internal";

/// Returns a variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
