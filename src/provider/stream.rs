//! A provider's stream on its way to the client.

use super::event_template::EventTemplate;
use crate::{
    api_schema::{
        Decoder,
        origin::{MAGIC, ResponseContext, ResponseHead},
    },
    chat::{envelope::Envelope, error::Error, finish::Finish, stream_writer::Writer, usage::Usage},
    post_processing::{RepairReport, Repairer},
    sse,
};

/// A stream that is coming.
#[derive(Debug)]
pub(super) struct Streaming {
    head: ResponseHead,
    reader: Decoder,
    sse: sse::Decoder,
    writer: Writer,
    repeat: EventTemplate,
    /// Its first bytes, until they tell that it is not compressed: a compressed one may hold whole
    /// lines of text, so that what the decoder makes of it proves nothing.
    start: Option<Vec<u8>>,
    /// Whether the head has gone to the client: from then on a failure is an event.
    released: bool,
}

/// What a piece of a stream comes to.
pub(super) enum Outcome {
    /// Nothing that a client would notice has come yet.
    Hold,
    /// It failed before it began.
    Fail(Error),
    /// The first that the client gets, and why it is the last, if it is for a reason.
    Begin { bytes: Vec<u8>, reason: Option<&'static str> },
    /// What the client gets next, and why it is the last, if it is for a reason.
    Continue { bytes: Vec<u8>, reason: Option<&'static str> },
}

impl Streaming {
    /// A stream of which only the head has come.
    pub(super) fn new(
        head: ResponseHead,
        reader: Decoder,
        envelope: Envelope,
        mender: Option<Repairer>,
    ) -> Self {
        let (sse, writer) = (sse::Decoder::default(), Writer::mending(envelope, mender));
        let (repeat, start) = (EventTemplate::default(), Some(Vec::new()));
        Self { head, reader, sse, writer, repeat, start, released: false }
    }

    /// Whether the head has gone to the client.
    pub(super) fn is_released(&self) -> bool {
        self.released
    }

    /// What was mended since the last time.
    pub(super) fn take_mended(&mut self) -> Option<RepairReport> {
        self.writer.take_mended()
    }

    /// What it cost, as far as the provider has said.
    pub(super) fn spent(&self) -> Option<Usage> {
        self.writer.spent()
    }

    /// Why the model stopped, if it has.
    pub(super) fn finish(&self) -> Option<Finish> {
        self.writer.stopped()
    }

    /// Whether the client has all of it.
    pub(super) fn is_over(&self) -> bool {
        self.writer.has_ended()
    }

    /// Takes in a piece, or the end.
    pub(super) fn feed(&mut self, piece: &[u8], end: bool, provider: &str, model: &str) -> Outcome {
        let mut reason = None;
        match self.decode(piece, end, provider, model) {
            Err(error) if !self.writer.has_begun() => return Outcome::Fail(error),
            Err(error) => {
                reason = Some(error.reason());
                self.writer.fail(&error);
            }
            Ok(()) if !self.writer.has_begun() => return Outcome::Hold,
            Ok(()) => {}
        }
        let bytes = self.writer.take();
        if std::mem::replace(&mut self.released, true) {
            return Outcome::Continue { bytes, reason };
        }
        Outcome::Begin { bytes, reason }
    }

    fn decode(
        &mut self,
        piece: &[u8],
        end: bool,
        provider: &str,
        model: &str,
    ) -> Result<(), Error> {
        let Self { head, reader, sse, writer, repeat, start, .. } = self;
        let origin = ResponseContext { provider, model, head };
        if let Some(first) = start {
            first.extend(piece.iter().take(MAGIC - first.len()));
            origin.check_plain(first)?;
            if first.len() == MAGIC {
                *start = None;
            }
        }
        let mut decoded = Ok(());
        // After a failure, and after the end, nothing counts.
        let mut event = |data: &[u8]| {
            if decoded.is_err() || writer.has_ended() {
                return;
            }
            if let Some((choice, text)) = repeat.text(data) {
                return writer.content(choice, &text, None);
            }
            match reader.event(data, writer, origin) {
                Ok(plain) => repeat.learn(data, plain),
                Err(error) => decoded = Err(error),
            }
        };
        let fed = sse.feed(piece, &mut event);
        let rest = fed.is_ok() && end && sse.finish(&mut event);
        if let Some(error) = writer.take_failure() {
            return Err(error);
        }
        if rest && decoded.is_err() {
            return Err(origin.bad("broke off"));
        }
        decoded?;
        if fed.is_err() {
            return Err(origin.bad("holds an event longer than 4 MiB"));
        }
        if end && !writer.has_ended() {
            if !writer.is_finished() {
                return Err(origin.bad("broke off"));
            }
            writer.end();
        }
        Ok(())
    }
}
