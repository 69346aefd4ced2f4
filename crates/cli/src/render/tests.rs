use std::{collections::BTreeSet, fs};

use tempfile::TempDir;

use super::{
    envoy_gateway::ManagedGateway,
    istio::{Mesh, Workload},
    objects::ObjectNames,
    *,
};
use crate::gateway_file;

/// A configuration of one model in the US, with its document and a directory for key files.
struct Rendering {
    dir: TempDir,
    document: Document,
    config: Config,
}

impl Rendering {
    fn new() -> Self {
        let yaml = "
listeners: {us: {port: 8080}}
plans: {paid: {requests_per_minute: 30}}
accounts: {acme: {plan: paid, key_files: [acme.key]}}
providers: {p: {api_schema: openai, base_url: {us: https://example.com/v1}, key_file: p.key}}
models: {gpt-4.1: {regions: {us: {provider: p, upstream_model: gpt-4.1}}}}
";
        let document = gateway_file::document(yaml).unwrap();
        let config = Config::parse(&document).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("acme.key"), "key-of-acme\n").unwrap();
        Self { dir, document, config }
    }

    /// Returns one whose provider has two keys.
    fn with_pool() -> Self {
        let mut rendering = Self::new();
        let provider = rendering.document.pointer_mut("/providers/p").unwrap();
        provider.as_object_mut().unwrap().shift_remove("key_file");
        provider["key_files"] = serde_json::json!(["one.key", "two.key"]);
        rendering.config = Config::parse(&rendering.document).unwrap();
        rendering
    }

    fn options(&self) -> RenderOptions {
        RenderOptions { base: self.dir.path().to_owned(), ..RenderOptions::default() }
    }

    fn for_envoy(&self, options: &RenderOptions) -> Result<Vec<RenderedFile>, RenderError> {
        render(&self.config, &self.document, options)
    }

    /// Returns the objects of Istio.
    fn istio(&self, workload: Workload, module: &str, options: &RenderOptions) -> Vec<Document> {
        let mesh = Mesh {
            workload,
            labels: [("app".to_owned(), "gateway".to_owned())].into(),
            names: names(),
            module: module.to_owned(),
            ca_file: None,
        };
        objects(istio::render(&self.config, &self.document, options, &mesh).unwrap())
    }

    /// Returns the `EnvoyFilter` patches of Istio's objects for a module.
    fn istio_patches(&self, workload: Workload, module: &str) -> Vec<Document> {
        let objects = self.istio(workload, module, &self.options());
        let patches = objects.iter().map(|object| object["spec"]["configPatches"].as_array());
        patches.flatten().flatten().cloned().collect()
    }

    /// Returns the objects of Envoy Gateway, by kind and name.
    fn envoy_gateway(&self, module: &str, options: &RenderOptions) -> BTreeMap<String, Document> {
        let gateway =
            ManagedGateway { names: names(), class: "eg".to_owned(), module: module.to_owned() };
        let files = envoy_gateway::render(&self.config, &self.document, options, &gateway);
        let named = |object: Document| {
            let (kind, name) = (object["kind"].as_str(), object["metadata"]["name"].as_str());
            (format!("{} {}", kind.unwrap(), name.unwrap()), object)
        };
        objects(files.unwrap()).into_iter().map(named).collect()
    }
}

/// Returns the objects in files.
fn objects(files: Vec<RenderedFile>) -> Vec<Document> {
    let texts = files.iter().flat_map(|file| file.text.split("---\n").skip(1));
    texts.map(|text| serde_saphyr::from_str::<Document>(text).unwrap()).collect()
}

fn names() -> ObjectNames {
    ObjectNames { namespace: "attache".to_owned(), prefix: "attache".to_owned() }
}

#[test]
fn targets_are_written_before_what_leads_requests_to_them() {
    let rendering = Rendering::new();
    let files = rendering.for_envoy(&rendering.options()).unwrap();
    let paths = |phase| {
        let files = files.iter().filter(|file| file.phase == phase);
        files.map(|file| file.path.as_str()).collect::<BTreeSet<_>>()
    };
    let targets =
        ["clusters.yaml", "keys.yaml", "provider.yaml", "routes-us.yaml", "secrets/p.yaml"];
    assert_eq!(paths(Targets), BTreeSet::from(targets));
    assert_eq!(paths(Routes), BTreeSet::from(["envoy.yaml", "gateway-us.yaml", "listeners.yaml"]));
    for file in &files {
        serde_saphyr::from_str::<Document>(&file.text).unwrap();
    }
}

#[test]
fn the_document_can_be_read_from_what_was_rendered() {
    let rendering = Rendering::new();
    let files = rendering.for_envoy(&rendering.options()).unwrap();
    let provider = files.iter().find(|file| file.path == PROVIDER_FILE).unwrap();
    assert_eq!(rendered_document(&provider.text), Some(rendering.document));
    assert_eq!(rendered_document("resources: []"), None);
}

#[test]
fn an_upstream_override_is_an_address_with_a_port() {
    let rendering = Rendering::new();
    for (address, is_right) in [("127.0.0.1:8090", true), ("127.0.0.1", false), ("a:b", false)] {
        let upstreams = [("*".to_owned(), address.to_owned())].into();
        let files = rendering.for_envoy(&RenderOptions { upstreams, ..rendering.options() });
        assert_eq!(files.is_ok(), is_right, "{address}");
    }
}

#[test]
fn an_account_without_a_readable_key_renders_nothing() {
    let rendering = Rendering::new();
    let key = rendering.dir.path().join("acme.key");
    fs::write(&key, " \n").unwrap();
    let error = rendering.for_envoy(&rendering.options()).unwrap_err().to_string();
    assert_eq!(error, format!("cannot read the key in {}: it is empty", key.display()));
}

#[test]
fn istios_agent_fetches_a_module_of_a_url_for_both_roles() {
    let rendering = Rendering::new();
    for workload in [Workload::Gateway, Workload::Sidecar] {
        for (module, expected) in [("oci://registry/attache:1", 2), ("/etc/attache/m.wasm", 0)] {
            let patches = rendering.istio_patches(workload, module);
            let own = patches.iter().filter(|patch| patch["applyTo"] == "EXTENSION_CONFIG");
            assert_eq!(own.count(), expected, "{workload:?}: {module}");
            let text = Document::from(patches).to_string();
            assert_eq!(text.matches(module).count(), 2, "{workload:?}: {module}");
        }
    }
}

#[test]
fn envoy_gateway_gets_the_clusters_and_the_filters_of_the_listener() {
    let rendering = Rendering::new();
    let objects = rendering.envoy_gateway("oci://registry/attache:1", &rendering.options());
    let kinds: Vec<&str> = objects.keys().map(String::as_str).collect();
    let expected = [
        "ConfigMap attache-secrets",
        "EnvoyPatchPolicy attache-gateway-us",
        "EnvoyPatchPolicy attache-nobody",
        "EnvoyPatchPolicy attache-p-us",
        "EnvoyProxy attache-pods",
        "Gateway attache-clients",
        "HTTPRoute attache-clients",
    ];
    assert_eq!(kinds, expected);
    let patches =
        objects["EnvoyPatchPolicy attache-p-us"]["spec"]["jsonPatches"].as_array().unwrap();
    let names: Vec<_> = patches.iter().map(|patch| patch["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["p-us-hosts", "p-us", "p-us-direct"]);
    for patch in patches {
        assert_eq!(patch["operation"]["path"], "");
        assert_eq!(patch["operation"]["value"]["name"], patch["name"]);
    }
    let spec = &objects["EnvoyPatchPolicy attache-gateway-us"]["spec"];
    assert_eq!(spec["targetRef"]["name"], "attache-clients");
    let patch = &spec["jsonPatches"][0];
    assert_eq!(patch["name"], "attache/attache-clients/http-us");
    assert_eq!(patch["operation"]["path"], "/default_filter_chain/filters");
    let filters = &patch["operation"]["value"][0]["typed_config"]["http_filters"];
    let module = filters.as_array().unwrap().iter().find(|one| one["name"] == "attache.gateway");
    let code = &module.unwrap()["typed_config"]["config"]["vm_config"]["code"]["local"];
    assert_eq!(code["filename"], "/etc/attache/module/plugin.wasm");
    assert_eq!(objects["EnvoyProxy attache-pods"]["spec"]["shutdown"]["drainTimeout"], "330s");
    let deployment = &objects["EnvoyProxy attache-pods"]["spec"]["provider"]["kubernetes"];
    let volumes = deployment["envoyDeployment"]["pod"]["volumes"].as_array().unwrap();
    assert_eq!(volumes.last().unwrap()["image"]["reference"], "registry/attache:1");
}

#[test]
fn envoy_gateway_has_the_filters_of_a_tls_listener_in_a_chain_of_its_own() {
    let mut rendering = Rendering::new();
    rendering.document["listeners"]["us"]["tls"] =
        serde_json::json!({"certificate_file": "us.pem", "private_key_file": "us.key"});
    rendering.config = Config::parse(&rendering.document).unwrap();
    let objects = rendering.envoy_gateway("/opt/attache.wasm", &rendering.options());
    let listener = &objects["Gateway attache-clients"]["spec"]["listeners"][0];
    assert_eq!(listener["protocol"], "HTTPS");
    assert_eq!(listener["tls"]["certificateRefs"][0]["name"], "attache-tls-us");
    let patch = &objects["EnvoyPatchPolicy attache-gateway-us"]["spec"]["jsonPatches"][0];
    assert_eq!(patch["name"], "attache/attache-clients/https-us");
    assert_eq!(patch["operation"]["path"], "/filter_chains/0/filters");
    let pods = objects["EnvoyProxy attache-pods"].to_string();
    assert!(!pods.contains("module"), "a module in the image needs no volume");
}

#[test]
fn a_provider_with_tokens_has_its_key_in_their_directory() {
    let rendering = Rendering::new();
    let token_providers = vec!["p".to_owned()];
    let options = RenderOptions { token_providers, ..rendering.options() };
    let istio = rendering.istio(Workload::Gateway, "/etc/attache/m.wasm", &options);
    let eg = rendering.envoy_gateway("/etc/attache/m.wasm", &options);
    for objects in [istio, eg.into_values().collect()] {
        let secrets = objects.iter().find(|one| one["metadata"]["name"] == "attache-secrets");
        let secret = secrets.unwrap()["data"]["p.yaml"].as_str().unwrap();
        assert!(secret.contains("/etc/attache/tokens/p.key"), "{secret}");
        let all = Document::from(objects).to_string();
        let watched = "\"watched_directory\":{\"path\":\"/etc/attache/tokens\"}";
        assert_eq!(all.matches(watched).count(), 2, "both clusters read a new token");
    }
}

#[test]
fn a_provider_in_azure_has_its_client_secret_in_the_pods() {
    let mut rendering = Rendering::new();
    let provider = &mut rendering.document["providers"]["p"];
    provider.as_object_mut().unwrap().remove("key_file");
    provider["auth"] = serde_json::json!({"azure": {
        "tenant": "tenant-1", "client_id": "app-1", "client_secret_file": "azure.key",
    }});
    rendering.config = Config::parse(&rendering.document).unwrap();
    let istio = rendering.istio(Workload::Gateway, "/etc/attache/m.wasm", &rendering.options());
    let eg = rendering.envoy_gateway("/etc/attache/m.wasm", &rendering.options());
    for objects in [istio, eg.into_values().collect()] {
        let secrets = objects.iter().find(|one| one["metadata"]["name"] == "attache-secrets");
        let secret = secrets.unwrap()["data"]["p.yaml"].as_str().unwrap();
        assert!(secret.contains("/etc/attache/secrets/p.key"), "{secret}");
        let all = Document::from(objects).to_string();
        let url = "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";
        let endpoint = format!("{{\"uri\":\"{url}\",\"cluster\":\"_authority-p\"");
        assert_eq!(all.matches(&endpoint).count(), 2, "both clusters fetch tokens");
        assert!(all.contains("\"name\":\"_authority-p\""), "{all}");
    }
}

#[test]
fn each_source_of_aws_credentials_is_a_chain_of_its_own() {
    let cases = [
        ("", None),
        ("from: environment", Some(r#""environment_credential_provider": {}"#)),
        ("from: container", Some(r#""container_credential_provider": {}"#)),
        ("from: instance_metadata", Some(r#""instance_profile_credential_provider": {}"#)),
        ("from: credentials_file, profile: p", Some(r#"{"profile": "p"}"#)),
        ("from: web_identity, role: r", Some(r#"{"role_arn": "r"}"#)),
    ];
    for (source, chain) in cases {
        let mut rendering = Rendering::new();
        let auth = format!("{{aws: {{region: eu-west-1, {source}}}}}");
        let provider = &mut rendering.document["providers"]["p"];
        provider.as_object_mut().unwrap().remove("key_file");
        provider["auth"] = serde_saphyr::from_str(&auth).unwrap();
        rendering.config = Config::parse(&rendering.document).unwrap();
        let files = rendering.for_envoy(&rendering.options()).unwrap();
        let clusters = &files.iter().find(|file| file.path == "clusters.yaml").unwrap().text;
        let clusters: Document = serde_saphyr::from_str(clusters).unwrap();
        let own = clusters.to_string();
        assert_eq!(own.matches("\"region\":\"eu-west-1\"").count(), 2, "{source}");
        let expected = chain.map(|chain| chain.replace(": ", ":"));
        assert_eq!(own.contains("custom_credential_provider_chain"), expected.is_some());
        assert_eq!(expected.map_or(2, |chain| own.matches(&chain).count()), 2, "{source}: {own}");
    }
}

#[test]
fn each_key_of_a_pool_has_clusters_of_its_own_over_the_same_hosts() {
    let mut rendering = Rendering::with_pool();
    let options = rendering.options();
    let files = rendering.for_envoy(&options).unwrap();
    let text = |path: &str| &files.iter().find(|file| file.path == path).unwrap().text;
    let clusters: Document = serde_saphyr::from_str(text("clusters.yaml")).unwrap();
    let names = clusters["resources"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|own| own["name"].as_str().unwrap()).collect();
    let expected = ["nobody", "p-us-hosts", "p-us", "p-us-direct", "p-us-key2", "p-us-key2-direct"];
    assert_eq!(names, expected);
    for (number, key) in [("", "one.key"), ("-key2", "two.key")] {
        assert!(text(&format!("secrets/p{number}.yaml")).contains(key));
        let used = text("clusters.yaml").matches(&format!("secrets/p{number}.yaml")).count();
        assert_eq!(used, 2, "one for each of the two clusters of a key");
        let route = format!("\"p-us{number}-direct;\":");
        assert!(text("routes-us.yaml").contains(&route), "{route}");
    }
    // A key that leaves the pool keeps its clusters until the next rendering.
    let before = rendering.config.clone();
    rendering.document["providers"]["p"]["key_files"] = serde_json::json!(["one.key"]);
    rendering.config = Config::parse(&rendering.document).unwrap();
    let options = RenderOptions { previous: Some(before), ..options };
    let files = rendering.for_envoy(&options).unwrap();
    let clusters = files.iter().find(|file| file.path == "clusters.yaml").unwrap();
    assert!(clusters.text.contains("name: p-us-key2-direct\n"));
}

#[test]
fn the_clusters_of_a_pool_are_in_one_object_of_kubernetes() {
    let rendering = Rendering::with_pool();
    let objects = rendering.envoy_gateway("/plugin.wasm", &rendering.options());
    let patches = &objects["EnvoyPatchPolicy attache-p-us"]["spec"]["jsonPatches"];
    assert_eq!(patches.as_array().unwrap().len(), 5, "{patches}");
    let secrets = objects["ConfigMap attache-secrets"]["data"].as_object().unwrap();
    assert!(secrets["p-key2.yaml"].as_str().unwrap().contains("/secrets/p-key2.key"));
    let patches = rendering.istio_patches(Workload::Gateway, "https://example.com/plugin.wasm");
    let added: Vec<&str> =
        patches.iter().filter_map(|own| own["patch"]["value"]["name"].as_str()).collect();
    for name in ["p-us-key2", "p-us-key2-direct", "attache.p-us", "attache.p-us-key2"] {
        assert_eq!(added.iter().filter(|own| **own == name).count(), 1, "{name}: {added:?}");
    }
}
