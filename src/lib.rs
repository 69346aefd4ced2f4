//! Attaché: an LLM gateway inside Envoy.
//!
//! One proxy-wasm module with two roles. The [`gateway`] role is a filter of the listener: it validates
//! a request, plans the attempts, and retries or falls back. The [`provider`] role is a filter of each
//! provider's cluster: it translates one attempt. The two share no memory; [`handoff`] is the contract
//! between them. `docs/architecture.md` shows an answer and a stream that fall back.
//!
//! From the ground up; `.ci/check-layout` refuses an import that points up:
//!
//! - [`collections`], [`time`], [`json`], [`sse`], [`region`], [`network`], [`request_id`],
//!   [`http_call`], [`usd`]: small parts that know nothing of one another.
//! - [`event_stream`]: the events of a stream, as server-sent events or as messages of AWS.
//! - [`chat`]: the chat API, as clients see it: requests, answers, streams and errors.
//! - [`client_api`]: what the client APIs beside the chat API share.
//! - [`messages`], [`responses`]: the Messages API and the Responses API, as ways into the chat API
//!   and out of it.
//! - [`post_processing`]: the repair of JSON in answers and streams.
//! - [`embeddings`]: the API of embeddings, beside the chat API.
//! - [`failover`]: the decision after a failed attempt.
//! - [`config`]: the operator's file.
//! - [`transcript`], [`guard`], [`fit`], [`fallbacks`], [`quota`]: transcripts in prompts, decisions of
//!   a guard, the fit of a request to one model, the requests of fallbacks, rate limits.
//! - [`endpoint_choice`]: the order in which the endpoints of one model are asked.
//! - [`inlet`]: the APIs in which a client may ask.
//! - [`summary`], [`metrics`], [`handoff`], [`reply`]: the facts of an exchange for logs and traces,
//!   metrics, the contract between the roles, and replies to the client.
//! - [`api_schema`]: the translators between the chat API and the APIs of providers.
//! - [`attempt`]: one attempt at one provider: translation, the reading of the answer, telemetry.
//! - [`provider`] and [`gateway`]: the two roles.
//! - [`plugin_config`]: the configuration that Envoy passes to a role.
//! - `shell`: the only code that knows Envoy. Everything else runs without a host.

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod api_schema;
pub mod attempt;
pub mod chat;
pub mod client_api;
pub mod collections;
pub mod config;
pub mod embeddings;
pub mod endpoint_choice;
pub mod event_stream;
pub mod failover;
pub mod fallbacks;
pub mod fit;
pub mod gateway;
pub mod guard;
pub mod handoff;
pub mod http_call;
pub mod inlet;
pub mod json;
pub mod messages;
pub mod metrics;
pub mod network;
pub mod plugin_config;
pub mod post_processing;
pub mod provider;
pub mod quota;
pub mod region;
pub mod reply;
pub mod request_id;
pub mod responses;
pub mod sse;
pub mod summary;
pub mod time;
pub mod transcript;
pub mod usd;

mod shell;
