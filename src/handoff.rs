//! The contract between the two roles: the ticket, the headers and the filter state.

pub mod ticket;
