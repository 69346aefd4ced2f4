//! A response body that follows a list of steps.

use super::journal::Record;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// What the body does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes.
    Send(Bytes),
    /// Waits; what was sent before goes out meanwhile.
    Wait(Duration),
    /// Lets go what was sent before, so that it is a write of its own.
    Flush,
    /// Aborts the connection.
    Abort,
}

/// The connection is to be aborted: hyper closes it (HTTP/1.1) or resets the stream (HTTP/2).
#[derive(Debug)]
pub struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aborted by the script")
    }
}

impl std::error::Error for Aborted {}

/// The body.
pub struct Playback {
    steps: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    /// What `content-length` says, whatever is sent. Without it the body is chunked.
    promised: Option<u64>,
    /// Learns that everything was sent.
    record: Option<Arc<Record>>,
}

impl Playback {
    /// A body of steps with or without a promise of its length.
    pub fn new(steps: impl IntoIterator<Item = Step>, promised: Option<u64>) -> Self {
        Self { steps: steps.into_iter().collect(), pause: None, promised, record: None }
    }

    /// A body of one piece.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let promised = u64::try_from(bytes.len()).ok();
        Self::new([Step::Send(bytes)], promised)
    }

    /// Has the record told when everything is sent.
    pub fn follow(&mut self, record: Arc<Record>) {
        self.record = Some(record);
    }
}

impl Body for Playback {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match self.steps.front() {
                None => return Poll::Ready(None),
                // It stays in the list: an aborted answer is not a finished one.
                Some(Step::Abort) => return Poll::Ready(Some(Err(Aborted))),
                Some(_) => {}
            }
            match self.steps.pop_front() {
                Some(Step::Send(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Wait(duration)) => self.pause = Some(Box::pin(sleep(duration))),
                Some(Step::Flush) => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Abort) | None => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.pause.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.promised.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for Playback {
    /// hyper drops a body when it has taken all of it, or when the client is gone.
    fn drop(&mut self) {
        if let (true, Some(record)) = (self.is_end_stream(), &self.record) {
            record.finish();
        }
    }
}
