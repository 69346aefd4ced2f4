//! The process of Envoy: starts with a rendered configuration, answers on its ports, and stops with
//! the process that started it.

use crate::leaks::{FLUSH, Traces};
use crate::programs::envoy;
use crate::room::{self, Room};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time for Envoy's start, the compilation of the module included. A start that fails ends earlier,
/// since the process ends; so the number only bounds a start that hangs.
const START: Duration = Duration::from_secs(300);

/// Time to wait for other Envoys to end, if they have all inotify instances of the user.
const WAIT: Duration = Duration::from_secs(300);

/// Pauses between the starts of an Envoy that aborts: each is twice as long as the one before. The
/// last start is some six minutes after the first.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(200);

/// The signal that abort(3) raises.
const SIGABRT: i32 = 6;

/// Pause between two looks whether Envoy answers.
const POLL: Duration = Duration::from_millis(5);

/// An Envoy about to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Rendered configuration: `envoy.yaml`.
    pub config: PathBuf,
    /// Directory of the logs.
    pub logs: PathBuf,
    /// The destination of Envoy's standard output, to which it writes the access log.
    pub access_log: AccessLog,
    /// Ports of the listeners that have to answer `/healthz`.
    pub listeners: Vec<u16>,
    /// The answer that counts as ready.
    pub ready: Ready,
    /// Port of the administration interface.
    pub admin: u16,
    /// Number of worker threads.
    pub workers: usize,
    /// Variables of its environment, besides those of this process.
    pub variables: Vec<(&'static str, String)>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Directory to remove if this process ends without stopping Envoy.
    pub temporary: Option<PathBuf>,
}

/// The destination of the access log.
#[derive(Clone, Copy, Debug)]
pub enum AccessLog {
    /// The file `access.log` beside the other logs.
    File,
    /// Nothing keeps it, so that long runs fill no disk.
    Discarded,
}

/// The answer of a listener that counts as ready.
#[derive(Clone, Copy, Debug)]
pub enum Ready {
    /// Status 200.
    Healthy,
    /// Any status: a configuration without the module has no `/healthz`.
    Answers,
}

impl Launch {
    /// Starts Envoy, and returns once every listener answers. The error ends with Envoy's log.
    ///
    /// An Envoy that gets no inotify instance aborts and does not say why. Another program may have
    /// taken one since they were counted, and those of another container are not counted at all, so
    /// an Envoy that aborts is started again.
    pub fn start(self) -> io::Result<Envoy> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.start_once()? {
                Started::Ready(envoy) => return Ok(envoy),
                Started::Ended(status) if is_abort(status) && pause <= LONGEST_PAUSE => {
                    thread::sleep(pause);
                    pause *= 2;
                }
                Started::Ended(status) => return Err(self.failure(&reason(status))),
            }
        }
    }

    fn start_once(&self) -> io::Result<Started> {
        let room = Room::take(self.watches(), WAIT);
        // Envoy appends to it, and tests search it for complaints of this start.
        let _ = fs::remove_file(self.logs.join("envoy.log"));
        let started = Instant::now();
        let process = self.command()?.spawn()?;
        let traces = Traces::begin(self.admin, &self.logs);
        let watchdog = watch(&process, self.temporary.as_deref())?;
        let mut envoy = Envoy { process, watchdog, traces, started_in: Duration::ZERO, room };
        for port in &self.listeners {
            while !self.is_ready(*port) {
                if let Some(status) = envoy.process.try_wait()? {
                    return Ok(Started::Ended(status));
                }
                if started.elapsed() > START {
                    return Err(self.failure("it hangs"));
                }
                thread::sleep(POLL);
            }
        }
        envoy.started_in = started.elapsed();
        envoy.room.settle(envoy.process.id());
        Ok(Started::Ready(envoy))
    }

    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(envoy());
        // Hot restart is disabled, because its shared memory exists once per machine.
        command
            .args(["--disable-hot-restart", "--log-level", "info"])
            .args(["--concurrency", &self.workers.to_string()])
            .args(["--file-flush-interval-msec", &FLUSH.as_millis().to_string()])
            .arg("--config-path")
            .arg(&self.config)
            .arg("--log-path")
            .arg(self.logs.join("envoy.log"))
            .args(&self.arguments)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(match self.access_log {
                AccessLog::File => Stdio::from(File::create(self.logs.join("access.log"))?),
                AccessLog::Discarded => Stdio::null(),
            })
            .stderr(File::create(self.logs.join("envoy.err"))?)
            // A Ctrl-C in the terminal is for this process, which then stops Envoy.
            .process_group(0);
        Ok(command)
    }

    /// Returns the number of inotify instances that Envoy needs to start: one for each file of its
    /// configuration but the first, and two for each key. The files of a pod's keys are elsewhere.
    fn watches(&self) -> usize {
        let directory = self.config.parent().unwrap_or(Path::new(""));
        let in_pod = self.logs.join("pod").exists();
        let keys = if in_pod { self.logs.join("secrets") } else { directory.join("secrets") };
        (files(directory) + 2 * files(&keys)).saturating_sub(1)
    }

    fn is_ready(&self, port: u16) -> bool {
        health(port).is_ok_and(|answer| match self.ready {
            Ready::Healthy => &answer == b"HTTP/1.1 200 ",
            Ready::Answers => answer.starts_with(b"HTTP/1.1 "),
        })
    }

    fn failure(&self, status: &str) -> io::Error {
        io::Error::other(format!(
            "Envoy does not start ({status}). The end of its log:\n{}{}",
            tail(&self.logs.join("envoy.log")),
            tail(&self.logs.join("envoy.err")),
        ))
    }
}

