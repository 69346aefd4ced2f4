//! A provider's stream on its way to the client: bytes → events → deltas → repaired deltas → the
//! client's events.

use super::event_template::EventTemplate;
use crate::{
    api_schema::{
        Decoder,
        origin::{MAGIC, ResponseContext, ResponseHead},
    },
    chat::{
        delta::{self, Delta},
        error::Error,
        finish::Finish,
        usage::Usage,
    },
    event_stream::EventDecoder,
    inlet::InletStream,
    post_processing::{RepairReport, Repairer},
};

/// Stream in progress.
#[derive(Debug)]
pub(super) struct Streaming {
    head: ResponseHead,
    events: EventDecoder,
    pipeline: EventPipeline,
    /// The first bytes, until they show that the body is not compressed: a compressed one may hold
    /// whole lines of text, so a successful decoding proves nothing.
    start: Option<Vec<u8>>,
    /// True once the head was sent to the client: a failure becomes an event then.
    released: bool,
}

/// The stages that an event passes on its way to the client.
#[derive(Debug)]
struct EventPipeline {
    /// Shortcut for events of content, past the decoder.
    template: EventTemplate,
    decoder: Decoder,
    /// The deltas of one event. Empty between events: kept for its memory.
    deltas: Vec<Delta<'static>>,
    repairer: Option<Repairer>,
    writer: InletStream,
}

/// Effect of a piece of a stream on the client's response.
pub(super) enum StreamStep {
    /// Nothing that a client would notice has arrived yet.
    Hold,
    /// The stream failed before it began.
    Fail(Error),
    /// The stream ended without content. These are all of its bytes for the client.
    Empty(Vec<u8>),
    /// The first bytes for the client, and the reason if the stream is interrupted after them.
    Begin { bytes: Vec<u8>, reason: Option<&'static str> },
    /// More bytes for the client, and the reason if the stream is interrupted after them.
    Continue { bytes: Vec<u8>, reason: Option<&'static str> },
}

impl Streaming {
    /// Creates a stream of which only the head has arrived.
    pub(super) fn new(
        head: ResponseHead,
        decoder: Decoder,
        writer: InletStream,
        repairer: Option<Repairer>,
    ) -> Self {
        let template = EventTemplate::default();
        let pipeline = EventPipeline { template, decoder, deltas: Vec::new(), repairer, writer };
        let (events, start) = (EventDecoder::new(&head.content_type), Some(Vec::new()));
        Self { head, events, pipeline, start, released: false }
    }

    /// Returns true once the head was sent to the client.
    pub(super) fn is_released(&self) -> bool {
        self.released
    }

    /// Returns the report of the repairs since the last call, if the client asked for repair.
    pub(super) fn take_repair_report(&mut self) -> Option<RepairReport> {
        self.pipeline.repairer.as_mut().map(Repairer::take_report)
    }

    /// Returns the provider's last count of tokens.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.pipeline.writer.usage()
    }

    /// Returns the reason why the model stopped, once it has.
    pub(super) fn finish_reason(&self) -> Option<Finish> {
        self.pipeline.writer.finish_reason()
    }

    /// Returns true once the client has all of the stream.
    pub(super) fn is_over(&self) -> bool {
        self.pipeline.writer.has_ended()
    }

    /// Takes in a piece of the stream, or its end.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
        end: bool,
        provider: &str,
        model: &str,
    ) -> StreamStep {
        let mut reason = None;
        let decoded = self.decode(piece, end, provider, model);
        let writer = &mut self.pipeline.writer;
        match decoded {
            Err(error) if !writer.has_begun() => return StreamStep::Fail(error),
            Err(error) => {
                reason = Some(error.reason());
                writer.fail(&error);
            }
            Ok(()) if !writer.has_begun() && writer.has_ended() => {
                return StreamStep::Empty(writer.take_bytes());
            }
            Ok(()) if !writer.has_begun() => return StreamStep::Hold,
            Ok(()) => {}
        }
        let bytes = writer.take_bytes();
        if std::mem::replace(&mut self.released, true) {
            return StreamStep::Continue { bytes, reason };
        }
        StreamStep::Begin { bytes, reason }
    }

