//! Both roles played against each other without a host: natively, and under Node.

mod aliases;
mod attempts;
mod budgets;
#[cfg(not(target_family = "wasm"))]
mod configuration;
#[cfg(not(target_family = "wasm"))]
mod documents;
mod embeddings;
mod endpoints;
mod exchange;
mod golden;
mod guard;
mod hedges;
mod hostile;
mod limits;
mod messages;
mod overload;
mod quota;
#[cfg(not(target_family = "wasm"))]
mod regions;
mod responses;
#[cfg(not(target_family = "wasm"))]
mod routes;
mod silence;
mod stream;
mod tool_calls;
#[cfg(not(target_family = "wasm"))]
mod translation;
mod validation;
mod voice;
