//! The command `attache`: checks the operator's file, and renders Envoy's configuration from it.

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    attache::command::main()
}

/// Cargo builds every binary with the tests. There is nothing to command under Node.
#[cfg(target_family = "wasm")]
fn main() {}
