//! Keys, looked for wherever none may be: in every answer a client of the tests gets, and in all that
//! every Envoy of a run leaves behind.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

/// How every planted key begins.
pub const PLANTED: &str = "sk-planted-";

/// What an operator is told to look at, and what he may come to look at.
const PAGES: [&str; 9] = [
    "/config_dump?include_eds",
    "/clusters?format=json",
    "/listeners?format=json",
    "/stats",
    "/stats/prometheus",
    "/certs",
    "/server_info",
    "/memory",
    "/runtime",
];

/// What Envoy writes: its log, what it could not log, and the access log.
pub const LOGS: [&str; 3] = ["envoy.log", "envoy.err", "access.log"];

/// How long an access log may be held back: `--file-flush-interval-msec`.
pub const FLUSH: Duration = Duration::from_millis(200);

/// Fails if a planted key is in what somebody gets to see.
pub fn assert_no_key(place: &str, bytes: &[u8]) {
    let Some(at) = bytes.windows(PLANTED.len()).position(|part| part == PLANTED.as_bytes()) else {
        return;
    };
    let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
    panic!("a key is in {place}: {}", String::from_utf8_lossy(around));
}

/// Where an Envoy may leave keys: the port of its administration, and its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    pub admin: u16,
    pub dir: PathBuf,
}

/// Envoys that run. Tests share some until the process ends.
static RUNNING: Mutex<Vec<Traces>> = Mutex::new(Vec::new());

impl Traces {
    /// Those of an Envoy that runs from now on. If nobody stops it, it is looked at in the end.
    pub fn begin(admin: u16, dir: &Path) -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| assert_eq!(unsafe { atexit(look_at_the_rest) }, 0));
        let traces = Self { admin, dir: dir.to_owned() };
        running(|all| all.push(traces.clone()));
        traces
    }

    /// What its administration shows while it runs. Nothing, if it does not.
    pub fn pages(&self) -> Vec<(&'static str, Vec<u8>)> {
        running(|all| all.retain(|own| own != self));
        PAGES.iter().map(|page| (*page, self.page(page).unwrap_or_default())).collect()
    }

    /// Fails if a key is in its pages or its logs.
    pub fn assert_keyless(&self, pages: &[(&str, Vec<u8>)]) {
        pages.iter().for_each(|(page, text)| assert_no_key(page, text));
        for log in LOGS {
            assert_no_key(log, &fs::read(self.dir.join(log)).unwrap_or_default());
        }
    }

    fn page(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.admin))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn running<T>(act: impl FnOnce(&mut Vec<Traces>) -> T) -> T {
    act(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner))
}

unsafe extern "C" {
    fn atexit(then: extern "C" fn()) -> i32;
    fn _exit(status: i32) -> !;
}

/// Looks at the Envoys that nobody has stopped, and lets the run fail if there is a key.
extern "C" fn look_at_the_rest() {
    thread::sleep(2 * FLUSH);
    // This thread has no thread-local values any more.
    let look = thread::spawn(|| {
        let rest = running(|all| all.clone());
        rest.iter().for_each(|traces| traces.assert_keyless(&traces.pages()));
        eprintln!("no key in what {} shared Envoys leave behind", rest.len());
    });
    if look.join().is_err() {
        unsafe { _exit(101) }
    }
}
