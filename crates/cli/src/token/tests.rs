mod entra;
mod service;

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, prelude::*};
use graviola::signing::rsa::{KeySize, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::service::TokenService;
use super::*;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/token/ca.pem");

/// A directory with credentials and two files for tokens.
struct Setup {
    dir: TempDir,
    key: SigningKey,
}

impl Setup {
    fn new() -> Self {
        let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Returns the private key in PEM.
    fn private_key(&self) -> String {
        let mut der = [0; 4096];
        let der = BASE64_STANDARD.encode(self.key.to_pkcs8_der(&mut der).unwrap());
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
    }

    /// Writes the file of a service account at a token service.
    fn service_account(&self, service: &TokenService) -> PathBuf {
        let account = json!({
            "type": "service_account",
            "project_id": "acme",
            "private_key_id": "key-7",
            "private_key": self.private_key(),
            "client_email": "gateway@acme.iam.gserviceaccount.com",
            "token_uri": format!("{}/token", service.url),
        });
        self.write("account.json", &account.to_string())
    }

    fn files(&self, credentials: Option<&Path>, metadata_server: &str) -> TokenFiles {
        TokenFiles {
            source: TokenSource::new(credentials, metadata_server).unwrap(),
            http: HttpClient { ca_file: CA.into() },
            scope: SCOPE.to_owned(),
            files: vec![self.path("vertex.key"), self.path("vertex-anthropic.key")],
        }
    }

    /// Returns the token in both files.
    fn token(&self) -> String {
        let token = fs::read_to_string(self.path("vertex.key")).unwrap();
        assert_eq!(fs::read_to_string(self.path("vertex-anthropic.key")).unwrap(), token);
        let mode = fs::metadata(self.path("vertex.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        token
    }
}

fn answer(token: &str, seconds: u64) -> String {
    json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}).to_string()
}

/// Returns a part of a JSON Web Token.
fn part(token: &str, index: usize) -> Value {
    let part = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap());
    serde_json::from_slice(&part.unwrap()).unwrap()
}

#[test]
fn a_service_account_signs_an_assertion_for_each_token() {
    let setup = Setup::new();
    let service = TokenService::start(&[(200, &answer("token-1", 3599))]);
    let files = setup.files(Some(&setup.service_account(&service)), "");
    assert_eq!(files.write().unwrap(), Duration::from_secs(3599));
    assert_eq!(setup.token(), "token-1");

    let request = &service.received()[0];
    assert_eq!(request.line, "POST /token");
    assert_eq!(request.field("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let assertion = request.field("assertion");
    assert_eq!(part(&assertion, 0), json!({"alg": "RS256", "typ": "JWT", "kid": "key-7"}));
    let claims = part(&assertion, 1);
    assert_eq!(claims["iss"], "gateway@acme.iam.gserviceaccount.com");
    assert_eq!(claims["scope"], SCOPE);
    assert_eq!(claims["aud"], format!("{}/token", service.url));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    setup.key.public_key().verify_pkcs1_sha256(&signature, message.as_bytes()).unwrap();
}

#[test]
fn an_external_account_exchanges_its_token_and_becomes_a_service_account() {
    let setup = Setup::new();
    let impersonated = json!({"accessToken": "token-2", "expireTime": "2030-01-01T00:00:00Z"});
    let service = TokenService::start(&[
        (200, &answer("federated", 3600)),
        (200, &impersonated.to_string()),
        (200, &answer("token-3", 600)),
    ]);
    let subject = setup.write("subject.json", r#"{"id_token": "of-the-cluster"}"#);
    let mut account = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/c",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", service.url),
        "service_account_impersonation_url": format!("{}/v1/gateway:generateAccessToken", service.url),
        "credential_source": {
            "file": subject,
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    });
    let file = setup.write("account.json", &account.to_string());
    let files = setup.files(Some(&file), "");
    assert_eq!(files.write().unwrap(), Duration::from_secs(3600));
    assert_eq!(setup.token(), "token-2");
    let requests = service.received();
    assert_eq!(requests[0].line, "POST /v1/token");
    assert_eq!(requests[0].field("subject_token"), "of-the-cluster");
    assert_eq!(requests[0].field("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(requests[1].line, "POST /v1/gateway:generateAccessToken");
    assert!(requests[1].head.contains("authorization: bearer federated\r\n"));
    let body: Value = serde_json::from_str(&requests[1].body).unwrap();
    assert_eq!(body, json!({"scope": [SCOPE], "lifetime": "3600s"}));

    // Without a service account, and with a file that is the token.
    account.as_object_mut().unwrap().remove("service_account_impersonation_url");
    account["credential_source"] = json!({"file": setup.write("subject", "plain\n")});
    let file = setup.write("account.json", &account.to_string());
    setup.files(Some(&file), "").write().unwrap();
    assert_eq!(setup.token(), "token-3");
    assert_eq!(service.received()[2].field("subject_token"), "plain");
}

#[test]
fn the_metadata_server_answers_for_the_pods_account() {
    let setup = Setup::new();
    let service = TokenService::start(&[(200, &answer("token-4", 1800))]);
    setup.files(None, &format!("{}/", service.url)).write().unwrap();
    assert_eq!(setup.token(), "token-4");
    let request = &service.received()[0];
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(request.line, format!("GET {path}?scopes={SCOPE}"));
    assert!(request.head.contains("metadata-flavor: google\r\n"), "{request:?}");
}

#[test]
fn a_token_is_replaced_before_it_ends_and_kept_while_the_service_fails() {
    let setup = Setup::new();
    let service = TokenService::start(&[
        (200, &answer("first", 3600)),
        (503, "busy"),
        (500, "{}"),
        (200, &answer("second", 300)),
        (200, &answer("third", 1)),
    ]);
    let files = setup.files(None, &service.url);
    let mut waits = Vec::new();
    files.watch(|pause| {
        waits.push((pause.as_secs(), setup.token()));
        (waits.len() < 5).then_some(())
    });
    let expected = [(3360, "first"), (1, "first"), (2, "first"), (150, "second"), (1, "third")];
    assert_eq!(waits, expected.map(|(seconds, token)| (seconds, token.to_owned())));
}

#[test]
fn waits_after_failures_double_up_to_a_minute() {
    let waits = [1, 2, 3, 6, 7, 8, 64, u32::MAX].map(|failures| back_off(failures).as_secs());
    assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60, 60]);
}

#[test]
fn a_refusal_names_the_url_and_the_reason() {
    let setup = Setup::new();
    let cases = [
        (
            400,
            r#"{"error": "invalid_grant", "error_description": "no account"}"#,
            "400 Bad Request: no account",
        ),
        (
            403,
            r#"{"error": {"message": "IAM is off", "status": "DENIED"}}"#,
            "403 Forbidden: IAM is off",
        ),
        (404, "<html>", "404 Not Found"),
        (200, r#"{"access_token": "secret"}"#, "the answer of the token service has no token"),
    ];
    for (status, body, expected) in cases {
        let service = TokenService::start(&[(status, body)]);
        let error = setup.files(None, &service.url).write().unwrap_err();
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(error.starts_with(&service.url), status != 200, "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_token_service_is_verified_by_its_certificate() {
    let setup = Setup::new();
    let token = answer("token-5", 60);
    let service = TokenService::start_with_tls(&[(200, &token), (200, &token)]);
    let mut files = setup.files(Some(&setup.service_account(&service)), "");
    files.write().unwrap();
    assert_eq!(setup.token(), "token-5");
    // Any other CA.
    files.http.ca_file = setup.write("empty.pem", "");
    let error = files.write().unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    files.http.ca_file = setup.path("missing.pem");
    assert!(files.write().unwrap_err().contains("missing.pem"));
}

#[test]
fn wrong_credentials_are_refused_without_their_contents() {
    let setup = Setup::new();
    let account = |key: &str| {
        json!({"type": "service_account", "private_key_id": "7", "private_key": key,
            "client_email": "a@b", "token_uri": "https://token.example"})
        .to_string()
    };
    let pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let cases = [
        ("no json", "not JSON"),
        (
            r#"{"type": "authorized_user"}"#,
            "type: found `authorized_user`, allowed: `service_account`",
        ),
        (r#"{"type": "service_account"}"#, "missing field `client_email`"),
        (&account("secret"), "`private_key` is no key in PEM"),
        (&account(pem), "`private_key` is no RSA key"),
    ];
    for (text, expected) in cases {
        let file = setup.write("account.json", text);
        let error = TokenSource::new(Some(&file), "").err().unwrap();
        assert!(error.starts_with(&file.display().to_string()), "{error}");
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
}
