//! Credentials that Envoy gets and renews: signatures for AWS, tokens of Microsoft Entra ID.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{RenderOptions, secret_name};
use attache::config::{
    BaseUrl, PoolKey, Provider,
    auth::{Auth, AwsAuth, AwsSource, AzureAuth},
};

/// The signature of requests for AWS.
#[derive(Serialize)]
pub(super) struct AwsView {
    service: String,
    region: String,
    /// Envoy's configuration of the credentials. `None`: the standard chain.
    credentials: Option<Value>,
}

/// The tokens of Microsoft Entra ID.
#[derive(Serialize)]
pub(super) struct AzureView {
    url: String,
    /// The cluster of the token service.
    cluster: String,
    client_id: String,
    scope: String,
    /// The name of the client secret's secret.
    secret: String,
    /// The directory that Envoy watches in order to read the client secret again.
    watched: PathBuf,
}

impl AwsView {
    /// Returns the signature of requests to a URL of a provider, if they are signed. The reader of the
    /// configuration has made sure of its region.
    pub(super) fn of(provider: &Provider, url: &BaseUrl, options: &RenderOptions) -> Option<Self> {
        let Some(Auth::Aws(aws)) = &provider.auth else { return None };
        let credentials = aws.source.map(|source| credentials(aws, source, options));
        let region = aws.region_for(url)?.to_owned();
        Some(Self { service: aws.service.clone(), region, credentials })
    }
}

impl AzureView {
    /// Returns the tokens of a provider, if it takes any.
    pub(super) fn of(name: &str, provider: &Provider, options: &RenderOptions) -> Option<Self> {
        let Some(Auth::Azure(azure)) = &provider.auth else { return None };
        let AzureAuth { tenant, client_id, scope, authority, client_secret_file } = azure;
        let scheme = if authority.tls { "https" } else { "http" };
        Some(Self {
            url: format!("{scheme}://{}/{tenant}/oauth2/v2.0/token", authority.authority()),
            cluster: AzureAuth::cluster(name),
            client_id: client_id.clone(),
            scope: scope.clone(),
            secret: secret_name(name, PoolKey::FIRST),
            watched: options.directory_of(client_secret_file),
        })
    }
}

/// Returns Envoy's configuration of a chain with one source of credentials.
fn credentials(aws: &AwsAuth, source: AwsSource, options: &RenderOptions) -> Value {
    let file = |path: &Option<String>| {
        let path = path.as_ref()?;
        let watched = options.directory_of(path);
        Some(json!({"filename": options.base.join(path), "watched_directory": {"path": watched}}))
    };
    let (provider, settings) = match source {
        AwsSource::Environment => ("environment_credential_provider", vec![]),
        AwsSource::Container => ("container_credential_provider", vec![]),
        AwsSource::InstanceMetadata => ("instance_profile_credential_provider", vec![]),
        AwsSource::CredentialsFile => (
            "credentials_file_provider",
            vec![
                ("credentials_data_source", file(&aws.credentials_file)),
                ("profile", aws.profile.as_ref().map(|profile| json!(profile))),
            ],
        ),
        AwsSource::WebIdentity => (
            "assume_role_with_web_identity_provider",
            vec![
                ("role_arn", aws.role.as_ref().map(|role| json!(role))),
                ("web_identity_token_data_source", file(&aws.token_file)),
            ],
        ),
    };
    let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let settings: Map<String, Value> = settings.collect();
    json!({"custom_credential_provider_chain": true, provider: settings})
}
