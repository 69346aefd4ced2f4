//! The provider and the response head that an answer or an error came with.

use std::time::Duration;

use crate::chat::error::Error;

/// The beginning of a provider's answer.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// `content-type`, empty if there is none.
    pub content_type: String,
    /// `retry-after`, as far as it is a number of seconds.
    pub retry_after: Option<Duration>,
}

/// Who answered, and how the answer began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseContext<'o> {
    /// The provider's name.
    pub(crate) provider: &'o str,
    /// The model, under the name clients know.
    pub(crate) model: &'o str,
    /// The head of the answer.
    pub(crate) head: &'o ResponseHead,
}

impl ResponseContext<'_> {
    /// The error for an answer that makes no sense.
    pub(crate) fn bad(&self, problem: &'static str) -> Error {
        Error::BadAnswer { provider: self.provider.to_owned(), problem }
    }

    /// Refuses a body that begins as compressed ones do. Nobody asked for that: the header is not
    /// worth a look at every answer.
    pub(crate) fn check_plain(&self, start: &[u8]) -> Result<(), Error> {
        let is_compressed = COMPRESSED.iter().any(|magic| start.starts_with(magic));
        if is_compressed { Err(self.bad("is compressed, which was not asked for")) } else { Ok(()) }
    }
}

/// How gzip (RFC 1952), zlib (RFC 1950) and Zstandard (RFC 8878) begin.
const COMPRESSED: [&[u8]; 5] =
    [&[0x1f, 0x8b], &[0x78, 0x01], &[0x78, 0x9c], &[0x78, 0xda], &[0x28, 0xb5, 0x2f, 0xfd]];

/// How many bytes it takes to know.
pub(crate) const MAGIC: usize = 4;
