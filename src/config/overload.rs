//! Limits on the load of one Envoy.

use std::num::NonZeroU32;

use super::{
    read::ObjectReader,
    table::{
        ValueType::{self, Number},
        defaults_to, object_table, optional,
    },
};

object_table! {
    /// Limits on the load of one Envoy, beyond which requests are refused with 503.
    pub(super) static OVERLOAD = "overload" {
        /// Size of Envoy's heap, in MiB. Envoy refuses new requests at 90 % of it, and new
        /// connections at 95 %.
        "heap_mib": Number { least: 64, most: 1_048_576 }, defaults_to("512");
        /// Maximum number of clients' connections. Envoy closes further ones at once.
        "connections": ValueType::POSITIVE, defaults_to("10000");
        /// Bytes of request bodies that each worker thread of Envoy holds at once. A body is held
        /// from its first byte until the answer begins. Bodies up to 64 KiB may exceed the limit by
        /// an eighth.
        "held_body_bytes": ValueType::POSITIVE,
            optional("67108864, or `request_body_bytes` if that is more");
    }
}

/// Default of `held_body_bytes`: six bodies of the default maximum, or a thousand of 64 KiB.
const HELD_BODIES: NonZeroU32 = NonZeroU32::MIN.saturating_add(64 * 1024 * 1024 - 1);

/// Limits on the load of one Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Size of Envoy's heap in MiB, near which new requests are refused.
    pub heap_mib: u32,
    /// Connections of clients.
    pub connections: NonZeroU32,
    /// Bytes of request bodies that each worker holds at once.
    pub held_bodies: NonZeroU32,
}

impl Overload {
    /// Reads `overload`. One body of the maximum size always fits.
    pub(super) fn read(entry: ObjectReader<'_>, request_body: NonZeroU32) -> Self {
        let held = entry.get("held_body_bytes").map(|value| value.positive());
        if held.is_some_and(|held| held < request_body) {
            let least = format!("at least `request_body_bytes`, {request_body}");
            entry.wrong("held_body_bytes", least);
        }
        let overload = Self {
            heap_mib: entry.number("heap_mib"),
            connections: entry.positive("connections"),
            held_bodies: held.unwrap_or(HELD_BODIES.max(request_body)),
        };
        entry.finish();
        overload
    }
}
