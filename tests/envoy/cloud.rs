//! Requests that Envoy signs for AWS, and tokens that it fetches from Microsoft Entra ID.

use super::claims::*;
use super::reload::replace;
use crate::support::shared::Shared;
use crate::support::sigv4::Signature;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use testkit::envoy::{Gateway, Setup, marker};
use testkit::provider::Entry;

/// A gateway with these providers, each with a model of its name, and with one more that takes a key.
fn yaml(providers: &[(&str, &str)]) -> String {
    let mut yaml = "
listeners: {us: {port: 8080}}
admin: {port: 9901}
plans: {paid: {requests_per_minute: 1000000}}
accounts: {acme: {plan: paid, key_files: [secrets/acme.key]}}
providers:
  house:
    api_schema: openai
    base_url: {us: \"http://10.0.0.7:8000/v1\"}
    allow_private: true
    key_file: secrets/house.key
"
    .to_owned();
    let model = |name: &str| {
        format!(
            "  {name}:\n    name: A model\n    regions: {{us: {{provider: {name}, \
             upstream_model: \"us.{name}-v1:0\"}}}}\n    context_length: 8000000\n    \
             max_output_tokens: 4096\n    supported_parameters: [stream, tools, tool_choice]\n"
        )
    };
    providers.iter().for_each(|(name, fields)| yaml += &format!("  {name}:\n    {fields}\n"));
    yaml += "models:\n";
    let names = providers.iter().map(|(name, _)| *name).chain(["house"]);
    names.for_each(|name| yaml += &model(name));
    yaml
}

const BEDROCK: &str = "base_url: {us: https://bedrock-runtime.us-west-2.amazonaws.com}\n    \
    outlier_detection: {consecutive_5xx: 4294967295}";

/// A provider at Bedrock whose credentials are from one source.
fn bedrock(schema: &str, source: &str) -> String {
    format!("api_schema: {schema}\n    {BEDROCK}\n    auth: {{aws: {{{source}}}}}")
}

/// The signature of a request, which must be right.
#[track_caller]
fn signed(entry: &Entry, key_id: &str, secret: &str) -> Signature {
    let signature = Signature::of(entry).unwrap_or_else(|| panic!("{:?}", entry.to_json()));
    assert_eq!(signature.key_id, key_id);
    assert!(signature.scope.ends_with("/us-west-2/bedrock"), "{signature:?}");
    assert_eq!(entry.header("host"), Some(b"bedrock-runtime.us-west-2.amazonaws.com".as_slice()));
    signature.assert_signs(entry, secret);
    signature
}

/// A gateway with a provider for each source of credentials, and the services it has them from.
struct Cloud {
    gateway: Gateway,
    aws: Service,
    entra: Service,
    _files: TempDir,
}

/// Each test has providers of its own, or does nothing to them.
fn cloud() -> Arc<Cloud> {
    static CLOUD: Shared<Cloud> = Shared::new();
    CLOUD.get(|| Cloud::start(Service::start(aws_answer), Service::start(|_| None)))
}

impl Cloud {
    fn start(aws: Service, entra: Service) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let [file, identity] = aws_sources(files.path());
        let yaml = yaml(&[
            ("claude", &bedrock("anthropic", "from: environment")),
            ("nova", &bedrock("bedrock-converse", &file)),
            ("identity", &bedrock("bedrock-converse", &identity)),
            ("container", &bedrock("bedrock-converse", "from: container")),
            ("instance", &bedrock("bedrock-converse", "from: instance_metadata")),
            ("azure", &azure(entra.address)),
        ]);
        let gateway = Setup::new(&yaml)
            .variable("AWS_ACCESS_KEY_ID", "AKENV")
            .variable("AWS_SECRET_ACCESS_KEY", "env/secret+")
            .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/creds", aws.address))
            .variable("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")
            .start();
        let file = gateway.dir().join("envoy/clusters.yaml");
        let clusters = fs::read_to_string(file).expect("a file");
        let more = AWS_CLUSTERS.map(|name| mock_cluster(name, aws.address)).concat();
        replace(&gateway, "envoy/clusters.yaml", clusters + &more);
        Self { gateway, aws, entra, _files: files }
    }
}

/// A file with credentials, and one with a token for them.
fn aws_sources(dir: &Path) -> [String; 2] {
    let [file, token] = ["credentials", "token"].map(|name| dir.join(name));
    let text = "[default]\naws_access_key_id = AKOTHER\naws_secret_access_key = other\n\
                [mine]\naws_access_key_id = AKFILE\naws_secret_access_key = file/secret\n\
                aws_session_token = file-session\n";
    fs::write(&file, text).expect("a file");
    fs::write(&token, "identity-token").expect("a file");
    [
        format!("from: credentials_file, credentials_file: {}, profile: mine", file.display()),
        format!(
            "from: web_identity, role: \"arn:aws:iam::123456789012:role/models\", token_file: {}",
            token.display()
        ),
    ]
}

