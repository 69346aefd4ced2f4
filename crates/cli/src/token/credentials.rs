//! Sources of access tokens: files with credentials of Google Cloud, and the metadata server; those
//! of Microsoft Entra ID are beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AccessToken, NO_TOKEN,
    assertion::{AccountKey, AssertionClaims},
    entra::EntraSource,
    http_client::HttpClient,
};
use crate::at_path;

/// Source of access tokens.
pub(crate) enum TokenSource {
    /// A file with credentials.
    Credentials(Credentials),
    /// The metadata server of Google Cloud, by its URL. In GKE, it answers for the service account
    /// that Workload Identity gives to the pod.
    MetadataServer(String),
    /// Microsoft Entra ID.
    Entra(EntraSource),
}

/// Credentials in a file.
pub(crate) enum Credentials {
    ServiceAccount(ServiceAccount, Box<AccountKey>),
    ExternalAccount(ExternalAccount),
}

/// File of a service account.
#[derive(Deserialize)]
pub(crate) struct ServiceAccount {
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

/// File of workload identity federation: a token of another identity provider is exchanged.
/// <https://google.aip.dev/auth/4117>
#[derive(Deserialize)]
pub(crate) struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: CredentialSource,
    service_account_impersonation_url: Option<String>,
}

/// Place of the other identity provider's token.
#[derive(Deserialize)]
struct CredentialSource {
    file: PathBuf,
    #[serde(default)]
    format: SubjectTokenFormat,
}

/// Format of the other identity provider's token.
#[derive(Default, Deserialize)]
struct SubjectTokenFormat {
    /// The field with the token in a file that holds JSON. Absent: the file is the token.
    subject_token_field_name: Option<String>,
}

/// The path of a token of the metadata server.
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// Lifetime of a token of an impersonated service account, in seconds.
const IMPERSONATION_LIFETIME: u64 = 3600;

impl TokenSource {
    /// Fetches a new token.
    pub(super) fn fetch(
        &self,
        http: &HttpClient,
        scope: &str,
        now: SystemTime,
    ) -> Result<AccessToken, String> {
        match self {
            Self::Entra(source) => source.fetch(http, scope, now),
            Self::MetadataServer(server) => {
                // The server decides on the scopes in GKE, and respects the query elsewhere.
                let url = format!("{server}{METADATA_PATH}?scopes={scope}");
                AccessToken::in_answer(&http.get(&url, &[("metadata-flavor", "Google")])?)
            }
            Self::Credentials(credentials) => match credentials {
                Credentials::ServiceAccount(account, key) => account.fetch(key, http, scope, now),
                Credentials::ExternalAccount(account) => account.fetch(http, scope),
            },
        }
    }
}

impl Credentials {
    /// Reads a file. Messages show nothing of its contents but the type.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| at_path(path, &error))?;
        Self::parse(&text).map_err(|error| at_path(path, &error))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|_| "not JSON".to_owned())?;
        match document.get("type").and_then(Value::as_str) {
            Some("service_account") => {
                let account: ServiceAccount = fields(document)?;
                let key = AccountKey::parse(&account.private_key)?;
                Ok(Self::ServiceAccount(account, Box::new(key)))
            }
            Some("external_account") => Ok(Self::ExternalAccount(fields(document)?)),
            found => {
                let found = found.unwrap_or_default();
                Err(format!(
                    "type: found `{found}`, allowed: `service_account`, `external_account`"
                ))
            }
        }
    }
}

fn fields<T: for<'de> Deserialize<'de>>(document: Value) -> Result<T, String> {
    serde_json::from_value(document).map_err(|error| error.to_string())
}

impl ServiceAccount {
    fn fetch(
        &self,
        key: &AccountKey,
        http: &HttpClient,
        scope: &str,
        now: SystemTime,
    ) -> Result<AccessToken, String> {
        let claims =
            AssertionClaims { issuer: &self.client_email, scope, audience: &self.token_uri };
        let assertion = key.assertion(&self.private_key_id, &claims, now)?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.as_str()),
        ];
        AccessToken::in_answer(&http.post_form(&self.token_uri, &form)?)
    }
}

impl ExternalAccount {
    fn fetch(&self, http: &HttpClient, scope: &str) -> Result<AccessToken, String> {
        let subject = self.credential_source.read()?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", self.audience.as_str()),
            ("scope", scope),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token_type", self.subject_token_type.as_str()),
            ("subject_token", subject.as_str()),
        ];
        let federated = AccessToken::in_answer(&http.post_form(&self.token_url, &form)?)?;
        let Some(url) = &self.service_account_impersonation_url else { return Ok(federated) };
        let lifetime = Duration::from_secs(IMPERSONATION_LIFETIME);
        let body = json!({"scope": [scope], "lifetime": format!("{IMPERSONATION_LIFETIME}s")});
        let answer = http.post_json(url, &federated.text, &body)?;
        let text = answer.get("accessToken").and_then(Value::as_str).ok_or(NO_TOKEN)?;
        Ok(AccessToken { text: text.to_owned(), lifetime })
    }
}

impl CredentialSource {
    /// Reads the token, which its provider may have replaced since the last time.
    fn read(&self) -> Result<String, String> {
        let text = fs::read_to_string(&self.file).map_err(|error| at_path(&self.file, &error))?;
        let Some(field) = &self.format.subject_token_field_name else {
            return Ok(text.trim().to_owned());
        };
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = document.get(field).and_then(Value::as_str).map(str::to_owned);
        token.ok_or_else(|| at_path(&self.file, &format!("there is no text `{field}`")))
    }
}
