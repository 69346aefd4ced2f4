//! Signed assertions: JSON Web Tokens (RFC 7515, RFC 7519), of a service account with RS256.
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use std::time::SystemTime;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use graviola::signing::rsa::SigningKey;
use serde_json::{Value, json};
use ureq::tls::PrivateKey;

/// The private key of a service account. It has no `Debug`.
pub(crate) struct AccountKey(SigningKey);

/// The lifetime that an assertion asks for, in seconds: an hour is the longest that is allowed.
const LIFETIME: u64 = 3600;

/// The longest signature in bytes: that of a key with 8192 bits.
const MAX_SIGNATURE: usize = 1024;

impl AccountKey {
    /// Reads a key in PEM, in PKCS#8 as Google writes it or in PKCS#1.
    pub(super) fn parse(pem: &str) -> Result<Self, String> {
        let key = PrivateKey::from_pem(pem.as_bytes());
        let key = key.map_err(|_| "`private_key` is no key in PEM".to_owned())?;
        let parsed = SigningKey::from_pkcs8_der(key.der())
            .or_else(|_| SigningKey::from_pkcs1_der(key.der()));
        parsed.map(Self).map_err(|_| "`private_key` is no RSA key".to_owned())
    }

    /// Returns a signed assertion that an issuer wants a token of an audience.
    pub(super) fn assertion(
        &self,
        key_id: &str,
        claims: &AssertionClaims<'_>,
        now: SystemTime,
    ) -> Result<String, String> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
        let claims = json!({
            "iss": claims.issuer,
            "scope": claims.scope,
            "aud": claims.audience,
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
        });
        let sign = |out: &mut [u8], message: &[u8]| {
            self.0.sign_pkcs1_sha256(out, message).map(<[u8]>::len)
        };
        signed(&header, &claims, sign)
    }

    /// Returns a token with these fields that is signed with PS256 (RFC 7518, section 3.5).
    pub(super) fn sign_ps256(&self, header: &Value, claims: &Value) -> Result<String, String> {
        let sign =
            |out: &mut [u8], message: &[u8]| self.0.sign_pss_sha256(out, message).map(<[u8]>::len);
        signed(header, claims, sign)
    }
}

/// The claims of an assertion.
pub(super) struct AssertionClaims<'c> {
    /// The service account's address.
    pub(super) issuer: &'c str,
    pub(super) scope: &'c str,
    /// The URL of the token service.
    pub(super) audience: &'c str,
}

/// Returns a token. `sign` writes the signature of a message and returns its length.
fn signed(
    header: &Value,
    claims: &Value,
    sign: impl FnOnce(&mut [u8], &[u8]) -> Result<usize, graviola::Error>,
) -> Result<String, String> {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = [0; MAX_SIGNATURE];
    let length = sign(&mut signature, message.as_bytes());
    let length = length.map_err(|_| "the key cannot sign".to_owned())?;
    let signature = signature.get(..length).unwrap_or_default();
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}
