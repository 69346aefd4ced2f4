//! A process in the background, known by its id and the time of its start: Linux reuses ids.

use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Time that a process has to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Starts this command again with `--inside`, in a process group of its own and with its errors in
/// `testkit.log`, and returns once it has printed a line.
pub fn start(pid_file: &Path, logs: &Path) -> Result<(), Box<dyn Error>> {
    let log = logs.join("testkit.log");
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--inside")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log)?)
        .spawn()?;
    let identity = identity(child.id()).ok_or("the process has ended")?;
    fs::write(pid_file, identity)?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.is_empty() {
        let _ = child.wait();
        let _ = fs::remove_file(pid_file);
        return Err(fs::read_to_string(&log)?.into());
    }
    Ok(())
}

/// Stops the process of a file. If there is none, there is nothing to do.
pub fn stop(pid_file: &Path) -> Result<(), Box<dyn Error>> {
    let Ok(started) = fs::read_to_string(pid_file) else { return Ok(()) };
    let id: i32 = started.split(' ').next().unwrap_or_default().parse()?;
    let runs = || identity(id.unsigned_abs()).is_some_and(|identity| identity == started);
    if let (Some(pid), true) = (Pid::from_raw(id), runs()) {
        kill_process(pid, Signal::TERM)?;
        let asked = Instant::now();
        while runs() && asked.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(20));
        }
        if runs() {
            kill_process(pid, Signal::KILL)?;
        }
        writeln!(io::stdout(), "stopped the gateway (process {id})")?;
    }
    Ok(fs::remove_file(pid_file)?)
}

/// Returns the id and the start of a process that has not ended: fields 1 and 22 of
/// `/proc/PID/stat`, proc(5). A process that nobody has waited for is in state Z.
fn identity(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let (state, started) = (fields.first()?, fields.get(19)?);
    (*state != "Z").then(|| format!("{id} {started}"))
}
