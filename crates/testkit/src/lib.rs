//! Shared parts of the integration tests, and the launcher that scripts and the demo use as the
//! command `testkit`.
//!
//! - [`play`] runs exchanges against the core without a host, natively and under Node; [`golden`]
//!   and [`voice`] list the files of cases; [`aws_events`] writes events in AWS's framing.
//! - [`envoy`] renders a configuration for a gateway and [`launch`] starts Envoy with it;
//!   [`programs`], [`ports`], [`room`] and [`leaks`] find programs, choose ports, limit how many
//!   Envoys run, and search for keys. [`pod`] and [`istio`] replace Istio.
//! - [`provider`] is the scripted provider behind Envoy, [`client`] the client in front of Envoy.

pub mod aws_events;
pub mod golden;
pub mod play;
pub mod voice;

#[cfg(not(target_family = "wasm"))]
pub mod client;
#[cfg(not(target_family = "wasm"))]
pub mod envoy;
#[cfg(not(target_family = "wasm"))]
pub mod istio;
#[cfg(not(target_family = "wasm"))]
pub mod launch;
#[cfg(not(target_family = "wasm"))]
pub mod leaks;
#[cfg(not(target_family = "wasm"))]
pub mod pod;
#[cfg(not(target_family = "wasm"))]
pub mod ports;
#[cfg(not(target_family = "wasm"))]
pub mod programs;
#[cfg(not(target_family = "wasm"))]
pub mod provider;
#[cfg(not(target_family = "wasm"))]
pub mod room;
