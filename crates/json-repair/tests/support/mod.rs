//! Helpers that the tests, the score and the benchmarks share.

pub mod comparison;
pub mod corpus;
pub mod damage;
pub mod random;
pub mod tokens;
pub mod verdict;
mod wrappers;
