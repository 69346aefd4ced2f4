//! What recipes build and fetch for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The command `attache` with arguments.
pub fn attache(arguments: &[&str]) -> Command {
    let mut command = Command::new(found(
        "ATTACHE_COMMAND",
        "target/debug/attache",
        "no command at {}, build it with `cargo build --package attache-cli`",
    ));
    command.args(arguments);
    command
}

/// The program to test with.
pub fn envoy() -> PathBuf {
    found("ATTACHE_ENVOY", ".build/bin/envoy", "no Envoy at {}, fetch it with `just setup`")
}

/// The module to test.
pub fn module() -> PathBuf {
    let module = "target/wasm32-wasip1/filter/attache.wasm";
    found("ATTACHE_MODULE", module, "no module at {}, build it with `just filter`")
}

/// The same built for debugging, which crashes where it is asked for `/debug/crash`.
pub fn crashing_module() -> PathBuf {
    let module = "target/wasm32-wasip1/debug/attache.wasm";
    found("ATTACHE_CRASHING_MODULE", module, "no module at {}, build it with `just crashing`")
}

/// A file that a recipe builds or fetches.
pub fn found(variable: &str, usual: &str, complaint: &str) -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(usual);
    let path = std::env::var_os(variable).map_or_else(usual, PathBuf::from);
    assert!(path.is_file(), "{}", complaint.replace("{}", &path.display().to_string()));
    path
}
