//! The origin of an answer or an error: the provider, the model and the response head.

use std::time::Duration;

use crate::chat::error::Error;

/// The head of a provider's response.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    /// The HTTP status.
    pub status: u16,
    /// The value of `content-type`, empty if there is none.
    pub content_type: String,
    /// The value of `retry-after`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// The context in which an answer is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseContext<'o> {
    /// The provider's name.
    pub(crate) provider: &'o str,
    /// The model's name in the configuration.
    pub(crate) model: &'o str,
    /// The head of the answer.
    pub(crate) head: &'o ResponseHead,
}

impl ResponseContext<'_> {
    /// Returns the error for an answer that is invalid.
    pub(crate) fn bad(&self, problem: &'static str) -> Error {
        Error::BadAnswer { provider: self.provider.to_owned(), problem }
    }

    /// Refuses a compressed body, by its first bytes. Requests do not offer compression, so that
    /// reading `content-encoding` of every response would cost a host call for a rare mistake.
    pub(crate) fn check_plain(&self, start: &[u8]) -> Result<(), Error> {
        let is_compressed = COMPRESSED.iter().any(|magic| start.starts_with(magic));
        if is_compressed { Err(self.bad("is compressed, which was not asked for")) } else { Ok(()) }
    }
}

/// The first bytes of gzip (RFC 1952), zlib (RFC 1950) and Zstandard (RFC 8878).
const COMPRESSED: [&[u8]; 5] =
    [&[0x1f, 0x8b], &[0x78, 0x01], &[0x78, 0x9c], &[0x78, 0xda], &[0x28, 0xb5, 0x2f, 0xfd]];

/// The length of the longest entry of [`COMPRESSED`], in bytes.
pub(crate) const MAGIC: usize = 4;
