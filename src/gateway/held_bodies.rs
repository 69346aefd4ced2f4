//! Bodies of requests: their arrival, and the bound on those that one worker holds at once.
//!
//! A body is held from its first byte until the answer begins, because another attempt may need it.

use std::{cell::Cell, num::NonZeroU32, rc::Rc};

use super::{Gateway, RequestHead, head_fields::HeadFields};
use crate::{chat::error::Error, config::Config};

/// Number of bytes of all bodies that one worker holds.
#[derive(Clone, Debug, Default)]
pub struct HeldBodies(Rc<Cell<usize>>);

/// Bytes of one body among those that a worker holds. They count no more once this is dropped.
#[derive(Debug, Default)]
struct HeldBytes {
    all: HeldBodies,
    size: usize,
}

/// Body that is coming.
#[derive(Debug, Default)]
pub(super) struct AwaitedBody {
    account: String,
    fields: HeadFields,
    held: HeldBytes,
}

/// Complete body of a request.
#[derive(Debug, Default)]
pub(super) struct ReceivedBody {
    bytes: Vec<u8>,
    state: RequestBody,
    held: HeldBytes,
}

/// Body of a request that goes to the provider role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestBody {
    /// The client's body.
    #[default]
    AsReceived,
    /// The client's body with fields of its head, or with the transcript:
    /// [`super::Exchange::request_body`].
    Edited,
}

impl AwaitedBody {
    /// Creates the body of a request whose head has come. Fails if a body of the announced length
    /// would be refused now. The length itself is not counted, because a slow client would otherwise
    /// take the place of bodies that come.
    pub(super) fn new(head: &RequestHead, gateway: &Gateway) -> Result<Self, Error> {
        let held = HeldBytes { all: gateway.held.clone(), size: 0 };
        held.check(head.content_length.unwrap_or_default(), &gateway.config)?;
        let account = head.account.clone().unwrap_or_default();
        Ok(Self { account, fields: head.fields.clone(), held })
    }

    /// Takes in the number of bytes that have come so far.
    pub(super) fn grow(&mut self, size: usize, config: &Config) -> Result<(), Error> {
        self.held.check(size, config)?;
        self.held.set(size);
        Ok(())
    }

    /// Takes in the complete body, and returns it with the account of the caller. Fields of the head
    /// are added to it.
    pub(super) fn complete(
        &mut self,
        received: Vec<u8>,
        config: &Config,
    ) -> Result<(String, ReceivedBody), Error> {
        let (bytes, state) = match self.fields.added_to(&received) {
            Some(edited) => (edited, RequestBody::Edited),
            None => (received, RequestBody::AsReceived),
        };
        self.grow(bytes.len(), config)?;
        let Self { account, held, .. } = std::mem::take(self);
        Ok((account, ReceivedBody { bytes, state, held }))
    }
}

impl ReceivedBody {
    /// Returns the body.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the origin of the body.
    pub(super) fn state(&self) -> RequestBody {
        self.state
    }

    /// Replaces the body by one with the transcript, or by the guard's. No limit of held bodies applies.
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        self.held.set(bytes.len());
        (self.bytes, self.state) = (bytes, RequestBody::Edited);
    }
}

/// Size up to which a body is small, in bytes. Few chat requests without images or documents are
/// larger.
const SMALL: usize = 64 * 1024;

impl HeldBytes {
    /// Checks whether a body may have a size.
    fn check(&self, size: usize, config: &Config) -> Result<(), Error> {
        if size > as_size(config.request_body) {
            return Err(Error::TooLarge { limit: config.request_body.get() });
        }
        let bound = as_size(config.overload.held_bodies);
        // A few large bodies must not keep all small ones out.
        let spare = if size > SMALL { 0 } else { bound / 8 };
        let others = self.all.0.get().saturating_sub(self.size);
        if others.saturating_add(size) > bound.saturating_add(spare) {
            return Err(Error::Full);
        }
        Ok(())
    }

    fn set(&mut self, size: usize) {
        let others = self.all.0.get().saturating_sub(self.size);
        self.all.0.set(others.saturating_add(size));
        self.size = size;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.set(0);
    }
}

fn as_size(bytes: NonZeroU32) -> usize {
    usize::try_from(bytes.get()).unwrap_or(usize::MAX)
}
