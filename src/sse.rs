//! Server-sent events, as far as providers use them: the `data` of each event.
//!
//! WHATWG HTML, section 9.2.6. Left out on purpose: `event`, `id` and `retry` fields, because every
//! API schema repeats the event's type inside its data.

use memchr::memchr2;

/// The maximum length of an event, in bytes: images and long tool arguments arrive in one piece.
pub const MAX_EVENT: usize = 4 << 20;

/// Decoder that reassembles events from chunks cut at arbitrary bytes.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// Bytes after the last complete line. Invariant: holds no line end.
    rest: Vec<u8>,
    /// True after a `\r`, which ends a line alone: a `\n` right behind it belongs to the same end.
    after_return: bool,
    /// Lines of the event in progress, joined by `\n`. Not valid while `lines` is 0: the memory is
    /// kept for the next event.
    data: Vec<u8>,
    /// The number of lines in `data`.
    lines: usize,
    /// True once a byte has arrived: a byte order mark is permitted at the very beginning only.
    started: bool,
}

/// Error for an event longer than [`MAX_EVENT`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl SseDecoder {
    /// Takes in a chunk and hands the data of each event it completes to `event`. A line ends with
    /// `\n`, `\r\n` or `\r`.
    pub fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut chunk = self.skip_mark(chunk);
        if self.after_return && !chunk.is_empty() {
            self.after_return = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = memchr2(b'\n', b'\r', chunk) {
            let (line, tail) = chunk.split_at(end);
            chunk = self.skip_line_end(tail);
            if self.rest.is_empty() {
                self.line(line, &mut event)?;
            } else {
                self.keep(line)?;
                let whole = std::mem::take(&mut self.rest);
                self.line(&whole, &mut event)?;
                self.rest = whole;
                self.rest.clear();
            }
        }
        self.keep(chunk)
    }

    /// Takes in the end of the stream. An event that lacks only its blank line is complete: some
    /// providers omit it. Returns true if there was such an event.
    pub fn finish(&mut self, mut event: impl FnMut(&[u8])) -> bool {
        let last = std::mem::take(&mut self.rest);
        let there = self.line(&last, &mut event).is_ok() && self.lines > 0;
        self.dispatch(&mut event);
        there
    }

    /// Passes on the event in progress, if there is one.
    fn dispatch(&mut self, event: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.lines) > 0 {
            event(&self.data);
            self.data.clear();
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.rest.len() + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes in a line without its end.
    fn line(&mut self, line: &[u8], event: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        if line.is_empty() {
            self.dispatch(event);
            return Ok(());
        }
        match line.strip_prefix(b"data") {
            Some([]) => self.append(b""),
            Some([b':', value @ ..]) => self.append(value.strip_prefix(b" ").unwrap_or(value)),
            _ => Ok(()),
        }
    }

    fn append(&mut self, value: &[u8]) -> Result<(), TooLong> {
        if self.data.len() + value.len() >= MAX_EVENT {
            return Err(TooLong);
        }
        if self.lines > 0 {
            self.data.push(b'\n');
        }
        self.lines += 1;
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// Returns the bytes after the line end that `bytes` begins with.
    fn skip_line_end<'c>(&mut self, bytes: &'c [u8]) -> &'c [u8] {
        match bytes {
            [b'\r', b'\n', after @ ..] => after,
            [b'\r'] => {
                self.after_return = true;
                &[]
            }
            [_, after @ ..] => after,
            [] => &[],
        }
    }

    fn skip_mark<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        if self.started || chunk.is_empty() {
            return chunk;
        }
        self.started = true;
        chunk.strip_prefix("\u{feff}".as_bytes()).unwrap_or(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\ndata: {\"é\":1}\n\nevent: x\nid: 7\ndata:a\ndata: b\n\n\n\
                          data\n\ndatum: no\n\ndata: [DONE]\n\ndata: last";

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let (mut decoder, mut events) = (SseDecoder::default(), Vec::new());
        let mut keep = |data: &[u8]| events.push(String::from_utf8_lossy(data).into_owned());
        for chunk in chunks {
            decoder.feed(chunk, &mut keep).unwrap();
        }
        decoder.finish(&mut keep);
        events
    }

    #[test]
    fn every_cut_yields_the_same_events() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', end);
            let whole = events(&[stream.as_bytes()]);
            assert_eq!(whole, ["{\"é\":1}", "a\nb", "", "[DONE]", "last"]);
            for cut in 0..=stream.len() {
                let (head, tail) = stream.as_bytes().split_at(cut);
                assert_eq!(events(&[head, tail]), whole, "cut at byte {cut}");
            }
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(events(&bytes), whole, "byte by byte");
        }
    }

    #[test]
    fn line_ends_may_be_mixed() {
        let stream = b"data: a\r\rdata: b\n\rdata: c\r\n\ndata: d\r\r\ndata: e\r\n\r\n";
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        for chunks in [vec![stream.as_slice()], bytes] {
            assert_eq!(events(&chunks), ["a", "b", "c", "d", "e"]);
        }
    }

    #[test]
    fn an_event_leaves_at_its_blank_line_whatever_ends_it() {
        for stream in ["data: a\n\n", "data: a\r\n\r", "data: a\r\r"] {
            let (mut decoder, mut count) = (SseDecoder::default(), 0);
            decoder.feed(stream.as_bytes(), |_| count += 1).unwrap();
            assert_eq!(count, 1, "{stream:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        assert_eq!(events(&["\u{feff}data: a\n\n".as_bytes()]), ["a"]);
        assert_eq!(events(&[b"data: a\n\n", "\u{feff}data: b\n\n".as_bytes()]), ["a"]);
    }

    #[test]
    fn an_endless_line_is_refused_and_so_is_an_endless_event() {
        let chunk = vec![b'x'; MAX_EVENT / 2 + 1];
        let mut decoder = SseDecoder::default();
        assert_eq!(decoder.feed(&chunk, |_| ()), Ok(()));
        assert_eq!(decoder.feed(&chunk, |_| ()), Err(TooLong));
        let line = [b"data: ", chunk.as_slice(), b"\n"].concat();
        let mut decoder = SseDecoder::default();
        assert_eq!(decoder.feed(&line, |_| ()), Ok(()));
        assert_eq!(decoder.feed(&line, |_| ()), Err(TooLong));
    }
}
