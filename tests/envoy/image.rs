//! The module as an OCI image.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testkit::programs::module;

/// Runs `envoy/oci`, which reads the module that the tests load.
fn pack(dir: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/oci");
    let mut python = Command::new("python3");
    let output = python.arg(script).arg(module()).arg(dir).arg("1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What a digest leads to, which has that digest and that size.
fn blob(dir: &Path, described: &Value) -> Vec<u8> {
    let digest = described["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let path = dir.join("blobs/sha256").join(digest);
    let summed = Command::new("sha256sum").arg(&path).output().unwrap();
    assert!(summed.stdout.starts_with(digest.as_bytes()), "{summed:?}");
    let content = fs::read(path).unwrap();
    assert_eq!(described["size"], content.len());
    content
}

#[test]
fn the_image_holds_the_module_for_each_platform() {
    let dir = tempfile::tempdir().unwrap();
    pack(dir.path());
    let read = |described: &Value| -> Value {
        serde_json::from_slice(&blob(dir.path(), described)).unwrap()
    };
    let index: Value =
        serde_json::from_slice(&fs::read(dir.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "1");
    let image = read(&index["manifests"][0]);
    for (described, platform) in
        image["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"])
    {
        assert_eq!(described["platform"]["architecture"], platform);
        let manifest = read(described);
        assert_eq!(read(&manifest["config"])["architecture"], platform);
        let layer = dir.path().join("layer.tar.gz");
        fs::write(&layer, blob(dir.path(), &manifest["layers"][0])).unwrap();
        let tar = |arguments: &[&str]| {
            Command::new("tar").args(arguments).arg(&layer).args(["plugin.wasm"]).output().unwrap()
        };
        assert!(tar(&["-xzOf"]).stdout == fs::read(module()).unwrap(), "the module itself");
    }
}

#[test]
fn the_same_module_is_the_same_image() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let index = |dir: &tempfile::TempDir| {
        pack(dir.path());
        fs::read(dir.path().join("index.json")).unwrap()
    };
    assert_eq!(index(&dirs[0]), index(&dirs[1]));
}
