//! Connections and routes.

use super::anthropic;
use super::guard;
use super::journal::Journal;
use super::playback::{Aborted, Playback};
use super::reply::Reply;
use super::schema::ApiSchema;
use super::script::{self, Head, LONGEST_WAIT, Script, Unreadable};
use super::transcripts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{mem, net};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Where the journal is read and emptied over HTTP.
const JOURNAL: &str = "/__journal";

/// How many requests with alternatives are counted before the oldest are forgotten. Our own number: more
/// than are under way in any test, and small enough to keep.
const COUNTED: usize = 65_536;

/// What connections share.
pub struct Server {
    /// The requests received.
    pub journal: Journal,
    /// How often a request with alternatives was seen, by its id or its text.
    attempts: Mutex<AttemptCounts>,
    /// The words of each cached prompt, by its name with a key and a model.
    prompts: Mutex<HashMap<String, usize>>,
    /// Tells answers apart.
    serial: AtomicU64,
}

impl Server {
    /// A server that remembers so many requests.
    pub fn new(journal: usize) -> Self {
        Self {
            journal: Journal::new(journal),
            attempts: Mutex::default(),
            prompts: Mutex::default(),
            serial: 1.into(),
        }
    }

    /// Forgets requests and attempts.
    pub fn clear(&self) {
        self.journal.clear();
        *self.attempts() = AttemptCounts::default();
    }

    /// Takes connections until `stopped` resolves; leaving drops them with the runtime.
    pub async fn run(self: Arc<Self>, listener: net::TcpListener, stopped: oneshot::Receiver<()>) {
        let listener = TcpListener::from_std(listener).expect("a listener that does not block");
        tokio::select! {
            () = self.accept(listener) => {}
            _ = stopped => {}
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(self.clone().serve(stream))),
                // Out of file descriptors, most likely: others have to be closed first.
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Speaks HTTP/1.1 or HTTP/2, as the client's first bytes say.
    async fn serve(self: Arc<Self>, stream: TcpStream) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let service = service_fn(move |request| self.clone().answer(request));
        let server = auto::Builder::new(TokioExecutor::new());
        // An error is a client that left, or an abort a script asked for.
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Playback>, Aborted> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Aborted)?.to_bytes();
        if head.uri.path() == JOURNAL {
            return Ok(self.journal_page(&head.method).response);
        }
        let mut reply = self.reply(&head, &body);
        reply.response.body_mut().follow(self.journal.record(head, body));
        send(reply).await
    }

    fn journal_page(&self, method: &Method) -> Reply {
        match *method {
            Method::GET => {
                let entries = self.journal.entries("");
                let page: Vec<_> = entries.iter().map(|entry| entry.to_json()).collect();
                let page = serde_json::Value::from(page).to_string();
                Reply::plain(StatusCode::OK, "application/json", page)
            }
            Method::DELETE => {
                self.clear();
                Reply::plain(StatusCode::NO_CONTENT, "application/json", "")
            }
            _ => Reply::plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or DELETE\n"),
        }
    }

    fn reply(&self, head: &Parts, body: &[u8]) -> Reply {
        let path = head.uri.path();
        if head.method == Method::GET && path.ends_with("/models") {
            return Reply::plain(StatusCode::OK, "application/json", MODELS);
        }
        if let Some(reply) = transcripts::reply(head).filter(|_| head.method == Method::GET) {
            return reply;
        }
        if head.method == Method::POST && path.ends_with(guard::PATH) {
            return guard::reply(body);
        }
        if head.method == Method::POST && path.ends_with("/messages/count_tokens") {
            return match anthropic::count(body) {
                Ok(count) => Reply::plain(StatusCode::OK, "application/json", count),
                Err(error) => Reply::refused(ApiSchema::Anthropic, error.to_string()),
            };
        }
        let Some(schema) = ApiSchema::at(path).filter(|_| head.method == Method::POST) else {
            return Reply::plain(StatusCode::NOT_FOUND, "text/plain", "no such path\n");
        };
        let asked = match schema.read(path, body) {
            Ok(asked) => asked,
            Err(error) => return Reply::refused(schema, error.to_string()),
        };
        let mut script = match self.script(head, &asked.conversation.text) {
            Ok(script) => script,
            Err(word) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                return Reply::plain(status, "text/plain", format!("{word}\n"));
            }
        };
        if let Some(name) = &script.cache {
            let key = head.headers.get("authorization").map(|key| key.as_bytes());
            let name = format!("{} {name} {:?}", asked.model, key.map(String::from_utf8_lossy));
            let mut prompts = self.prompts.lock().unwrap_or_else(PoisonError::into_inner);
            let before = prompts.insert(name, asked.conversation.words).unwrap_or_default();
            script.cached = before.min(asked.conversation.words);
        }
        Reply::scripted(schema, &asked, &script, self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// The script for this attempt: the default one if the text has none.
    fn script(&self, head: &Parts, text: &str) -> Result<Script, Unreadable> {
        let Some(directive) = script::directive(text) else { return Ok(Script::default()) };
        let mut scripts = script::parse(directive)?;
        let last = scripts.len() - 1;
        if last == 0 {
            return Ok(scripts.swap_remove(0));
        }
        let id = head.headers.get("x-request-id").map(|id| id.as_bytes());
        let attempt = self.attempts().count(id.unwrap_or(text.as_bytes()));
        Ok(scripts.swap_remove(attempt.min(last)))
    }

    // A count is right or absent, whatever a panicking test left behind.
    fn attempts(&self) -> MutexGuard<'_, AttemptCounts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Numbers of attempts by request. Those of the oldest requests are forgotten.
#[derive(Debug, Default)]
struct AttemptCounts {
    /// At most [`COUNTED`] requests.
    recent: HashMap<Vec<u8>, usize>,
    /// The requests before them.
    older: HashMap<Vec<u8>, usize>,
}

impl AttemptCounts {
    /// Counts an attempt. Returns the number of those before it.
    fn count(&mut self, key: &[u8]) -> usize {
        if self.recent.len() >= COUNTED {
            self.older = mem::take(&mut self.recent);
        }
        let count = self
            .recent
            .entry(key.to_vec())
            .or_insert_with(|| self.older.remove(key).unwrap_or_default());
        *count += 1;
        *count - 1
    }
}

/// Does what the script says about the head.
async fn send(reply: Reply) -> Result<Response<Playback>, Aborted> {
    if !reply.delay.is_zero() {
        sleep(reply.delay).await;
    }
    match reply.head {
        Head::Sent => Ok(reply.response),
        Head::Reset => Err(Aborted),
        Head::Hangs => {
            sleep(LONGEST_WAIT).await;
            Err(Aborted)
        }
    }
}

/// The list every client may ask for: API reference, *List models*.
const MODELS: &str = r#"{
  "object": "list",
  "data": [{ "id": "scripted", "object": "model", "created": 1793491200, "owned_by": "nobody" }]
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_a_request_outlives_many_others() {
        let mut counts = AttemptCounts::default();
        let mut others = (0..).map(|number: usize| number.to_be_bytes());
        for expected in 0..5 {
            assert_eq!(counts.count(b"kept"), expected);
            for other in others.by_ref().take(COUNTED - 1) {
                assert_eq!(counts.count(&other), 0);
            }
        }
        assert!(counts.recent.len() + counts.older.len() <= 2 * COUNTED);
    }
}