#[test]
fn requests_are_signed_for_aws_as_they_arrive() {
    let cloud = cloud();
    let gateway = &cloud.gateway;
    let long = "x".repeat(3 << 20);
    for (model, key_id, secret) in
        [("claude", "AKENV", "env/secret+"), ("nova", "AKFILE", "file/secret")]
    {
        for client in [gateway.us(), gateway.us().over_http2()] {
            for more in ["", &long] {
                let marker = marker();
                let text = format!("{marker} {more} #script text=all_is_well");
                let answer = client.chat(&chat(model, &text));
                assert_eq!(answer.status, 200, "{answer:?}");
                let stream = Streamed::read(&client.chat(&streamed(model, &text)));
                assert_eq!((stream.text().as_str(), stream.done), ("all is well", true));
                let entries = gateway.reached(&marker);
                assert_eq!(entries.len(), 2, "{model}");
                for entry in entries {
                    let signature = signed(&entry, key_id, secret);
                    for name in ["host", "content-type", "x-amz-content-sha256", "x-amz-date"] {
                        assert!(signature.headers.iter().any(|own| own == name), "{signature:?}");
                    }
                    let session = (model == "nova").then_some(b"file-session".as_slice());
                    assert_eq!(entry.header("x-amz-security-token"), session);
                }
            }
        }
    }
    gateway.assert_unharmed();
}

