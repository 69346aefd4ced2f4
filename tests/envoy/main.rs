//! The gateway in a real Envoy, with a scripted provider behind it: what only Envoy can prove.
//!
//! Most tests share one Envoy and find their own requests in the provider's journal by a marker.

#![cfg(not(target_family = "wasm"))]

mod access_log;
mod aliases;
mod answers;
mod attempts;
mod bad_input;
mod budgets;
mod chaos;
mod claims;
mod cloud;
mod configuration;
mod custom;
mod embeddings;
mod endpoints;
mod failures;
mod guard;
mod headers;
mod image;
mod istio;
mod keys;
mod lanes;
mod limiter;
mod messages;
mod metrics;
mod pages;
mod playground;
mod quota;
mod regions;
mod reload;
mod repair;
mod requests;
mod resilience;
mod responses;
mod schemas;
mod slow;
mod smuggling;
mod streams;
mod support;
mod tokens;
mod traces;
mod transcripts;
mod voice;
