//! Attaché: an LLM gateway inside Envoy.
//!
//! One module, two roles. The **gateway** role stands in the listener and decides: [`exchange`]. The
//! **provider** role stands in each provider's cluster and translates: [`provider`]. Between them is
//! what clients speak: [`chat`]. All of it is decided without a host; `shell` alone knows one.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod api_schema;
pub mod chat;
pub mod config;
pub mod failover;
pub mod fallbacks;
pub mod fit;
pub mod gateway;
pub mod handoff;
pub mod http_call;
pub mod json;
pub mod metrics;
pub mod network;
pub mod plugin_config;
pub mod post_processing;
pub mod provider;
pub mod quota;
pub mod region;
pub mod reply;
pub mod request_id;
pub mod sse;
pub mod summary;
pub mod time;
pub mod transcript;

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod shell;
