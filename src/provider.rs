//! The provider role: a filter of each provider's cluster, which makes one [`crate::attempt::Attempt`].

mod recent_configs;
mod start;

use crate::{
    chat::error::Error, failover::Failover, handoff::headers::NEXT, inlet::Inlet, reply::Reply,
};

pub use self::{recent_configs::RecentConfigs, start::Start};

/// Returns the response to a request that the provider cannot be sent.
pub fn refuse(error: &Error, request_id: &str, inlet: Inlet) -> Reply {
    let mut reply = Reply::error(error, request_id, inlet);
    reply.headers.push((NEXT, Failover::to_header(error)));
    reply
}
