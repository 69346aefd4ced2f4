//! From an answer and a script to bytes on the wire: what is sent, in which frames, and when.

use super::answer::Answer;
use super::events::{Events, split};
use super::gzip;
use super::playback::{Playback, Step};
use super::request::{Asked, Delivery};
use super::schema::{ApiSchema, Fault};
use super::script::{Ending, Head, LONGEST_WAIT, Script, Verbatim};
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use std::time::Duration;

/// How long hyper gets to send what it has before the connection is aborted. Our own number: a
/// write to the same machine takes microseconds.
const BEFORE_ABORT: Duration = Duration::from_millis(10);

/// A response, and what happens before its head.
pub struct Reply {
    /// How long the head waits.
    pub delay: Duration,
    /// What becomes of the head.
    pub head: Head,
    /// What is sent.
    pub response: Response<Playback>,
}

impl Reply {
    /// A response without a script.
    pub fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(Playback::whole(body));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { delay: Duration::ZERO, head: Head::Sent, response }
    }

    /// The vendor's complaint about a request.
    pub fn refused(schema: ApiSchema, message: String) -> Self {
        let fault = Fault { status: StatusCode::BAD_REQUEST, message, retry_after: None };
        Self::plain(fault.status, "application/json", schema.error(&fault))
    }

    /// The response a script asks for; the default script asks for nothing unusual.
    pub fn scripted(schema: ApiSchema, asked: &Asked, script: &Script, serial: u64) -> Self {
        let scene = Scene { schema, asked, script };
        let content = scene.content(serial);
        let content_type =
            script.content_type.clone().unwrap_or_else(|| content.content_type(schema));
        let mut response = Response::new(scene.playback(content));
        *response.status_mut() = script.status.unwrap_or_default();
        let headers = response.headers_mut();
        *headers = schema.headers(serial);
        headers.insert(CONTENT_TYPE, content_type);
        if let Some(seconds) = scene.retry_after_header() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if script.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.extend(script.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self { delay: script.head_delay, head: script.head, response }
    }
}

/// What a body is made of, and so what a script counts.
enum Content {
    /// Bytes.
    Whole(Bytes),
    /// Events.
    Events(Vec<Bytes>),
}

impl Content {
    fn content_type(&self, schema: ApiSchema) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Whole(_) => "application/json",
            Self::Events(_) => schema.stream_type(),
        })
    }

    /// The first `count` bytes or events.
    fn truncate(self, count: usize) -> Vec<Bytes> {
        match self {
            Self::Whole(bytes) => vec![bytes.slice(..count.min(bytes.len()))],
            Self::Events(mut events) => {
                events.truncate(count);
                events
            }
        }
    }
}

/// What a reply depends on.
struct Scene<'a> {
    schema: ApiSchema,
    asked: &'a Asked<'a>,
    script: &'a Script,
}

impl Scene<'_> {
    fn content(&self, serial: u64) -> Content {
        if let Some(verbatim) = &self.script.verbatim {
            return self.verbatim(verbatim);
        }
        if let Some(fault) = self.fault() {
            return Content::Whole(self.schema.error(&fault).into());
        }
        let answer = Answer::new(self.asked, self.script, serial);
        if self.asked.delivery == Delivery::Whole {
            return Content::Whole(self.schema.whole(&answer).into());
        }
        let mut events = self.events();
        self.schema.stream(&answer, &mut events);
        Content::Events(events.into_frames())
    }

    fn verbatim(&self, verbatim: &Verbatim) -> Content {
        match verbatim {
            Verbatim::Body(body) => Content::Whole(body.clone().into()),
            Verbatim::Sse(stream) => Content::Events(split(&stream.clone().into())),
            Verbatim::Endless(length) => {
                let mut line = b"data: ".to_vec();
                line.resize(*length, b'x');
                match self.asked.delivery {
                    Delivery::Whole => Content::Whole(line.into()),
                    _ => Content::Events(vec![line.into()]),
                }
            }
        }
    }

    /// The error to send instead of an answer.
    fn fault(&self) -> Option<Fault> {
        let retry_after = self.script.retry_after;
        let status = self.script.status.unwrap_or_default();
        if status.is_client_error() || status.as_u16() >= 500 {
            return Some(Fault { retry_after, ..Fault::scripted(status) });
        }
        let fails = matches!(self.script.ending, Some((_, Ending::Error)));
        let late = fails && self.asked.delivery == Delivery::Whole;
        late.then(|| Fault { retry_after, ..self.schema.late_fault() })
    }

    /// Google tells in the body of its errors.
    fn retry_after_header(&self) -> Option<u32> {
        let in_body = self.schema == ApiSchema::Gemini && self.script.verbatim.is_none();
        self.script.retry_after.filter(|_| !in_body)
    }

    fn events(&self) -> Events {
        Events::new(if self.script.crlf { "\r\n" } else { self.schema.line_end() })
    }

    fn playback(&self, content: Content) -> Playback {
        let promised = self.promised(&content);
        let frames = self.frames(content);
        Playback::new(self.steps(frames), promised)
    }

    /// What `content-length` says: the whole length if the rest is held back, the real one if the
    /// body ends early by intention.
    fn promised(&self, content: &Content) -> Option<u64> {
        let Content::Whole(bytes) = content else { return None };
        let length = match self.script.ending {
            Some((count, Ending::Early)) => count.min(bytes.len()),
            _ => bytes.len(),
        };
        u64::try_from(length).ok().filter(|_| !self.script.gzip)
    }

    /// What is sent, frame by frame.
    fn frames(&self, content: Content) -> Vec<Bytes> {
        let is_stream = matches!(content, Content::Events(_));
        let mut frames = match self.script.ending {
            // Instead of a document the error is all there is.
            Some((_, Ending::Error)) if !is_stream => content.truncate(usize::MAX),
            Some((count, Ending::Error)) => self.with_error(content.truncate(count)),
            Some((count, _)) => content.truncate(count),
            None => content.truncate(usize::MAX),
        };
        if self.script.ping && is_stream {
            frames = self.with_pings(frames);
        }
        if self.script.gzip {
            frames = gzip::wrap(&frames);
        }
        if self.script.gzip && self.is_aborted() {
            frames.pop();
        }
        match self.script.chunk {
            Some(size) => rechunk(&frames, size),
            None => frames,
        }
    }

    fn with_error(&self, mut frames: Vec<Bytes>) -> Vec<Bytes> {
        let mut events = self.events();
        self.schema.error_event(&self.schema.late_fault(), &mut events);
        frames.extend(events.into_frames());
        frames
    }

    /// A ping before every event and one after the last.
    fn with_pings(&self, frames: Vec<Bytes>) -> Vec<Bytes> {
        let mut events = self.events();
        self.schema.ping(&mut events);
        let ping = Bytes::from(events.into_frames().concat());
        let mut pinged = vec![ping.clone()];
        pinged.extend(frames.into_iter().flat_map(|frame| [frame, ping.clone()]));
        pinged
    }

    fn is_aborted(&self) -> bool {
        matches!(self.script.ending, Some((_, Ending::Cut | Ending::Hang)))
    }

    fn steps(&self, frames: Vec<Bytes>) -> Vec<Step> {
        let between = match (self.script.delay, self.script.chunk) {
            (Duration::ZERO, None) => None,
            (Duration::ZERO, Some(_)) => Some(Step::Flush),
            (delay, _) => Some(Step::Wait(delay)),
        };
        let mut steps = Vec::with_capacity(frames.len() + 2);
        for frame in frames {
            steps.extend(between.clone().filter(|_| !steps.is_empty()));
            steps.push(Step::Send(frame));
        }
        match self.script.ending {
            Some((_, Ending::Cut)) => steps.extend([Step::Wait(BEFORE_ABORT), Step::Abort]),
            Some((_, Ending::Hang)) => steps.extend([Step::Wait(LONGEST_WAIT), Step::Abort]),
            _ => {}
        }
        steps
    }
}

