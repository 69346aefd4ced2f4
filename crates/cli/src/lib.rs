//! The command `attache` as a library, for the tests.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod command;
mod dns_check;
pub mod render;
pub mod schema;
