//! Events of a stream, in either of two framings: server-sent events, or the binary messages of AWS,
//! `application/vnd.amazon.eventstream`. AWS, *Smithy*, "Event stream specification".

use crate::sse::{MAX_EVENT, SseDecoder};

/// Media type of AWS's framing.
pub const AWS_EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Decoder of events in the framing that the head of the response names.
#[derive(Debug)]
pub enum EventDecoder {
    /// Server-sent events: the data of each.
    Sse(SseDecoder),
    /// Messages of AWS: `{"TYPE": PAYLOAD}` for each.
    Aws(MessageDecoder),
}

/// Fault of a stream that cannot be cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingFault {
    /// An event is longer than [`MAX_EVENT`].
    TooLong,
    /// A message is not what its checksums say.
    Corrupt,
}

impl FramingFault {
    /// Returns the problem of the stream.
    pub fn problem(self) -> &'static str {
        match self {
            Self::TooLong => "holds an event longer than 4 MiB",
            Self::Corrupt => "holds a message that its checksums do not fit",
        }
    }
}

impl EventDecoder {
    /// Returns whether a content type is that of a stream of events.
    pub fn reads(content_type: &str) -> bool {
        ["text/event-stream", AWS_EVENT_STREAM].iter().any(|own| content_type.starts_with(own))
    }

    /// Creates a decoder for the body behind a content type.
    pub fn new(content_type: &str) -> Self {
        if content_type.starts_with(AWS_EVENT_STREAM) {
            Self::Aws(MessageDecoder::default())
        } else {
            Self::Sse(SseDecoder::default())
        }
    }

    /// Takes in a chunk, and hands each event that it completes to `event`.
    pub fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8])) -> Result<(), FramingFault> {
        match self {
            Self::Sse(decoder) => decoder.feed(chunk, event).map_err(|_| FramingFault::TooLong),
            Self::Aws(decoder) => decoder.feed(chunk, &mut event),
        }
    }

    /// Takes in the end of the stream. Returns true if an event lacked its end, and was handed on.
    pub fn finish(&mut self, event: impl FnMut(&[u8])) -> bool {
        match self {
            Self::Sse(decoder) => decoder.finish(event),
            Self::Aws(_) => false,
        }
    }
}

/// Decoder that reassembles messages of AWS from chunks cut at arbitrary bytes.
#[derive(Debug, Default)]
pub struct MessageDecoder {
    /// The beginning of a message that is not complete.
    rest: Vec<u8>,
    /// The event in progress. Its memory is kept for the next one.
    event: Vec<u8>,
}

/// Length of the fields in front of the headers: the message's length, the headers' length, and the
/// checksum of both.
const PRELUDE: usize = 12;

/// Length of a checksum.
const CHECKSUM: usize = 4;

impl MessageDecoder {
    fn feed(&mut self, chunk: &[u8], event: &mut dyn FnMut(&[u8])) -> Result<(), FramingFault> {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(chunk);
        let mut start = 0;
        while let Some(message) = Message::parse(rest.get(start..).unwrap_or_default())? {
            start += message.length;
            self.event.clear();
            message.write(&mut self.event);
            event(&self.event);
        }
        rest.drain(..start);
        self.rest = rest;
        Ok(())
    }
}

/// One message.
struct Message<'m> {
    /// Number of bytes, all fields included.
    length: usize,
    headers: &'m [u8],
    payload: &'m [u8],
}

impl<'m> Message<'m> {
    /// Parses the message at the beginning of `bytes`. `None`: it is not complete.
    fn parse(bytes: &'m [u8]) -> Result<Option<Self>, FramingFault> {
        let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else { return Ok(None) };
        let mut fields = Fields(prelude);
        let (length, headers) = (fields.length(4), fields.length(4));
        check(prelude)?;
        let least = headers.unwrap_or(MAX_EVENT).saturating_add(PRELUDE + CHECKSUM);
        let length = length.filter(|length| *length >= least).ok_or(FramingFault::Corrupt)?;
        if length > MAX_EVENT {
            return Err(FramingFault::TooLong);
        }
        let Some((message, _)) = bytes.split_at_checked(length) else { return Ok(None) };
        check(message)?;
        let mut fields = Fields(message);
        fields.take(PRELUDE);
        let headers = headers.and_then(|length| fields.take(length)).unwrap_or_default();
        let payload = fields.0.len().checked_sub(CHECKSUM).and_then(|length| fields.take(length));
        Ok(Some(Self { length, headers, payload: payload.unwrap_or_default() }))
    }

    /// Writes the message as an object, by the type of its event or exception.
    fn write(&self, out: &mut Vec<u8>) {
        let names = [":event-type", ":exception-type", ":error-code"];
        let kind = names.iter().find_map(|name| self.header(name.as_bytes()));
        // Types are words: anything else would not be a key.
        let kind = kind.filter(|kind| kind.iter().all(u8::is_ascii_alphanumeric));
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(kind.unwrap_or(b"unknown"));
        out.extend_from_slice(b"\":");
        out.extend_from_slice(if self.payload.is_empty() { b"{}" } else { self.payload });
        out.push(b'}');
    }

    /// Returns the value of a header that is a text.
    fn header(&self, name: &[u8]) -> Option<&'m [u8]> {
        let mut fields = Fields(self.headers);
        loop {
            let length = fields.length(1)?;
            let own = fields.take(length)?;
            let (is_text, length) = match fields.length(1)? {
                0 | 1 => (false, 0),
                2 => (false, 1),
                3 => (false, 2),
                4 => (false, 4),
                5 | 8 => (false, 8),
                6 => (false, fields.length(2)?),
                7 => (true, fields.length(2)?),
                9 => (false, 16),
                _ => return None,
            };
            let value = fields.take(length)?;
            if is_text && own == name {
                return Some(value);
            }
        }
    }
}

