use std::{collections::BTreeSet, fs};

use tempfile::TempDir;

use super::{
    istio::{Mesh, Workload},
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

    fn options(&self) -> RenderOptions {
        RenderOptions { base: self.dir.path().to_owned(), ..RenderOptions::default() }
    }

    fn for_envoy(&self, options: &RenderOptions) -> Result<Vec<RenderedFile>, RenderError> {
        render(&self.config, &self.document, options)
    }

    /// Returns the `EnvoyFilter` patches of Istio's objects for a module.
    fn istio_patches(&self, workload: Workload, module: &str) -> Vec<Document> {
        let mesh = Mesh {
            workload,
            labels: [("app".to_owned(), "gateway".to_owned())].into(),
            namespace: "attache".to_owned(),
            name: "attache".to_owned(),
            module: module.to_owned(),
            ca_file: None,
        };
        let files = istio::render(&self.config, &self.document, &self.options(), &mesh).unwrap();
        let texts = files.iter().flat_map(|file| file.text.split("---\n").skip(1));
        let mut objects = texts.map(|text| serde_saphyr::from_str::<Document>(text).unwrap());
        let mut patches = Vec::new();
        for object in &mut objects {
            let own = object["spec"]["configPatches"].as_array().into_iter().flatten();
            patches.extend(own.cloned());
        }
        patches
    }
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
