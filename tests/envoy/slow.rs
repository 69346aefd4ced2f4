//! Clients that take their time: what holds a place of somebody else's is given up.

use super::bad_input::read_raw;
use super::claims::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};
use testkit::client::Client;

/// Sends a byte every so often, until there is an answer or nobody listens: what came, and after how
/// long.
fn trickle(client: &Client, head: &str, rest: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(client.address).expect("a listener");
    stream.write_all(head.as_bytes()).expect("a head");
    let (started, mut answer) = (Instant::now(), Vec::new());
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    for byte in rest.bytes().cycle().take(600) {
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(_) if stream.write_all(&[byte]).is_err() => break,
            Err(_) => {}
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), started.elapsed())
}

#[test]
fn a_client_that_lets_its_request_trickle_in_is_given_up() {
    let gateway = narrow();
    let client = gateway.us();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n";
    let key = client.key.clone().expect("a key");
    let whole = format!("{head}authorization: {key}\r\ncontent-length: 60000\r\n\r\n");
    let attempts = [(head, "x-slow: ", 5), (&whole, "{ ", 15)];
    thread::scope(|scope| {
        for (head, rest, seconds) in attempts {
            let client = &client;
            scope.spawn(move || {
                let (answer, took) = trickle(client, head, rest);
                assert!(took.as_secs() >= seconds, "{head}: {took:?}: {answer}");
                let (status, body) = read_raw(&answer);
                assert_eq!(status, 408, "{head}: {answer}");
                assert_error_shape(&body, 408, "timeout");
            });
        }
        // Nobody else waits for them.
        assert_eq!(gateway.us().chat(&chat("gpt", "hi")).status, 200);
    });
    gateway.assert_unharmed();
}

#[test]
fn a_client_that_does_not_read_costs_no_more_than_a_buffer_and_nobody_else_anything() {
    let gateway = large();
    let client = gateway.us();
    let body = streamed("kimi", "#script size=40000000 events=600").to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{body}",
        client.key.clone().expect("a key"),
        body.len()
    );
    let mut deaf = TcpStream::connect(client.address).expect("a listener");
    deaf.write_all(head.as_bytes()).expect("a request");
    let taken = || {
        let count =
            gateway.admin("/stats?filter=cluster.moonshot-us-hosts.upstream_cx_rx_bytes_total");
        count.trim().rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).expect("a count")
    };
    let taken = once_it_stands_still(taken);
    assert!((1..20_000_000).contains(&taken), "{taken} of 40 million bytes were taken in");
    assert_eq!(client.chat(&chat("gpt", "hi")).status, 200);
    gateway.assert_unharmed();
}

/// A count that has grown and grows no more.
fn once_it_stands_still(count: impl Fn() -> u64) -> u64 {
    let mut before = 0;
    for _ in 0..20 {
        thread::sleep(Duration::from_secs(1));
        let now = count();
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    before
}
