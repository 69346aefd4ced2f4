//! The deadline of a stream that flows. Envoy would cut the stream off without a word, so Envoy's own
//! timeout is later, and the client gets an event with the error first.

use std::time::Duration;

use crate::{
    chat::{envelope::Envelope, error::Error},
    inlet::Inlet,
    time::Timestamp,
};

/// Deadline of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDeadline {
    /// Time from the request to the deadline.
    pub limit: Duration,
    /// Moment of the deadline.
    pub due: Timestamp,
    /// Fields of the stream's events.
    pub envelope: Envelope,
    /// API of the client.
    pub inlet: Inlet,
}

impl StreamDeadline {
    /// Returns the event that ends the stream.
    pub fn event(&self) -> Vec<u8> {
        let mut writer = self.inlet.stream(self.envelope.clone());
        writer.fail(&Error::StreamTooLong { limit: self.limit });
        writer.take_bytes()
    }
}
