//! What the integration tests share. Each of them uses a part of it.

#[allow(dead_code)]
pub mod access_log;
#[allow(dead_code)]
pub mod client;
#[allow(dead_code)]
pub mod collector;
#[allow(dead_code)]
pub mod crowd;
#[allow(dead_code)]
pub mod envoy;
#[allow(dead_code)]
pub mod frames;
#[allow(dead_code)]
pub mod istio;
#[allow(dead_code)]
pub mod leaks;
#[allow(dead_code)]
pub mod limiter;
#[allow(dead_code)]
pub mod load;
#[allow(dead_code)]
pub mod metrics;
#[allow(dead_code)]
pub mod names;
#[allow(dead_code)]
pub mod pod;
#[allow(dead_code)]
pub mod ports;
#[allow(dead_code)]
pub mod programs;
#[allow(dead_code)]
pub mod provider;
#[allow(dead_code)]
pub mod random;
#[allow(dead_code)]
pub mod room;
#[allow(dead_code)]
pub mod shared;
