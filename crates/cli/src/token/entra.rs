//! Tokens of Microsoft Entra ID, for what Envoy cannot send itself: the proof of a certificate, the
//! token of another identity provider, and the managed identity of a machine.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use ureq::tls::Certificate;

use super::{AccessToken, assertion::AccountKey, http_client::HttpClient};
use crate::at_path;

/// Source of tokens of Microsoft Entra ID.
pub(crate) enum EntraSource {
    Application(EntraApplication),
    /// The identity of a machine in Azure, from its metadata service.
    ManagedIdentity {
        /// The URL of the metadata service.
        server: String,
        /// One of several identities.
        client_id: Option<String>,
    },
}

/// Application with its proof.
pub(crate) struct EntraApplication {
    /// The URL of the token service.
    pub(crate) authority: String,
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    pub(crate) proof: ClientProof,
}

/// Proof that a client is its application.
pub(crate) enum ClientProof {
    Certificate(Box<CertificateKey>),
    /// A file with the token of another identity provider, such as the cluster of a pod.
    FederatedToken(PathBuf),
}

/// Private key of a certificate.
pub(crate) struct CertificateKey {
    key: AccountKey,
    /// The hash of the certificate, in base64.
    thumbprint: String,
}

/// The path of a token of the metadata service.
const METADATA_PATH: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01";

/// The lifetime of a proof, in seconds: ten minutes, as Microsoft's own libraries have it.
const LIFETIME: u64 = 600;

/// The type of a proof: RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl EntraSource {
    /// Fetches a new token.
    pub(super) fn fetch(
        &self,
        http: &HttpClient,
        scope: &str,
        now: SystemTime,
    ) -> Result<AccessToken, String> {
        match self {
            Self::Application(application) => application.fetch(http, scope, now),
            Self::ManagedIdentity { server, client_id } => {
                let resource = scope.trim_end_matches("/.default");
                let mut url = format!("{server}{METADATA_PATH}&resource={resource}");
                if let Some(client_id) = client_id {
                    url = format!("{url}&client_id={client_id}");
                }
                AccessToken::in_answer(&http.get(&url, &[("metadata", "true")])?)
            }
        }
    }
}

impl EntraApplication {
    fn fetch(
        &self,
        http: &HttpClient,
        scope: &str,
        now: SystemTime,
    ) -> Result<AccessToken, String> {
        let url = format!("{}/{}/oauth2/v2.0/token", self.authority, self.tenant);
        let assertion = match &self.proof {
            ClientProof::Certificate(certificate) => {
                certificate.assertion(&self.client_id, &url, now)?
            }
            // The cluster replaces the file before the token in it ends.
            ClientProof::FederatedToken(file) => {
                let text = fs::read_to_string(file).map_err(|error| at_path(file, &error))?;
                text.trim().to_owned()
            }
        };
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", scope),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        AccessToken::in_answer(&http.post_form(&url, &form)?)
    }
}

impl CertificateKey {
    /// Reads a file in PEM that has the certificate and its private key.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let pem = fs::read_to_string(path).map_err(|error| at_path(path, &error))?;
        let certificate = Certificate::from_pem(pem.as_bytes());
        let certificate =
            certificate.map_err(|_| at_path(path, &"there is no certificate in PEM"))?;
        let key =
            AccountKey::parse(&pem).map_err(|_| at_path(path, &"there is no RSA key in PEM"))?;
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(certificate.der()));
        Ok(Self { key, thumbprint })
    }

    /// Returns a signed proof for one request. Microsoft identity platform, *Certificate credentials*.
    fn assertion(&self, client_id: &str, url: &str, now: SystemTime) -> Result<String, String> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let id = format!("{client_id} {} {}", now.as_nanos(), std::process::id());
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": url,
            "iss": client_id,
            "sub": client_id,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(id)),
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": now.as_secs().saturating_add(LIFETIME),
        });
        self.key.sign_ps256(&header, &claims)
    }
}
