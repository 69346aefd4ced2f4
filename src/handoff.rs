//! The contract between the two roles and with Envoy's configuration: the ticket, the names of
//! headers and the names of filter state. The templates below `envoy/templates` take their names and
//! their patterns from here.

pub mod filter_state;
pub mod headers;
pub mod response_facts;
pub mod ticket;
