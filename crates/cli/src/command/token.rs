//! `attache token`: its options.

use std::{env, path::PathBuf};

use super::rendering::CA_FILE;
use crate::token::{
    self, CertificateKey, ClientProof, EntraApplication, EntraSource, HttpClient, TokenFiles,
    TokenSource,
};

/// Without credentials, the token is that of the machine's or the pod's own account, from the metadata
/// server.
#[derive(Debug, clap::Args)]
pub(super) struct TokenArguments {
    /// A file to write the token to: the `key_file` of a provider. Repeat it for several providers.
    #[arg(long = "out", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Keeps running, and writes a new token before each token ends.
    #[arg(long)]
    watch: bool,
    /// The cloud that the token is for.
    #[arg(long, value_enum, default_value_t = Cloud::Google)]
    cloud: Cloud,
    /// Google: the file of a service account or of workload identity federation [default: the variable
    /// GOOGLE_APPLICATION_CREDENTIALS]. Azure: a file in PEM with a certificate and its private key
    /// [default: the variable AZURE_CLIENT_CERTIFICATE_PATH].
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Azure: a file with the token of another identity provider [default: the variable
    /// AZURE_FEDERATED_TOKEN_FILE].
    #[arg(long, value_name = "FILE", conflicts_with = "credentials")]
    federated_token: Option<PathBuf>,
    /// Azure: the tenant [default: the variable AZURE_TENANT_ID].
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Azure: the application, or one of several managed identities [default: the variable
    /// AZURE_CLIENT_ID].
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The permissions of the token [default: https://www.googleapis.com/auth/cloud-platform, or
    /// https://cognitiveservices.azure.com/.default].
    #[arg(long, value_name = "URL")]
    scope: Option<String>,
    /// The metadata server [default: http:// and the variable GCE_METADATA_HOST, or
    /// http://metadata.google.internal; http://169.254.169.254 in Azure].
    #[arg(long, value_name = "URL")]
    metadata_server: Option<String>,
    /// The CA certificates to verify token services with.
    #[arg(long, value_name = "FILE", default_value = CA_FILE)]
    ca_file: PathBuf,
}

/// A cloud with tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Cloud {
    Google,
    Azure,
}

/// Writes tokens.
pub(super) fn token(arguments: TokenArguments) -> Result<(), String> {
    let (source, scope) = match arguments.cloud {
        Cloud::Google => (google(&arguments)?, GOOGLE_SCOPE),
        Cloud::Azure => (TokenSource::Entra(azure(&arguments)?), AZURE_SCOPE),
    };
    let files = TokenFiles {
        source,
        http: HttpClient { ca_file: arguments.ca_file },
        scope: arguments.scope.unwrap_or_else(|| scope.to_owned()),
        files: arguments.files,
    };
    if arguments.watch {
        files.watch(token::wait);
        return Ok(());
    }
    files.write().map(drop)
}

const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// The host name of the metadata server in Google Cloud.
const METADATA_HOST: &str = "metadata.google.internal";

/// The metadata service in Azure.
const AZURE_METADATA: &str = "http://169.254.169.254";

/// The token service of Azure's public cloud.
const AUTHORITY: &str = "https://login.microsoftonline.com";

fn google(arguments: &TokenArguments) -> Result<TokenSource, String> {
    let credentials = arguments.credentials.clone();
    let credentials = credentials.or_else(|| file("GOOGLE_APPLICATION_CREDENTIALS"));
    let metadata_host =
        || variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
    let metadata_server = arguments.metadata_server.clone();
    let metadata_server = metadata_server.unwrap_or_else(|| format!("http://{}", metadata_host()));
    TokenSource::new(credentials.as_deref(), &metadata_server)
}

fn azure(arguments: &TokenArguments) -> Result<EntraSource, String> {
    let client_id = arguments.client_id.clone().or_else(|| variable("AZURE_CLIENT_ID"));
    let Some(proof) = proof(arguments)? else {
        let server = arguments.metadata_server.as_deref().unwrap_or(AZURE_METADATA);
        let server = server.trim_end_matches('/').to_owned();
        return Ok(EntraSource::ManagedIdentity { server, client_id });
    };
    let tenant = arguments.tenant.clone().or_else(|| variable("AZURE_TENANT_ID"));
    let authority = variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| AUTHORITY.to_owned());
    Ok(EntraSource::Application(EntraApplication {
        authority: authority.trim_end_matches('/').to_owned(),
        tenant: tenant.ok_or("--tenant: missing, and so is AZURE_TENANT_ID")?,
        client_id: client_id.ok_or("--client-id: missing, and so is AZURE_CLIENT_ID")?,
        proof,
    }))
}

/// Returns the proof of an application. An option is more than a variable.
fn proof(arguments: &TokenArguments) -> Result<Option<ClientProof>, String> {
    let TokenArguments { credentials, federated_token, .. } = arguments;
    let read = |path: PathBuf| Ok(ClientProof::Certificate(Box::new(CertificateKey::read(&path)?)));
    match (credentials, federated_token) {
        (Some(path), _) => read(path.clone()).map(Some),
        (None, Some(path)) => Ok(Some(ClientProof::FederatedToken(path.clone()))),
        (None, None) => match file("AZURE_CLIENT_CERTIFICATE_PATH") {
            Some(path) => read(path).map(Some),
            None => Ok(file("AZURE_FEDERATED_TOKEN_FILE").map(ClientProof::FederatedToken)),
        },
    }
}

fn file(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

/// Returns a variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