#[test]
fn no_signature_is_left_for_the_next_attempt() {
    let cloud = cloud();
    let gateway = &cloud.gateway;
    for stream in [false, true] {
        let marker = marker();
        let request = json!({
            "model": "nova",
            "messages": [{"role": "user", "content": format!("{marker} #script status=503 | status=503 | text=well")}],
            "fallbacks": [{"model": "house"}],
            "stream": stream,
        });
        let answer = gateway.us().chat(&request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let entries = gateway.reached(&marker);
        let [first, second, other] = &entries[..] else { panic!("{stream}: {entries:?}") };
        for entry in [first, second] {
            signed(entry, "AKFILE", "file/secret");
            assert!(entry.header("x-amz-security-token").is_some(), "{entry:?}");
        }
        let names = other.headers.iter().map(|(name, _)| name.as_str());
        let left: Vec<_> = names.filter(|name| name.starts_with("x-amz-")).collect();
        assert!(left.is_empty(), "{left:?}");
        let key = format!("Bearer {}", gateway.secret("house"));
        assert_eq!(other.header("authorization"), Some(key.as_bytes()));
    }
}

/// Envoy's own clusters for credentials, which cannot be configured: only another cluster of the same
/// name leads them to a mock.
const AWS_CLUSTERS: [&str; 2] =
    ["sts_token_service_internal-us-west-2", "ec2_instance_metadata_server_internal"];

#[test]
fn credentials_come_from_the_services_of_aws() {
    let cloud = cloud();
    let gateway = &cloud.gateway;
    for model in ["identity", "container", "instance"] {
        // Without credentials, Envoy sends requests unsigned.
        until(|| {
            let marker = marker();
            gateway.us().chat(&chat(model, &marker));
            gateway.reached(&marker).iter().any(|entry| Signature::of(entry).is_some())
        });
        for request in [chat, streamed] {
            let marker = marker();
            assert_eq!(gateway.us().chat(&request(model, &marker)).status, 200);
            let entry = gateway.reached_once(&marker);
            signed(&entry, &format!("AK{model}"), &format!("secret-{model}"));
            let session = format!("session-{model}");
            assert_eq!(entry.header("x-amz-security-token"), Some(session.as_bytes()));
        }
    }
    let asked = cloud.aws.heads().join("\n");
    for expected in [
        "Action=AssumeRoleWithWebIdentity",
        "RoleArn=arn:aws:iam::123456789012:role/models",
        "WebIdentityToken=identity-token",
        "authorization: pod-token",
        "x-aws-ec2-metadata-token: instance-token",
    ] {
        assert!(asked.contains(expected), "{expected}: {asked}");
    }
}

/// The answer of one of AWS's services.
fn aws_answer(head: &str) -> Option<String> {
    let path = head.split(' ').nth(1).unwrap_or_default();
    let credentials = |model: &str, session: &str, end: Value| {
        json!({
            "Code": "Success", "AccessKeyId": format!("AK{model}"),
            "SecretAccessKey": format!("secret-{model}"), session: format!("session-{model}"),
            "Expiration": end,
        })
    };
    let date = json!("2100-01-01T00:00:00Z");
    Some(if path.contains("AssumeRoleWithWebIdentity") {
        let credentials = credentials("identity", "SessionToken", json!(4_102_444_800_u64));
        let result = json!({"AssumeRoleWithWebIdentityResult": {"Credentials": credentials}});
        json!({"AssumeRoleWithWebIdentityResponse": result}).to_string()
    } else if path == "/creds" {
        credentials("container", "Token", date).to_string()
    } else if path == "/latest/api/token" {
        "instance-token".to_owned()
    } else if path.trim_end_matches('/').ends_with("security-credentials") {
        "models".to_owned()
    } else {
        credentials("instance", "Token", date).to_string()
    })
}

fn mock_cluster(name: &str, address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    format!(
        "\n- \"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: {name}\n  \
         connect_timeout: 1s\n  load_assignment:\n    cluster_name: {name}\n    endpoints:\n    \
         - lb_endpoints:\n      - endpoint:\n          address:\n            \
         socket_address: {{address: {host}, port_value: {port}}}\n"
    )
}

/// A provider that takes tokens of this authority.
fn azure(authority: SocketAddr) -> String {
    format!(
        "api_schema: openai\n    base_url: {{us: \"http://10.0.0.8/openai/v1\"}}\n    \
         allow_private: true\n    outlier_detection: {{consecutive_5xx: 4294967295}}\n    \
         auth: {{azure: {{tenant: 8eaef023-2b34, client_id: app-1, \
         client_secret_file: secrets/azure.key, authority: \"http://{authority}\"}}}}"
    )
}

#[test]
fn tokens_come_from_entra_id() {
    let cloud = cloud();
    let gateway = &cloud.gateway;
    // No token yet: a fallback answers. A stream reaches the provider, which refuses it.
    for (request, reached) in [(chat as fn(&str, &str) -> Value, 1), (streamed, 2)] {
        let marker = marker();
        let script = if reached == 2 { "status=401 | text=well" } else { "text=well" };
        let text = format!("{marker} #script {script}");
        let fallback = json!({"fallbacks": [{"model": "house"}]});
        let answer = gateway.us().chat(&with(request("azure", &text), fallback));
        assert_eq!(answer.status, 200, "{answer:?}");
        let entries = gateway.reached(&marker);
        let keys: Vec<_> = entries.iter().map(|entry| entry.header("authorization")).collect();
        let key = format!("Bearer {}", gateway.secret("house"));
        assert_eq!(keys, [&[None, Some(key.as_bytes())][2 - reached..]].concat());
    }
    assert_error(&gateway.us().chat(&chat("azure", "hi")), 502, "provider_refused");
    cloud.entra.answer(|_| {
        let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "entra-1"});
        Some(token.to_string())
    });
    for request in [chat, streamed] {
        until(|| {
            let marker = marker();
            gateway.us().chat(&request("azure", &marker));
            gateway.reached(&marker).iter().any(|entry| entry.header("authorization").is_some())
        });
        let marker = marker();
        assert_eq!(gateway.us().chat(&request("azure", &marker)).status, 200);
        let entry = gateway.reached_once(&marker);
        assert_eq!(entry.header("authorization"), Some(b"Bearer entra-1".as_slice()));
    }
    let asked = cloud.entra.heads();
    let form = asked.last().expect("a request");
    assert!(form.starts_with("POST /8eaef023-2b34/oauth2/v2.0/token "), "{form}");
    for field in [
        "grant_type=client_credentials",
        "client_id=app-1",
        &format!("client_secret={}", gateway.secret("azure")),
        "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default",
    ] {
        assert!(form.contains(field), "{field}: {form}");
    }
}

type Answers = fn(&str) -> Option<String>;

/// A service over HTTP, with an answer to each head of a request, or status 500.
struct Service {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    heads: Arc<Mutex<VecDeque<String>>>,
}

impl Service {
    fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let service =
            Self { address, answers: Arc::new(Mutex::new(answers)), heads: Arc::default() };
        let (answers, heads) = (service.answers.clone(), service.heads.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.expect("a connection"));
                let request = read_request(&mut stream);
                let answer = answers.lock().expect("a lock")(&request);
                heads.lock().expect("a lock").push_back(request);
                let status = if answer.is_some() { "200 OK" } else { "500 Oops" };
                let body = answer.unwrap_or_default();
                let length = body.len();
                let _ = write!(
                    stream.get_mut(),
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        service
    }

    /// Answers in another way from now on.
    fn answer(&self, answers: Answers) {
        *self.answers.lock().expect("a lock") = answers;
    }

    /// The requests so far, each with its body.
    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("a lock").iter().cloned().collect()
    }
}

/// A request: its head, then its body.
fn read_request(stream: &mut impl BufRead) -> String {
    let mut request = String::new();
    let mut length = 0;
    loop {
        let start = request.len();
        if stream.read_line(&mut request).is_err() {
            return request;
        }
        let line = request[start..].trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body);
    request + &String::from_utf8_lossy(&body)
}
