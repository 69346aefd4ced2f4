//! JWT authentication, an alternative to keys of accounts.

use std::fs;

use serde::Serialize;

use super::{RenderError, RenderOptions};
use attache::config::jwt::{Jwks, Jwt};

/// The values of Envoy's JWT filter.
#[derive(Serialize)]
pub(super) struct JwtView<'c> {
    issuer: &'c str,
    audiences: &'c [String],
    claim: &'c str,
    cluster: &'static str,
    /// The issuer's public keys. `None`: they are fetched from the URL.
    keys: Option<String>,
    url: Option<String>,
}

impl<'c> JwtView<'c> {
    pub(super) fn new(jwt: &'c Jwt, options: &RenderOptions) -> Result<Self, RenderError> {
        let (keys, url) = match &jwt.jwks {
            Jwks::File(file) => {
                let path = options.base.join(file);
                let text =
                    fs::read_to_string(&path).map_err(|error| RenderError::Key(path, error))?;
                (Some(text), None)
            }
            Jwks::Url(url) => {
                let scheme = if url.tls { "https" } else { "http" };
                (None, Some(format!("{scheme}://{}{}", url.authority(), url.path)))
            }
        };
        let Jwt { issuer, audiences, account_claim, .. } = jwt;
        Ok(Self { issuer, audiences, claim: account_claim, cluster: Jwt::CLUSTER, keys, url })
    }
}
