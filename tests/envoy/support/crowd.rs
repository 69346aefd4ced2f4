//! Many clients at once: each a connection of its own, all taking from one list of requests.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::client::Client;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// One of the requests of a crowd: a chat with a short message.
#[derive(Clone, Debug)]
pub struct Ask {
    pub key: String,
    pub model: String,
}

/// What an account was told of its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which of the requests it was.
    pub index: usize,
    pub status: u16,
    pub remaining: u32,
    pub reset: u32,
}

/// Sends all requests over so many connections, each as soon as the one before it was answered.
pub fn send(client: &Client, connections: usize, asks: Vec<Ask>) -> Vec<Told> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (asks, next) = (Arc::new(asks), Arc::new(AtomicUsize::new(0)));
        let mut crowd = JoinSet::new();
        for _ in 0..connections {
            crowd.spawn(one(client.address, Arc::clone(&asks), Arc::clone(&next)));
        }
        crowd.join_all().await.concat()
    })
}

async fn one(address: SocketAddr, asks: Arc<Vec<Ask>>, next: Arc<AtomicUsize>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut sender = connect(address).await;
    while let Some((index, ask)) = take(&asks, &next) {
        if sender.ready().await.is_err() {
            sender = connect(address).await;
        }
        told.push(ask_one(&mut sender, index, ask).await);
    }
    told
}

fn take<'a>(asks: &'a [Ask], next: &AtomicUsize) -> Option<(usize, &'a Ask)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, asks.get(index)?))
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(address).await.expect("a listener");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

async fn ask_one(sender: &mut SendRequest<Full<Bytes>>, index: usize, ask: &Ask) -> Told {
    let body =
        format!(r#"{{"model":"{}","messages":[{{"role":"user","content":"Hi"}}]}}"#, ask.model);
    let request = hyper::Request::post("/v1/chat/completions")
        .header("host", "gateway")
        .header("authorization", &ask.key)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    let header = |name: &str| {
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        value.and_then(|value| value.parse().ok()).unwrap_or(u32::MAX)
    };
    let (remaining, reset) = (header("x-ratelimit-remaining"), header("x-ratelimit-reset"));
    let status = answer.status().as_u16();
    answer.into_body().collect().await.expect("a body");
    Told { index, status, remaining, reset }
}
