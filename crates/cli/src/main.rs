//! The command `attache`: checks the operator's file and renders Envoy's configuration from it.

fn main() -> std::process::ExitCode {
    attache_cli::command::main()
}
