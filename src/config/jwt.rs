//! Clients that come with a JSON Web Token in the place of a key.

use super::{
    base_url::{BaseUrl, read_url},
    read::{ObjectReader, ValueReader},
};

/// Whose tokens are taken, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Who must have issued them: the claim `iss`.
    pub issuer: String,
    /// Whom they must be meant for: one of the claim `aud`. None: whoever.
    pub audiences: Vec<String>,
    /// The issuer's public keys.
    pub jwks: Jwks,
    /// The claim that holds the account's name.
    pub account_claim: String,
}

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// In a file.
    File(String),
    /// Behind a URL, from where Envoy fetches it again and again.
    Url(BaseUrl),
}

impl Jwt {
    /// The name of Envoy's cluster for the keys. No provider's name begins so.
    pub const CLUSTER: &'static str = "_jwks";

    /// Reads `jwt`.
    pub(super) fn read(node: &ValueReader<'_>) -> Self {
        let mut entry = node.object();
        let issuer = entry.required("issuer", "the claim `iss` of the tokens");
        let issuer = issuer.map(|node| node.string()).unwrap_or_default();
        let audiences = entry.optional("audiences").map(|node| node.list()).unwrap_or_default();
        let audiences = audiences.iter().map(ValueReader::string).collect();
        let jwks = read_jwks(&mut entry);
        let account_claim = entry.optional("account_claim").map(|node| node.string());
        let account_claim = account_claim.unwrap_or_else(|| "sub".to_owned());
        entry.finish();
        Self { issuer, audiences, jwks, account_claim }
    }
}

fn read_jwks(entry: &mut ObjectReader<'_>) -> Jwks {
    let allow_private = entry.optional("allow_private").is_some_and(|node| node.bool());
    let file = entry.optional("jwks_file").map(|node| Jwks::File(node.string()));
    let url = entry.optional("jwks_url").map(|node| Jwks::Url(read_url(&node, allow_private)));
    match (file, url) {
        (Some(one), None) | (None, Some(one)) => one,
        (Some(_), Some(either)) => {
            entry.wrong("jwks_url", "nothing, as there is a `jwks_file`");
            either
        }
        (None, None) => {
            entry.wrong("jwks_file", "the path of a file, or a `jwks_url` in its place");
            Jwks::Url(BaseUrl::PLACEHOLDER)
        }
    }
}