fn files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).count()
}

/// Returns how a process has ended, and for an abort its usual cause.
fn reason(status: ExitStatus) -> String {
    if !is_abort(status) {
        return status.to_string();
    }
    format!("{status}, {}", room::describe())
}

fn is_abort(status: ExitStatus) -> bool {
    status.signal() == Some(SIGABRT)
}

/// The result of one start.
enum Started {
    /// Every listener answers.
    Ready(Envoy),
    /// The process has ended.
    Ended(ExitStatus),
}

/// A running Envoy. It stops when dropped, or when this process ends in any way.
pub struct Envoy {
    process: Child,
    watchdog: Child,
    traces: Traces,
    started_in: Duration,
    room: Room,
}

impl Envoy {
    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the time from the start of the process to its first answer.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Returns the places where it may leave keys.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Returns whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Stops Envoy, which then writes its buffered log lines. Panics if a planted key is in its logs
    /// or on its administration pages.
    pub fn stop(&mut self) {
        let Some(mut pipe) = self.watchdog.stdin.take() else { return };
        let pages = self.traces.pages();
        let _ = pipe.write_all(b"stop\n");
        let _ = self.process.wait();
        let _ = self.watchdog.wait();
        if !thread::panicking() {
            self.traces.assert_keyless(&pages);
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a shell that stops Envoy when it reads a line, or when the pipe closes because this process
/// has ended. In the second case it also removes the temporary directory: a gateway in a `static` is
/// never dropped. Linux reuses ids, and an Envoy that has ended by itself has given its id away, so
/// the shell looks at the name of the process first.
fn watch(envoy: &Child, temporary: Option<&Path>) -> io::Result<Child> {
    const SCRIPT: &str = r#"read -r word
        if [ "$(cat "/proc/$1/comm")" = envoy ]; then kill "$1"; fi
        [ -n "$word" ] || [ -z "$2" ] || rm -rf "$2""#;
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", SCRIPT, "sh", &envoy.id().to_string()]);
    watchdog.arg(temporary.unwrap_or(Path::new("")));
    watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    watchdog.process_group(0).spawn()
}

/// Returns the beginning of a listener's answer to `/healthz`, up to the status.
fn health(port: u16) -> io::Result<[u8; 13]> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 13];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn tail(path: &Path) -> String {
    let log = fs::read(path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n") + "\n"
}
