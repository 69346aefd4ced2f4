//! Subcommands of `testkit`. One that starts something prints a line of JSON once it is ready, and
//! then runs until a signal arrives or its standard input closes.

mod background;

use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use testkit::envoy::Setup;
use testkit::launch::{AccessLog, Launch, Ready};
use testkit::ports;
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
    /// Renders a gateway.yaml with free ports and keys of its own, and starts Envoy and the scripted
    /// provider.
    Up(UpOptions),
    /// Starts Envoy with a rendered configuration.
    Envoy(EnvoyOptions),
    /// Starts the scripted provider.
    Provider(ProviderOptions),
    /// Starts Envoy and the scripted provider in the background, and returns once both answer.
    Start(StartOptions),
    /// Stops what `start` started.
    Stop {
        /// File of the process id.
        pid_file: PathBuf,
    },
    /// Prints free ports.
    Ports { count: usize },
}

#[derive(Args)]
struct UpOptions {
    /// The gateway's configuration, with the ports 8080, 8081, 9901, and 7777 for the provider.
    #[arg(long)]
    config: PathBuf,
    /// Address of a provider, as `attache render` takes it; the scripted one then replaces none.
    #[arg(long, value_name = "NAME=HOST:PORT")]
    upstream: Vec<String>,
    /// Number of Envoy's worker threads.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

#[derive(Args)]
struct EnvoyOptions {
    /// Envoy's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Directory of the logs.
    #[arg(long)]
    logs: PathBuf,
    /// Port of a listener that has to answer.
    #[arg(long)]
    listener: Vec<u16>,
    /// Port of the administration interface.
    #[arg(long)]
    admin: u16,
    /// Number of worker threads.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

impl EnvoyOptions {
    fn launch(&self) -> Launch {
        Launch {
            config: self.config.clone(),
            logs: self.logs.clone(),
            access_log: AccessLog::Discarded,
            listeners: self.listener.clone(),
            ready: Ready::Answers,
            admin: self.admin,
            workers: self.workers,
            variables: Vec::new(),
            arguments: Vec::new(),
            temporary: None,
        }
    }
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

#[derive(Args)]
struct StartOptions {
    #[command(flatten)]
    envoy: EnvoyOptions,
    /// Port of the scripted provider.
    #[arg(long)]
    provider: u16,
    /// File for the process id.
    #[arg(long)]
    pid_file: PathBuf,
    /// The process in the background itself.
    #[arg(long, hide = true)]
    inside: bool,
}

/// Runs the subcommand of the command line.
pub fn run() -> Result<(), Box<dyn Error>> {
    match Command::parse().task {
        Task::Up(options) => run_gateway(&options),
        Task::Envoy(options) => run_envoy(&options),
        Task::Provider(options) => run_provider(&options),
        Task::Start(options) if options.inside => run_inside(&options),
        Task::Start(options) => background::start(&options.pid_file, &options.envoy.logs),
        Task::Stop { pid_file } => background::stop(&pid_file),
        Task::Ports { count } => {
            let ports: Vec<String> = ports::free(count).iter().map(u16::to_string).collect();
            Ok(writeln!(io::stdout(), "{}", ports.join(" "))?)
        }
    }
}

/// Fails at the end if the module broke, or if a key is in what Envoy leaves behind.
fn run_gateway(options: &UpOptions) -> Result<(), Box<dyn Error>> {
    let mut setup = Setup::new(&std::fs::read_to_string(&options.config)?).workers(options.workers);
    if !options.upstream.is_empty() {
        setup = options.upstream.iter().fold(setup.scripted(&[]), Setup::upstream);
    }
    let mut gateway = setup.start();
    let [us, eu, admin] = gateway.ports();
    let keys: serde_json::Map<String, Value> =
        gateway.secrets().map(|(name, key)| (name.to_owned(), json!(key))).collect();
    announce(&json!({
        "us": us, "eu": eu, "admin": admin, "pid": gateway.pid(),
        "provider": gateway.provider().address().port(),
        "dir": gateway.dir(), "keys": keys,
    }))?;
    wait_for_end(&Until::InputCloses)?;
    if !gateway.process().is_running() {
        return Err("Envoy has ended".into());
    }
    gateway.assert_unharmed();
    gateway.stop();
    Ok(())
}

fn run_envoy(options: &EnvoyOptions) -> Result<(), Box<dyn Error>> {
    let mut envoy = options.launch().start()?;
    let started_in = envoy.started_in().as_secs_f64();
    announce(&json!({"pid": envoy.id(), "started_in": started_in}))?;
    wait_for_end(&Until::InputCloses)?;
    envoy.stop();
    Ok(())
}

fn run_provider(options: &ProviderOptions) -> Result<(), Box<dyn Error>> {
    let ProviderOptions { port, journal, threads } = *options;
    let provider = Provider::with(Settings { port, journal, threads })?;
    announce(&json!({"provider": provider.address().port()}))?;
    wait_for_end(&Until::Signal)
}

/// Runs in the background for `start`. Its first line of output tells the process in front that both
/// answer; nobody reads another one.
fn run_inside(options: &StartOptions) -> Result<(), Box<dyn Error>> {
    let settings = Settings { port: options.provider, ..Settings::default() };
    let _provider = Provider::with(settings)?;
    let launch =
        Launch { access_log: AccessLog::File, ready: Ready::Healthy, ..options.envoy.launch() };
    let mut envoy = launch.start()?;
    announce(&json!({"pid": envoy.id()}))?;
    wait_for_end(&Until::Signal)?;
    envoy.stop();
    Ok(())
}

fn announce(line: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()
}

/// The end that a subcommand waits for. Without a handler for signals, process 1 of a container
/// ignores them.
#[derive(PartialEq, Eq)]
enum Until {
    /// SIGTERM or SIGINT.
    Signal,
    /// One of the signals, or the end of standard input.
    InputCloses,
}

fn wait_for_end(until: &Until) -> Result<(), Box<dyn Error>> {
    let (ended, end) = mpsc::channel();
    if *until == Until::InputCloses {
        let ended = ended.clone();
        thread::spawn(move || {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            ended.send(())
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        let _ = runtime.block_on(stop_signal());
        ended.send(())
    });
    Ok(end.recv()?)
}

async fn stop_signal() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}