    fn decode(
        &mut self,
        piece: &[u8],
        end: bool,
        provider: &str,
        model: &str,
    ) -> Result<(), Error> {
        let Self { head, events, pipeline, start, .. } = self;
        let origin = ResponseContext { provider, model, head };
        check_start(start, piece, origin)?;
        let mut decoded = Ok(());
        // Events after a failure or after the end are ignored.
        let mut event = |data: &[u8]| {
            if decoded.is_ok() && !pipeline.writer.has_ended() {
                decoded = pipeline.translate(data, origin);
                if decoded.is_ok() && pipeline.writer.is_too_long() {
                    decoded = Err(origin.bad("is longer than 32 MiB"));
                }
            }
        };
        let fed = events.feed(piece, &mut event);
        let has_rest = fed.is_ok() && end && events.finish(&mut event);
        match decoded {
            // An event without its end, and without valid content, is cut off.
            Err(error) if has_rest && !matches!(error, Error::PostProcessing { .. }) => {
                return Err(origin.bad("broke off"));
            }
            decoded => decoded?,
        }
        fed.map_err(|fault| origin.bad(fault.problem()))?;
        if end { pipeline.end(origin) } else { Ok(()) }
    }
}

/// Refuses a stream whose first bytes are those of a compressed body.
fn check_start(
    start: &mut Option<Vec<u8>>,
    piece: &[u8],
    origin: ResponseContext<'_>,
) -> Result<(), Error> {
    let Some(first) = start else { return Ok(()) };
    first.extend(piece.iter().take(MAGIC - first.len()));
    origin.check_plain(first)?;
    if first.len() == MAGIC {
        *start = None;
    }
    Ok(())
}

impl EventPipeline {
    /// Translates an event of the provider into events for the client.
    fn translate(&mut self, data: &[u8], origin: ResponseContext<'_>) -> Result<(), Error> {
        if let Some(content) = self.template.content(data) {
            if self.relays() {
                self.writer.relay(data, &[content]);
                return Ok(());
            }
            return self.write(content);
        }
        let mut deltas = delta::recycle(std::mem::take(&mut self.deltas));
        let decoded = self.decoder.decode_event(data, origin, &mut deltas);
        self.template.learn(data, &deltas);
        if self.relays() {
            decoded?;
            let is_begun = deltas.iter().any(|delta| delta.choice().is_some());
            let has_answer = is_begun || self.writer.has_begun() || self.writer.is_finished();
            if deltas.contains(&Delta::End) && !has_answer {
                return Err(origin.bad("ended before it began"));
            }
            self.writer.relay(data, &deltas);
            self.deltas = delta::recycle(deltas);
            return Ok(());
        }
        for delta in deltas.drain(..) {
            if delta == Delta::End && !self.writer.has_begun() && !self.writer.is_finished() {
                return Err(origin.bad("ended before it began"));
            }
            self.write(delta)?;
        }
        self.deltas = delta::recycle(deltas);
        decoded
    }

    /// Returns `true` if the provider's events go to the client as they come.
    fn relays(&self) -> bool {
        self.decoder.is_original() && self.repairer.is_none()
    }

    /// Ends the client's stream at the end of the provider's, which need not have a last event.
    fn end(&mut self, origin: ResponseContext<'_>) -> Result<(), Error> {
        if self.writer.has_ended() {
            return Ok(());
        }
        if !self.writer.is_finished() {
            return Err(origin.bad("broke off"));
        }
        self.write(Delta::End)
    }

    fn write(&mut self, delta: Delta<'_>) -> Result<(), Error> {
        let Self { repairer, writer, .. } = self;
        if let Some(repairer) = repairer {
            return repairer.repair(delta, |delta| writer.write(delta));
        }
        writer.write(&delta);
        Ok(())
    }
}
