//! Silences and deadlines of streams. A stream without content is kept warm for a while, and then
//! ended. Envoy has no timer for this: each that would catch a provider that goes silent after its
//! first content also runs before the first content.
//!
//! A host lets a filter write into a response only when a piece of it comes. A comment that keeps a
//! stream warm is therefore sent in the place of a piece without content, such as a provider's own
//! keep-alive event.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use super::stream_deadline::StreamDeadline;
use crate::{handoff::filter_state::Update, metrics::Metrics, time::Timestamp};

/// Time between two checks of all streams, and so the most that a silence may exceed its timeout.
const CHECK_PERIOD: Duration = Duration::from_millis(250);

/// Comment that keeps a silent stream warm. Clients ignore comments. WHATWG HTML, section 9.2.6.
const COMMENT: &[u8] = b":\n\n";

/// Idle timeouts of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimeouts {
    /// Time without content after which the stream is ended.
    pub idle: Duration,
    /// Time without anything for the client after which a comment is due.
    pub warm: Duration,
}

/// Limits of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Timeouts of its silences.
    pub timeouts: IdleTimeouts,
    /// Deadline of the whole stream.
    pub deadline: StreamDeadline,
}

/// Activity of one stream. The stream reports what comes, and the monitor checks the clock.
#[derive(Debug)]
pub struct StreamActivity {
    limits: StreamLimits,
    overdue: Overdue,
    /// Whether content has come since the last check.
    has_content: bool,
    /// Whether the last piece had content.
    was_content: bool,
    comment: Comment,
    /// Time of the last check that found content.
    last_content: Timestamp,
    /// Time of the last check that found anything for the client.
    last_sent: Timestamp,
}

/// State of a stream with regard to its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overdue {
    /// The deadline has not passed.
    No,
    /// The deadline has passed, and an error takes the place of the next content.
    Untold,
    /// The client has the error. Whatever still comes is dropped.
    Told,
}

/// Comment that keeps a stream warm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comment {
    /// No comment is due.
    NotDue,
    /// A comment is due, once a piece without content comes.
    Due,
    /// A comment was sent since the last check.
    Sent,
}

impl StreamActivity {
    /// Creates the activity of a stream whose first content has just come.
    pub fn new(limits: StreamLimits, now: Timestamp) -> Self {
        Self {
            limits,
            overdue: Overdue::No,
            has_content: false,
            was_content: false,
            comment: Comment::NotDue,
            last_content: now,
            last_sent: now,
        }
    }

    /// Takes in a piece of the response, or its end, and returns the bytes to send in its place, if
    /// any. The provider role leaves nothing of a piece without content.
    pub fn on_piece(&mut self, size: usize, end: bool) -> Option<Cow<'static, [u8]>> {
        match size {
            0 if end => None,
            0 => self.on_empty_piece().map(Cow::Borrowed),
            _ => self.on_content().map(Cow::Owned),
        }
    }

    /// Takes in a piece with content, and returns the bytes to send in its place, if any.
    fn on_content(&mut self) -> Option<Vec<u8>> {
        self.has_content = true;
        self.was_content = true;
        match self.overdue {
            Overdue::No => None,
            Overdue::Untold => {
                self.overdue = Overdue::Told;
                Some(self.limits.deadline.event())
            }
            Overdue::Told => Some(Vec::new()),
        }
    }

    /// Takes in a piece without content, and returns the comment to send in its place, if any. The
    /// first such piece after content counts as content: providers send the usage so, before the end.
    fn on_empty_piece(&mut self) -> Option<&'static [u8]> {
        if std::mem::replace(&mut self.was_content, false) {
            self.has_content = true;
        }
        if self.comment != Comment::Due {
            return None;
        }
        self.comment = Comment::Sent;
        Some(COMMENT)
    }

    /// Checks the clock, and returns `true` if the stream has to end: it has been silent for too long,
    /// or the client knows that its deadline has passed.
    fn check(&mut self, now: Timestamp) -> bool {
        if self.overdue == Overdue::No && now >= self.limits.deadline.due {
            self.overdue = Overdue::Untold;
        }
        let has_content = std::mem::replace(&mut self.has_content, false);
        if has_content {
            self.last_content = now;
        }
        if has_content || self.comment == Comment::Sent {
            self.last_sent = now;
        }
        let IdleTimeouts { idle, warm } = self.limits.timeouts;
        let is_cold = now.since(self.last_sent) >= warm;
        self.comment = if is_cold { Comment::Due } else { Comment::NotDue };
        self.overdue == Overdue::Told || now.since(self.last_content) >= idle
    }
}

/// Counts the error of a stream that was silent for too long, or longer than its deadline.
pub fn record_silence(metrics: &Metrics) -> Update {
    metrics.count_error(SILENCE);
    Update { error: Some(SILENCE.to_owned()), ..Update::default() }
}

/// Reason of the error, as that of `Error::Timeout`.
const SILENCE: &str = "timeout";

/// Streams under way, by the number that the shell gives them.
#[derive(Debug, Default)]
pub struct MonitoredStreams {
    streams: BTreeMap<u32, Rc<RefCell<StreamActivity>>>,
    /// Whether the shell was asked for a check that has not come yet.
    is_check_due: bool,
}

impl MonitoredStreams {
    /// Adds a stream. Returns its activity, and the moment of the next check if none is due yet.
    pub fn add(
        &mut self,
        stream: u32,
        limits: StreamLimits,
        now: Timestamp,
    ) -> (Rc<RefCell<StreamActivity>>, Option<Timestamp>) {
        let activity = Rc::new(RefCell::new(StreamActivity::new(limits, now)));
        self.streams.insert(stream, Rc::clone(&activity));
        let was_due = std::mem::replace(&mut self.is_check_due, true);
        (activity, (!was_due).then(|| now.plus(CHECK_PERIOD)))
    }

