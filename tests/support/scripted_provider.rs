//! The scripted provider as a program: the upstream of the demo and of the benchmarks.

// The program needs no journal of its own; the tests do.
#[allow(dead_code)]
mod provider;

use provider::{Provider, Settings};
use std::error::Error;
use std::io::{self, Write};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: scripted-provider [--port N] [--journal N] [--threads N]";

fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::with(settings(std::env::args().skip(1))?)?;
    writeln!(io::stdout(), "scripted provider on http://{}", provider.address())?;
    io::stdout().flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(told_to_stop())?;
    Ok(())
}

/// Every option takes a number.
fn settings(mut arguments: impl Iterator<Item = String>) -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--port" => settings.port = value.parse()?,
            "--journal" => settings.journal = value.parse()?,
            "--threads" => settings.threads = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(settings)
}

/// Resolves on SIGTERM and on SIGINT. Without a handler process 1 of a container ignores both.
async fn told_to_stop() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