/// The same bytes in frames of `size`, the last one shorter.
fn rechunk(frames: &[Bytes], size: usize) -> Vec<Bytes> {
    let whole = Bytes::from(frames.concat());
    let starts = (0..whole.len()).step_by(size);
    starts.map(|start| whole.slice(start..whole.len().min(start + size))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::*;

    const STREAMED: &[u8] =
        br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    const WHOLE: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

    fn steps(request: &[u8], directive: &str) -> Vec<Step> {
        let script = script::parse(directive).unwrap().remove(0);
        let asked = ApiSchema::OpenAi.read("", request).unwrap();
        let scene = Scene { schema: ApiSchema::OpenAi, asked: &asked, script: &script };
        scene.steps(scene.frames(scene.content(1)))
    }

    fn sent(steps: &[Step]) -> String {
        let frames = steps.iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes.as_ref()),
            _ => None,
        });
        String::from_utf8(frames.collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn the_usual_answer_is_frames_without_a_wait() {
        let steps = steps(STREAMED, "");
        // The role, three words, the finish and the end.
        assert_eq!(steps.len(), 6);
        assert!(steps.iter().all(|step| matches!(step, Step::Send(_))));
        assert!(sent(&steps).ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn an_ending_counts_events_or_bytes() {
        assert_eq!(steps(STREAMED, "cut=2")[2..], [Step::Wait(BEFORE_ABORT), Step::Abort]);
        assert_eq!(steps(STREAMED, "hang=0"), [Step::Wait(LONGEST_WAIT), Step::Abort]);
        assert_eq!(steps(STREAMED, "end=2").len(), 2);
        assert_eq!(sent(&steps(WHOLE, "cut=9")), "{\"id\":\"ch");
    }

    #[test]
    fn an_error_takes_the_place_of_the_rest() {
        let streamed = steps(STREAMED, "error-after=1");
        assert_eq!(streamed.len(), 2);
        assert!(sent(&streamed[1..]).starts_with("data: {\"error\":"));
        assert_eq!(steps(STREAMED, "error-first").len(), 1);
        assert!(sent(&steps(WHOLE, "error-first")).starts_with("{\"error\":"));
    }

    #[test]
    fn frames_are_cut_and_flushed_one_by_one() {
        let chunked = steps(STREAMED, "chunk=7");
        assert_eq!(sent(&chunked).len(), sent(&steps(STREAMED, "")).len());
        assert_eq!(chunked[1], Step::Flush);
        let delayed = steps(STREAMED, "delay=5");
        assert_eq!(delayed[1], Step::Wait(Duration::from_millis(5)));
        assert_eq!(delayed.len(), 2 * 6 - 1);
    }

    #[test]
    fn pings_are_not_counted() {
        assert_eq!(steps(STREAMED, "ping end=2").len(), 2 * 2 + 1);
    }

    #[test]
    fn what_a_script_gives_is_sent_as_it_is() {
        // `YTpiCgo` is "a:b\n\n".
        assert_eq!(sent(&steps(STREAMED, "sse=YTpiCgo crlf")), "a:b\n\n");
        assert_eq!(sent(&steps(WHOLE, "status=500 body=YTpiCgo")), "a:b\n\n");
        assert_eq!(sent(&steps(STREAMED, "endless=9")), "data: xxx");
    }
}
