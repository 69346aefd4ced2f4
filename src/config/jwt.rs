//! Authentication of clients by JSON Web Token in place of a key.

use super::{
    base_url::{BaseUrl, read_url},
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{Flag, List, Path, Text, Url},
        defaults_to, object_table, optional, required, required_unless,
    },
};

object_table! {
    /// Authentication by JSON Web Token.
    pub(super) static JWT = "jwt" {
        /// Issuer that a token must name in its claim `iss`.
        "issuer": Text, required("the claim `iss` of the tokens");
        /// Accepted audiences: the claim `aud` of a token must contain one of them.
        "audiences": List(&Text), optional("any audience");
        /// Accepts a `jwks_url` with `http` or a private host.
        "allow_private": Flag, defaults_to("false");
        /// File with the issuer's public keys, read by `attache render`.
        "jwks_file": Path, required_unless("jwks_url");
        /// URL of the issuer's public keys. Envoy fetches them at its start and every five minutes.
        "jwks_url": Url, required_unless("jwks_file");
        /// Claim that holds the account's name; `a.b` is the claim `b` in the object `a`.
        "account_claim": Text, defaults_to("sub");
    }
}

/// Authentication by JSON Web Token: accepted tokens, and the claim that names the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Issuer: the claim `iss` of every token.
    pub issuer: String,
    /// Accepted audiences: the claim `aud` of a token contains one of them. Empty accepts any.
    pub audiences: Vec<String>,
    /// Public keys of the issuer.
    pub jwks: Jwks,
    /// Claim that holds the account's name.
    pub account_claim: String,
}

/// Source of a JSON Web Key Set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwks {
    /// A file.
    File(String),
    /// A URL that Envoy fetches regularly.
    Url(BaseUrl),
}

impl Jwt {
    /// Name of Envoy's cluster for the keys. No provider's name begins with an underscore.
    pub const CLUSTER: &'static str = "_jwks";

    /// Reads `jwt`.
    pub(super) fn read(entry: ObjectReader<'_>) -> Self {
        let issuer = entry.string("issuer");
        let audiences = entry.get("audiences").map(|value| value.list()).unwrap_or_default();
        let audiences = audiences.iter().map(ValueReader::string).collect();
        let jwks = read_jwks(&entry);
        let account_claim = entry.string("account_claim");
        entry.finish();
        Self { issuer, audiences, jwks, account_claim }
    }
}

fn read_jwks(entry: &ObjectReader<'_>) -> Jwks {
    let allow_private = entry.flag("allow_private");
    let file = entry.get("jwks_file").map(|path| Jwks::File(path.string()));
    let url = entry.get("jwks_url").map(|url| Jwks::Url(read_url(&url, allow_private)));
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
