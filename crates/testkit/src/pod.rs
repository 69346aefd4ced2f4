//! A pod of Istio's without Istio: what is rendered becomes what the pod's Envoy is given, and
//! Secrets and ConfigMaps become files as Kubernetes makes them.

use crate::istio::{Given, Proxy, objects};
use crate::programs::{attache, module};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Where pods have their files.
const POD: &str = "/etc/attache";

/// A directory with `gateway.yaml`, `secrets/`, and what was rendered in `istio/`.
pub struct Pod<'d> {
    pub dir: &'d Path,
    /// The port of Envoy's administration interface.
    pub admin: u16,
    pub target: &'d str,
}

impl Pod<'_> {
    /// Writes all that the pod's Envoy reads, as `envoy/envoy.yaml` and what that names.
    pub fn write(&self) {
        self.mount_secrets();
        let objects = self.objects();
        let bootstrap = config_map(&objects, "attache-bootstrap");
        mount(&self.path("bootstrap"), bootstrap);
        mount(&self.path("module"), [("plugin.wasm", fs::read(module()).expect("a module"))]);
        let context = if self.target == "istio-gateway" { "GATEWAY" } else { "SIDECAR_OUTBOUND" };
        let given = Proxy { context, label: ("app", "attache") }.given(&objects);
        self.write_envoy(given);
    }

    /// Mounts the Secrets anew, of the keys as they are now.
    pub fn mount_secrets(&self) {
        self.mount_accounts();
        self.mount_providers();
    }

    /// What was rendered.
    pub fn objects(&self) -> Vec<Value> {
        let text = |name| fs::read_to_string(self.dir.join(format!("istio/{name}.yaml")));
        let files = ["clusters", "listeners"].map(|name| text(name).expect("a file"));
        files.iter().flat_map(|file| objects(file)).collect()
    }

    /// The keys of accounts, as `attache keys` gives them.
    fn mount_accounts(&self) {
        let output = attache(&["keys"]).arg(self.dir.join("gateway.yaml")).output();
        let output = output.expect("attache runs");
        assert!(output.status.success(), "{output:?}");
        mount(&self.path("accounts"), [("keys.yaml", output.stdout)]);
    }

    /// The keys of providers, together with the ConfigMap that leads to them.
    fn mount_providers(&self) {
        let keys = fs::read_dir(self.dir.join("secrets")).expect("a directory").map(|entry| {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("a name").to_str().expect("text").to_owned();
            (name, fs::read(&path).expect("a file"))
        });
        let objects = self.objects();
        let paths = config_map(&objects, "attache-secrets").map(|(name, text)| {
            (name.to_owned(), self.in_place(&String::from_utf8(text).expect("text")).into_bytes())
        });
        mount(&self.path("secrets"), keys.chain(paths));
    }

    /// What Istio's agent starts Envoy with, besides Istio's own.
    pub fn arguments(&self) -> [String; 2] {
        let bootstrap = fs::read_to_string(self.path("bootstrap/custom_bootstrap.json"));
        ["--config-yaml".to_owned(), bootstrap.expect("a file")]
    }

    fn write_envoy(&self, given: Given) {
        let watched = |name: &str| {
            json!({
                "resource_api_version": "V3",
                "path_config_source": {"path": self.dir.join(format!("envoy/{name}.json"))},
            })
        };
        let envoy = json!({
            "node": {"id": "router~127.0.0.1~attache.attache~cluster.local", "cluster": "attache"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}},
            "dynamic_resources": {"cds_config": watched("clusters"), "lds_config": watched("listeners")},
            "stats_config": {
                "use_all_default_tags": false,
                "stats_tags": [{"tag_name": "cluster_name", "regex": "^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)"}],
            },
        });
        let prefix = "type.googleapis.com/envoy.config";
        self.write_file("envoy.yaml", &envoy);
        for mut extension in given.extensions {
            let name = extension["name"].as_str().expect("a name").to_owned();
            // This much Istio's agent does: it fetches the module, and says where it is.
            extension["typed_config"]["config"]["vm_config"]["code"] =
                json!({"local": {"filename": format!("{POD}/module/plugin.wasm")}});
            self.write_resources(
                &name,
                &format!("{prefix}.core.v3.TypedExtensionConfig"),
                vec![extension],
            );
        }
        self.write_resources("clusters", &format!("{prefix}.cluster.v3.Cluster"), given.clusters);
        self.write_resources(
            "listeners",
            &format!("{prefix}.listener.v3.Listener"),
            given.listeners,
        );
    }

    fn write_resources(&self, name: &str, kind: &str, mut resources: Vec<Value>) {
        for resource in &mut resources {
            resource["@type"] = kind.into();
            self.read_from_files(resource);
        }
        self.write_file(&format!("{name}.json"), &json!({"resources": resources}));
    }

    /// Filters that come over Istio's stream come out of files here.
    fn read_from_files(&self, value: &mut Value) {
        if let Some(discovery) = value.get_mut("config_discovery")
            && discovery["config_source"].get("ads").is_some()
        {
            let name = value["name"].as_str().expect("a name").to_owned();
            let path = self.dir.join(format!("envoy/{name}.json"));
            value["config_discovery"]["config_source"] =
                json!({"resource_api_version": "V3", "path_config_source": {"path": path}});
        }
        match value {
            Value::Array(list) => list.iter_mut().for_each(|one| self.read_from_files(one)),
            Value::Object(object) => object.values_mut().for_each(|one| self.read_from_files(one)),
            _ => {}
        }
    }

    fn write_file(&self, name: &str, content: &Value) {
        let dir = self.dir.join("envoy");
        fs::create_dir_all(&dir).expect("a directory");
        let fresh = dir.join(format!("{name}.new"));
        fs::write(&fresh, self.in_place(&content.to_string())).expect("a file");
        fs::rename(fresh, dir.join(name)).expect("a file");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join("pod").join(name)
    }

    /// The same text with the pod's files where they are here.
    fn in_place(&self, text: &str) -> String {
        text.replace(POD, self.dir.join("pod").to_str().expect("text"))
    }
}

fn config_map<'o>(objects: &'o [Value], name: &str) -> impl Iterator<Item = (&'o str, Vec<u8>)> {
    let map = objects
        .iter()
        .find(|object| object["kind"] == "ConfigMap" && object["metadata"]["name"] == name);
    let map = map.unwrap_or_else(|| panic!("no ConfigMap {name}"));
    let data = map["data"].as_object().expect("data");
    data.iter().map(|(name, text)| (name.as_str(), text.as_str().expect("text").into()))
}

/// Puts files into a volume as the kubelet does: in a directory of their own, to which a link is
/// renamed over the last one, while links with the files' names lead through it.
fn mount<N: AsRef<str>>(volume: &Path, files: impl IntoIterator<Item = (N, Vec<u8>)>) {
    fs::create_dir_all(volume).expect("a directory");
    let count = fs::read_dir(volume).expect("a directory").count();
    let fresh = format!("..{count}");
    fs::create_dir(volume.join(&fresh)).expect("a directory");
    let mut names = Vec::new();
    for (name, content) in files {
        fs::write(volume.join(&fresh).join(name.as_ref()), content).expect("a file");
        names.push(name.as_ref().to_owned());
    }
    let link = volume.join("..data_tmp");
    symlink(&fresh, &link).expect("a link");
    fs::rename(link, volume.join("..data")).expect("a link");
    for name in names {
        let _ = symlink(Path::new("..data").join(&name), volume.join(&name));
    }
}
