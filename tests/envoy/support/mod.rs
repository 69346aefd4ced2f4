//! Shared parts of the tests with Envoy, besides those of `testkit`.

pub mod access_log;
pub mod collector;
pub mod crowd;
pub mod frames;
pub mod limiter;
pub mod load;
pub mod metrics;
pub mod names;
pub mod shared;
pub mod sigv4;
