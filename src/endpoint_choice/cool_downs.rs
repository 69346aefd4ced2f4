//! Cool-downs: the times in which endpoints are passed over that limit the gateway's requests, refuse
//! its key or have retired the model. All worker threads share them.

use std::time::Duration;

use crate::{
    chat::error::Error,
    config::Endpoint,
    quota::SharedStore,
    region::Region,
    time::{Timestamp, millis},
};

/// Cool-down after an error that names no time. An operator who mends a key or a deployment sees the
/// effect as soon.
const USUAL: Duration = Duration::from_secs(10);

/// Longest cool-down: the window in which providers count requests. Claude API, *Rate limits*. An
/// endpoint that names a longer time is asked once a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns the length of the cool-down after an error. `None`: the next request may have another end.
pub fn after(error: &Error) -> Option<Duration> {
    match error {
        Error::RateLimited { retry_after, .. } => Some(retry_after.unwrap_or(USUAL).min(LONGEST)),
        // A file that the request names may be missing, or forbidden to the gateway's key.
        Error::Refused { status: 403 | 404, .. } => None,
        Error::Refused { .. } | Error::Retired { .. } => Some(USUAL),
        _ => None,
    }
}

/// Begins the cool-down of an endpoint, unless a longer one is under way.
pub fn begin(
    store: &dyn SharedStore,
    endpoint: &Endpoint,
    region: Region,
    length: Duration,
    now: Timestamp,
) {
    let (key, until) = (key(endpoint, region), now.plus(length));
    let (bytes, version) = store.get(&key).unzip();
    if bytes.and_then(|bytes| end_in(bytes, now)).is_some_and(|known| known > until) {
        return;
    }
    // A thread that was faster has heard the same of the endpoint.
    let _conflict = store.set(&key, &until.as_millis().to_be_bytes(), version);
}

/// Returns the end of the cool-down of an endpoint. `None` if it is over.
pub fn end(
    store: &dyn SharedStore,
    endpoint: &Endpoint,
    region: Region,
    now: Timestamp,
) -> Option<Timestamp> {
    store.get(&key(endpoint, region)).and_then(|(bytes, _)| end_in(bytes, now))
}

/// Reads the end of a cool-down. `None` if it is over. A cool-down that would be too long was left by a
/// clock that went back.
fn end_in(bytes: Vec<u8>, now: Timestamp) -> Option<Timestamp> {
    let until = u64::from_be_bytes(bytes.try_into().ok()?);
    let left = until.checked_sub(now.as_millis()).filter(|left| *left > 0)?;
    let until = Timestamp::from_epoch(Duration::from_millis(until));
    (left <= millis(LONGEST)).then_some(until)
}

/// Returns the key of an endpoint. Models that share an endpoint share its cool-down.
fn key(endpoint: &Endpoint, region: Region) -> String {
    ["cool-down/", &endpoint.cluster(region), "/", &endpoint.upstream_model].concat()
}
