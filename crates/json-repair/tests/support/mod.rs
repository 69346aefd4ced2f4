//! Helpers that the tests and the score share.

#[cfg(not(target_family = "wasm"))]
pub mod comparison;
pub mod corpus;
pub mod damage;
pub mod random;
pub mod scoring;
pub mod tokens;
mod wrappers;