    /// Removes a stream that has ended.
    pub fn remove(&mut self, stream: u32) {
        self.streams.remove(&stream);
    }

    /// Checks all streams. Returns those that have to end, which are removed, and the moment of the next check if streams remain.
    pub fn check(&mut self, now: Timestamp) -> (Vec<u32>, Option<Timestamp>) {
        let has_to_end =
            |(_, activity): &(&u32, &Rc<RefCell<StreamActivity>>)| activity.borrow_mut().check(now);
        let ending = self.streams.iter().filter(has_to_end).map(|(stream, _)| *stream);
        let ending: Vec<u32> = ending.collect();
        ending.iter().for_each(|stream| self.remove(*stream));
        self.is_check_due = !self.streams.is_empty();
        (ending, self.is_check_due.then(|| now.plus(CHECK_PERIOD)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chat::envelope::Envelope, inlet::Inlet};

    const IDLE: Duration = Duration::from_secs(3);

    fn limits(idle: Duration, limit: Duration) -> StreamLimits {
        let timeouts = IdleTimeouts { idle, warm: Duration::from_secs(1) };
        let envelope = Envelope::default();
        let deadline =
            StreamDeadline { limit, due: at(0).plus(limit), envelope, inlet: Inlet::Chat };
        StreamLimits { timeouts, deadline }
    }

    fn endless(idle: Duration) -> StreamLimits {
        limits(idle, Duration::from_secs(9_999))
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    /// Checks one stream every 250 ms while `piece` says what comes before each check, and returns
    /// the time at which the stream was ended, and the times of comments.
    fn play(until: u64, piece: impl Fn(u64) -> Option<&'static str>) -> (Option<u64>, Vec<u64>) {
        let mut streams = MonitoredStreams::default();
        let (activity, mut next) = streams.add(7, endless(IDLE), at(0));
        let mut comments = Vec::new();
        for millis in (250..=until).step_by(250) {
            if let Some(text) = piece(millis) {
                let comment = activity.borrow_mut().on_piece(text.len(), false);
                comments.extend(comment.map(|_| millis));
            }
            assert_eq!(next, Some(at(millis)));
            let silent;
            (silent, next) = streams.check(at(millis));
            if silent == [7] {
                assert_eq!(next, None);
                return (Some(millis), comments);
            }
        }
        (None, comments)
    }

    #[test]
    fn a_silent_stream_ends_after_its_timeout() {
        assert_eq!(play(10_000, |_| None), (Some(3_000), vec![]));
        let early = |millis| (millis <= 1_000).then_some("text");
        assert_eq!(play(10_000, early), (Some(4_000), vec![]));
    }

    #[test]
    fn content_keeps_a_stream_open_and_needs_no_comment() {
        assert_eq!(play(10_000, |millis| (millis % 750 == 0).then_some("text")), (None, vec![]));
    }

    #[test]
    fn pieces_without_content_become_comments_until_the_timeout() {
        assert_eq!(play(10_000, |_| Some("")), (Some(3_000), vec![1_250, 2_500]));
    }

    #[test]
    fn the_first_piece_without_content_counts_as_content() {
        let pieces = |millis| if millis == 250 { Some("text") } else { Some("") };
        assert_eq!(play(10_000, pieces), (Some(3_500), vec![1_750, 3_000]));
    }

    #[test]
    fn a_comment_waits_for_a_piece() {
        let late = |millis| (millis == 2_000).then_some("");
        assert_eq!(play(2_750, late), (None, vec![2_000]));
    }

    #[test]
    fn a_stream_that_flows_ends_at_its_deadline_with_an_error() {
        let mut streams = MonitoredStreams::default();
        let limits = limits(IDLE, Duration::from_secs(2));
        let (activity, _) = streams.add(7, limits, at(0));
        let content = || activity.borrow_mut().on_piece(9, false);
        assert!(streams.check(at(1_750)).0.is_empty());
        assert_eq!(content(), None);
        assert!(streams.check(at(2_000)).0.is_empty());
        let event = String::from_utf8(content().unwrap().into_owned()).unwrap();
        assert!(event.starts_with("data: {"), "{event}");
        assert!(event.contains("\"the stream reached its deadline of 2 s\""), "{event}");
        assert!(event.ends_with("}\n\n") && !event.contains("[DONE]"), "{event}");
        assert_eq!(content().as_deref(), Some(&b""[..]));
        assert_eq!(streams.check(at(2_250)), (vec![7], None));
    }

    #[test]
    fn a_silent_stream_past_its_deadline_ends_by_its_silence() {
        let mut streams = MonitoredStreams::default();
        streams.add(7, limits(IDLE, Duration::from_secs(1)), at(0));
        assert!(streams.check(at(2_750)).0.is_empty());
        assert_eq!(streams.check(at(3_000)).0, [7]);
    }

    #[test]
    fn streams_are_checked_each_for_itself() {
        let mut streams = MonitoredStreams::default();
        let patient = endless(Duration::from_secs(9));
        assert_eq!(streams.add(1, endless(IDLE), at(0)).1, Some(at(250)));
        assert_eq!(streams.add(2, patient, at(0)).1, None);
        streams.add(3, endless(IDLE), at(2_000));
        assert_eq!(streams.check(at(3_000)), (vec![1], Some(at(3_250))));
        streams.remove(2);
        assert_eq!(streams.check(at(20_000)), (vec![3], None));
        assert_eq!(streams.add(4, endless(IDLE), at(20_100)).1, Some(at(20_350)));
    }
}
