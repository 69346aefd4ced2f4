//! AWS's Signature Version 4, as its documentation has it: IAM user guide, *Create a signed AWS API
//! request*.

use sha2::{Digest, Sha256};
use testkit::provider::Entry;

/// What a signature says of itself.
#[derive(Debug)]
pub struct Signature {
    /// The access key id.
    pub key_id: String,
    /// The date, the region and the service.
    pub scope: String,
    /// The names of the signed headers.
    pub headers: Vec<String>,
    /// Hexadecimal digits.
    pub digits: String,
}

impl Signature {
    /// The signature of a request, if it has one.
    pub fn of(entry: &Entry) -> Option<Self> {
        let text = std::str::from_utf8(entry.header("authorization")?).ok()?;
        let fields = text.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (key_id, scope) = field("Credential")?.split_once('/')?;
        Some(Self {
            key_id: key_id.to_owned(),
            scope: scope.strip_suffix("/aws4_request")?.to_owned(),
            headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            digits: field("Signature")?.to_owned(),
        })
    }

    /// Asserts that the signature is that of the request as it arrived.
    #[track_caller]
    pub fn assert_signs(&self, entry: &Entry, secret: &str) {
        let values = |name: &str| {
            let all = entry.headers.iter().filter(|(own, _)| own == name);
            let all: Vec<String> = all.map(|(_, value)| one_spaced(value)).collect();
            assert_eq!(all.len(), 1, "`{name}` is there once: {:?}", entry.to_json());
            all.join(",")
        };
        let body = hex(&Sha256::digest(&entry.body));
        let headers: String =
            self.headers.iter().map(|name| format!("{name}:{}\n", values(name))).collect();
        let (path, query) = entry.path.split_once('?').unwrap_or((&entry.path, ""));
        let method = &entry.method;
        let signed = self.headers.join(";");
        let path = encoded(path);
        let request = format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{body}");
        let digest = hex(&Sha256::digest(&request));
        let date = values("x-amz-date");
        let scope = format!("{}/aws4_request", self.scope);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac(&key, part.as_bytes()).to_vec()
        });
        assert_eq!(hex(&hmac(&key, text.as_bytes())), self.digits, "{request}");
    }
}

/// The value of a header, with one space where there are several.
fn one_spaced(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path, encoded once more: every byte but letters, digits, `-._~` and the slashes.
fn encoded(path: &str) -> String {
    let encode = |byte: u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    path.bytes().map(encode).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 2104, with SHA-256, whose blocks have 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    let short = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block[..short.len()].copy_from_slice(&short);
    let pad = |byte: u8| block.map(|own| own ^ byte).to_vec();
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).into()
}

#[test]
fn the_hmac_is_that_of_rfc_4231() {
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hex(&hmac(b"Jefe", b"what do ya want for nothing?")), expected);
}
