//! What the provider was asked: the last requests, and whether their answers went out.

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, Uri};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request the provider received.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As sent.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether the whole answer was sent: not if the client left, and not if the script cut it.
    pub finished: bool,
}

impl Entry {
    /// The first value of a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// The body as JSON, `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The entry as `GET /__journal` shows it: bytes that are not UTF-8 are replaced.
    pub fn to_json(&self) -> Value {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
            .collect();
        json!({
            "method": self.method,
            "path": self.path,
            "headers": headers,
            "body": String::from_utf8_lossy(&self.body),
            "finished": self.finished,
        })
    }
}

/// The last requests, oldest first.
pub struct Journal {
    records: Mutex<VecDeque<Arc<Record>>>,
    /// How many requests are kept.
    limit: usize,
}

impl Journal {
    /// An empty journal that keeps `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self { records: Mutex::default(), limit }
    }

    /// Writes a request down and forgets the oldest one if there are too many.
    pub fn record(&self, head: Parts, body: Bytes) -> Arc<Record> {
        let Parts { method, uri, headers, .. } = head;
        let record = Arc::new(Record { method, uri, headers, body, finished: false.into() });
        if self.limit > 0 {
            let mut records = self.records();
            if records.len() == self.limit {
                records.pop_front();
            }
            records.push_back(record.clone());
        }
        record
    }

    /// The requests whose body contains `marker`; all for the empty one.
    pub fn entries(&self, marker: &str) -> Vec<Entry> {
        let records: Vec<_> = self.records().iter().cloned().collect();
        records
            .iter()
            .filter(|record| record.contains(marker))
            .map(|record| record.entry())
            .collect()
    }

    /// Forgets every request.
    pub fn clear(&self) {
        self.records().clear();
    }

    // Each change is a single call, so records a panicking test left behind are whole.
    fn records(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request as hyper gave it to us: nothing is copied until somebody asks.
pub struct Record {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    finished: AtomicBool,
}

impl Record {
    /// Notes that the whole answer was sent.
    pub fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    fn contains(&self, marker: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(marker)
    }

    fn entry(&self) -> Entry {
        let headers = self.headers.iter();
        Entry {
            method: self.method.to_string(),
            path: self.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            body: self.body.to_vec(),
            finished: self.finished.load(Ordering::Acquire),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(journal: &Journal, body: &'static str) {
        let (head, ()) =
            hyper::Request::post("/a?b").header("X-Y", "z").body(()).unwrap().into_parts();
        journal.record(head, Bytes::from(body)).finish();
    }

    #[test]
    fn the_oldest_request_is_forgotten_first() {
        let journal = Journal::new(2);
        for body in ["one", "two", "three"] {
            record(&journal, body);
        }
        let bodies: Vec<_> = journal.entries("").into_iter().map(|entry| entry.body).collect();
        assert_eq!(bodies, [b"two".to_vec(), b"three".to_vec()]);
        assert_eq!(journal.entries("thr").len(), 1);
    }

    #[test]
    fn an_entry_is_the_request() {
        let journal = Journal::new(1);
        record(&journal, r#"{"a":1}"#);
        let entry = journal.entries("").remove(0);
        assert_eq!((entry.method.as_str(), entry.path.as_str()), ("POST", "/a?b"));
        assert_eq!(entry.header("x-y"), Some(b"z".as_slice()));
        assert_eq!(entry.json()["a"], 1);
        assert!(entry.finished);
    }

    #[test]
    fn a_journal_without_room_keeps_nothing() {
        let journal = Journal::new(0);
        record(&journal, "one");
        assert!(journal.entries("").is_empty());
    }
}
