//! The command `testkit`: the scripted provider as a program, for the demo and for measurements.

#[cfg(not(target_family = "wasm"))]
mod command;

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    command::run()
}

#[cfg(target_family = "wasm")]
fn main() {}
