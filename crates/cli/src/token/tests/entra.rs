//! Tokens of Microsoft Entra ID.

use sha2::{Digest, Sha256};

use super::*;

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// A certificate of the tests, whose key is not the one that signs: the service compares hashes.
const CERTIFICATE: &str = include_str!("../../../tests/token/server.pem");

fn files(setup: &Setup, source: EntraSource) -> TokenFiles {
    TokenFiles {
        source: TokenSource::Entra(source),
        http: HttpClient { ca_file: CA.into() },
        scope: SCOPE.to_owned(),
        files: vec![setup.path("vertex.key"), setup.path("vertex-anthropic.key")],
    }
}

fn application(service: &TokenService, proof: ClientProof) -> EntraSource {
    EntraSource::Application(EntraApplication {
        authority: service.url.clone(),
        tenant: "tenant-1".to_owned(),
        client_id: "app-1".to_owned(),
        proof,
    })
}

#[test]
fn a_certificate_proves_an_application() {
    let setup = Setup::new();
    let service = TokenService::start(&[(200, &answer("token-1", 3599)), (200, "{}")]);
    let pem = setup.write("app.pem", &(CERTIFICATE.to_owned() + &setup.private_key()));
    let key = CertificateKey::read(&pem).unwrap();
    let files = files(&setup, application(&service, ClientProof::Certificate(Box::new(key))));
    assert_eq!(files.write().unwrap(), Duration::from_secs(3599));
    assert_eq!(setup.token(), "token-1");
    assert!(files.write().is_err());

    let requests = service.received();
    let request = &requests[0];
    assert_eq!(request.line, "POST /tenant-1/oauth2/v2.0/token");
    assert_eq!(request.field("grant_type"), "client_credentials");
    assert_eq!(
        (request.field("client_id").as_str(), request.field("scope").as_str()),
        ("app-1", SCOPE)
    );
    assert!(request.field("client_assertion_type").ends_with(":jwt-bearer"));
    let assertion = request.field("client_assertion");
    let der = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let hash = Sha256::digest(BASE64_STANDARD.decode(der).unwrap());
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(hash);
    assert_eq!(part(&assertion, 0), json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
    let claims = part(&assertion, 1);
    assert_eq!(claims["aud"], format!("{}/tenant-1/oauth2/v2.0/token", service.url));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app-1"), &json!("app-1")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap(), 600);
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    setup.key.public_key().verify_pss_sha256(&signature, message.as_bytes()).unwrap();
    // A proof is used once.
    assert_ne!(part(&requests[1].field("client_assertion"), 1)["jti"], claims["jti"]);
}

#[test]
fn a_federated_token_is_read_for_each_token() {
    let setup = Setup::new();
    let service =
        TokenService::start(&[(200, &answer("token-1", 60)), (200, &answer("token-2", 60))]);
    let file = setup.write("federated", "of-the-cluster\n");
    let proof = ClientProof::FederatedToken(file);
    let files = files(&setup, application(&service, proof));
    for (subject, token) in [("of-the-cluster", "token-1"), ("a-new-one", "token-2")] {
        files.write().unwrap();
        assert_eq!(setup.token(), token);
        assert_eq!(service.received().last().unwrap().field("client_assertion"), subject);
        setup.write("federated", "a-new-one");
    }
    fs::remove_file(setup.path("federated")).unwrap();
    assert!(files.write().unwrap_err().contains("federated"));
}

#[test]
fn a_managed_identity_is_asked_of_the_metadata_service() {
    let text = json!({"access_token": "token-1", "expires_in": "86399"}).to_string();
    for (client_id, query) in [(None, ""), (Some("id-1"), "&client_id=id-1")] {
        let setup = Setup::new();
        let service = TokenService::start(&[(200, &text)]);
        let source = EntraSource::ManagedIdentity {
            server: service.url.clone(),
            client_id: client_id.map(str::to_owned),
        };
        let lifetime = files(&setup, source).write().unwrap();
        assert_eq!((lifetime, setup.token()), (Duration::from_secs(86_399), "token-1".to_owned()));
        let request = &service.received()[0];
        let path = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=";
        assert_eq!(request.line, format!("{path}https://cognitiveservices.azure.com{query}"));
        assert!(request.head.contains("metadata: true"), "{}", request.head);
    }
}

#[test]
fn a_file_without_a_certificate_or_a_key_is_refused() {
    let setup = Setup::new();
    for (text, expected) in [
        (setup.private_key(), "there is no certificate in PEM"),
        (CERTIFICATE.to_owned(), "there is no RSA key in PEM"),
    ] {
        let error = CertificateKey::read(&setup.write("app.pem", &text)).err().unwrap();
        assert!(error.contains(expected) && error.contains("app.pem"), "{error}");
    }
}
