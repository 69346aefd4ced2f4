//! The rate limit service of `tests/limiter`, started for a test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use testkit::programs::found;

/// A running service, on 127.0.0.1 only. It stops when dropped.
pub struct Limiter {
    url: String,
    asked: Receiver<String>,
    process: Child,
}

impl Limiter {
    /// Starts one that answers in this manner, and admits so many requests a minute of each account
    /// to each model.
    pub fn start(manner: &str, limit: u32) -> Self {
        let program = "target/limiter/debug/rate-limiter";
        let complaint = "no rate limit service at {}, build it with `just limiter`";
        let mut command = Command::new(found("ATTACHE_LIMITER", program, complaint));
        command.args([manner, &limit.to_string(), "journal"]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let (tell, asked) = channel();
        let output = process.stdout.take().expect("a pipe");
        // Read to its end, whether or not a test wants to know: else the service would wait.
        thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        Self { url: asked.recv().expect("its URL"), asked, process }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What it was asked since this was last asked for: path, domain, entries, our limit.
    pub fn asked(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