/// Reader of fields of known lengths.
struct Fields<'m>(&'m [u8]);

impl<'m> Fields<'m> {
    fn take(&mut self, length: usize) -> Option<&'m [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    /// Reads a number of `size` bytes, the highest first.
    fn length(&mut self, size: usize) -> Option<usize> {
        let bytes = self.take(size)?;
        let number = bytes.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        usize::try_from(number).ok()
    }
}

/// Checks bytes that end with their checksum.
fn check(bytes: &[u8]) -> Result<(), FramingFault> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(FramingFault::Corrupt)?;
    let is_right = crc32(content) == u32::from_be_bytes(*checksum);
    is_right.then_some(()).ok_or(FramingFault::Corrupt)
}

/// Returns the checksum of gzip: RFC 1952, section 8.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..2 {
            let entry = NIBBLES.get((crc & 15) as usize).copied().unwrap_or_default();
            crc = (crc >> 4) ^ entry;
        }
    }
    !crc
}

/// Remainders of the four lowest bits.
const NIBBLES: [u32; 16] = {
    let mut table = [0; 16];
    let mut index = 0;
    while index < 16 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "a constant within its bounds")]
        {
            table[index as usize] = crc;
        }
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn text_header(name: &str, value: &str) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        let name_length = u8::try_from(name.len()).unwrap();
        [&[name_length], name.as_bytes(), &[7], &length, value.as_bytes()].concat()
    }

    fn message(headers: &[u8], payload: &str) -> Vec<u8> {
        let total = PRELUDE + headers.len() + payload.len() + CHECKSUM;
        let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let mut out = [number(total), number(headers.len())].concat();
        out.extend(crc32(&out).to_be_bytes());
        out.extend_from_slice(headers);
        out.extend_from_slice(payload.as_bytes());
        out.extend(crc32(&out).to_be_bytes());
        out
    }

    fn events(chunks: &[&[u8]]) -> (Vec<String>, Result<(), FramingFault>) {
        let (mut decoder, mut events) = (EventDecoder::new(AWS_EVENT_STREAM), Vec::new());
        let mut keep = |data: &[u8]| events.push(String::from_utf8_lossy(data).into_owned());
        let fed = chunks.iter().try_for_each(|chunk| decoder.feed(chunk, &mut keep));
        assert!(!decoder.finish(&mut keep));
        (events, fed)
    }

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // The prelude of the smallest message: Smithy, "Event stream specification", its vectors.
        assert_eq!(crc32(&[0, 0, 0, 16, 0, 0, 0, 0]), 0x05c2_48eb);
    }

    #[test]
    fn every_cut_yields_the_same_events() {
        let others = [
            [b"\x01a\x00".as_slice(), b"\x01b\x02\x07", b"\x01c\x03\x00\x01"].concat(),
            [b"\x01d\x04\x00\x00\x00\x01".as_slice(), b"\x01e\x05\x00\x00\x00\x00\x00\x00\x00\x01"]
                .concat(),
            [b"\x01f\x06\x00\x02xy".as_slice(), b"\x01g\x08\x00\x00\x00\x00\x00\x00\x00\x01"]
                .concat(),
            [b"\x01h\x09".as_slice(), &[0; 16], &text_header(":event-type", "metadata")].concat(),
        ];
        let stream = [
            message(&text_header(":event-type", "messageStart"), r#"{"role":"assistant"}"#),
            message(&others.concat(), r#"{"é":1}"#),
            message(&text_header(":exception-type", "throttlingException"), r#"{"message":"m"}"#),
            message(&text_header(":error-code", "\"}"), ""),
            message(b"", "1"),
        ]
        .concat();
        let (whole, fed) = events(&[&stream]);
        assert_eq!(fed, Ok(()));
        let expected = [
            r#"{"messageStart":{"role":"assistant"}}"#,
            r#"{"metadata":{"é":1}}"#,
            r#"{"throttlingException":{"message":"m"}}"#,
            r#"{"unknown":{}}"#,
            r#"{"unknown":1}"#,
        ];
        assert_eq!(whole, expected);
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(events(&[head, tail]).0, whole, "cut at byte {cut}");
        }
        assert_eq!(events(&stream.chunks(1).collect::<Vec<_>>()).0, whole, "byte by byte");
    }

    #[test]
    fn a_changed_byte_is_noticed_before_its_event() {
        let stream = message(&text_header(":event-type", "metadata"), "{}");
        for place in 0..stream.len() {
            let mut wrong = stream.clone();
            wrong[place] ^= 1;
            assert_eq!(events(&[&wrong]), (Vec::new(), Err(FramingFault::Corrupt)), "{place}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_by_its_prelude() {
        let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let prelude = |total: usize, headers: usize| {
            let mut out = [number(total), number(headers)].concat();
            out.extend(crc32(&out).to_be_bytes());
            out
        };
        let fault = |prelude: &[u8]| events(&[prelude]).1;
        assert_eq!(fault(&prelude(MAX_EVENT, 0)), Ok(()));
        assert_eq!(fault(&prelude(MAX_EVENT + 1, 0)), Err(FramingFault::TooLong));
        for (total, headers) in [(15, 0), (16, 1), (0, 0), (100, u32::MAX as usize)] {
            assert_eq!(fault(&prelude(total, headers)), Err(FramingFault::Corrupt), "{total}");
        }
    }
}
