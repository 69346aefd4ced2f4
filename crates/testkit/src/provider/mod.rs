//! The scripted provider: a server that answers like OpenAI, Anthropic and Gemini, says something
//! harmless, and misbehaves on request. It does not know the gateway.
//!
//! `server` takes connections, `schema` tells the wire formats apart, `script` has the words a
//! request may use, `answer` decides what to say and `reply` how it is sent; `journal` remembers.

mod answer;
mod anthropic;
mod bedrock_converse;
mod embeddings;
mod events;
mod gemini;
mod guard;
mod gzip;
mod journal;
mod openai;
mod openai_responses;
mod playback;
mod reply;
mod request;
mod sample;
mod schema;
mod script;
mod server;
mod text;
mod transcripts;

pub use journal::Entry;
use server::Server;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
pub use transcripts::TRICKY;

/// How a provider runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Zero for any free port.
    pub port: u16,
    /// How many requests are remembered.
    pub journal: usize,
    /// How many threads answer.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { port: 0, journal: 1000, threads: 1 }
    }
}

/// A running provider, on 127.0.0.1 only. It stops when dropped.
pub struct Provider {
    address: SocketAddr,
    server: Arc<Server>,
    /// Dropping it stops the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Provider {
    /// Starts on a free port, on a thread and a runtime of its own.
    pub fn start() -> Self {
        Self::with(Settings::default()).expect("127.0.0.1 has a free port")
    }

    /// Starts as told; the port may be taken.
    pub fn with(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server = Arc::new(Server::new(settings.journal));
        let runtime = runtime(settings.threads)?;
        let (stop, stopped) = oneshot::channel();
        let running = server.clone();
        let thread = thread::spawn(move || runtime.block_on(running.run(listener, stopped)));
        Ok(Self { address, server, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests received, oldest first.
    pub fn journal(&self) -> Vec<Entry> {
        self.requests_about("")
    }

    /// The requests whose body contains `marker`, oldest first: tests share a provider.
    pub fn requests_about(&self, marker: &str) -> Vec<Entry> {
        self.server.journal.entries(marker)
    }

    /// Forgets every request, and at which attempt each script is.
    pub fn clear(&self) {
        self.server.clear();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A panic of the thread was printed by itself; a second one here would abort the tests.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// One thread runs everything itself; more share the work.
fn runtime(threads: usize) -> io::Result<Runtime> {
    if threads <= 1 {
        return Builder::new_current_thread().enable_all().build();
    }
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}
