//! Subcommands of `testkit`.

use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::io::{self, Write};
use testkit::provider::{Provider, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// Starts what tests, measurements and the demo need.
#[derive(Parser)]
#[command(name = "testkit")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs the scripted provider until a signal arrives.
    Provider(ProviderOptions),
}

#[derive(Args)]
struct ProviderOptions {
    /// Port on 127.0.0.1; 0 means any free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Number of requests in the journal.
    #[arg(long, default_value_t = 1000)]
    journal: usize,
    /// Number of threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Runs the subcommand of the command line.
pub fn run() -> Result<(), Box<dyn Error>> {
    match Command::parse().task {
        Task::Provider(options) => run_provider(&options),
    }
}

fn run_provider(options: &ProviderOptions) -> Result<(), Box<dyn Error>> {
    let ProviderOptions { port, journal, threads } = *options;
    let provider = Provider::with(Settings { port, journal, threads })?;
    writeln!(io::stdout(), "scripted provider on http://{}", provider.address())?;
    io::stdout().flush()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(stop_signal())?;
    Ok(())
}

/// Resolves on SIGTERM and on SIGINT. Without a handler, process 1 of a container ignores both.
async fn stop_signal() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
