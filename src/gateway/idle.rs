//! Silences in streams. A stream without content is kept warm for a while, and then ended. Envoy has
//! no timer for this: each that would catch a provider that goes silent after its first content also
//! runs before the first content.
//!
//! A host lets a filter write into a response only when a piece of it comes. A comment that keeps a
//! stream warm is therefore sent in the place of a piece without content, such as a provider's own
//! keep-alive event.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use crate::time::Timestamp;

/// Time between two checks of all streams, and so the most that a silence may exceed its timeout.
pub const CHECK_PERIOD: Duration = Duration::from_millis(250);

/// Comment that keeps a silent stream warm. Clients ignore comments. WHATWG HTML, section 9.2.6.
pub const COMMENT: &[u8] = b":\n\n";

/// Idle timeouts of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimeouts {
    /// Time without content after which the stream is ended.
    pub idle: Duration,
    /// Time without anything for the client after which a comment is due.
    pub warm: Duration,
}

/// Activity of one stream. The stream reports what comes, and the monitor checks the clock.
#[derive(Debug)]
pub struct StreamActivity {
    timeouts: IdleTimeouts,
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
    pub fn new(timeouts: IdleTimeouts, now: Timestamp) -> Self {
        Self {
            timeouts,
            has_content: false,
            was_content: false,
            comment: Comment::NotDue,
            last_content: now,
            last_sent: now,
        }
    }

    /// Takes in a piece with content.
    pub fn on_content(&mut self) {
        self.has_content = true;
        self.was_content = true;
    }

    /// Takes in a piece without content, and returns the comment to send in its place, if any. The
    /// first such piece after content counts as content: providers send the usage so, before the end.
    pub fn on_empty_piece(&mut self) -> Option<&'static [u8]> {
        if std::mem::replace(&mut self.was_content, false) {
            self.has_content = true;
        }
        if self.comment != Comment::Due {
            return None;
        }
        self.comment = Comment::Sent;
        Some(COMMENT)
    }

    /// Checks the clock, and returns `true` if the stream has been silent for too long.
    fn check(&mut self, now: Timestamp) -> bool {
        let has_content = std::mem::replace(&mut self.has_content, false);
        if has_content {
            self.last_content = now;
        }
        if has_content || self.comment == Comment::Sent {
            self.last_sent = now;
        }
        let is_cold = now.since(self.last_sent) >= self.timeouts.warm;
        self.comment = if is_cold { Comment::Due } else { Comment::NotDue };
        now.since(self.last_content) >= self.timeouts.idle
    }
}

/// Streams under way, by the number that the shell gives them.
#[derive(Debug, Default)]
pub struct MonitoredStreams(BTreeMap<u32, Rc<RefCell<StreamActivity>>>);

impl MonitoredStreams {
    /// Adds a stream, and returns its activity.
    pub fn add(
        &mut self,
        stream: u32,
        timeouts: IdleTimeouts,
        now: Timestamp,
    ) -> Rc<RefCell<StreamActivity>> {
        let activity = Rc::new(RefCell::new(StreamActivity::new(timeouts, now)));
        self.0.insert(stream, Rc::clone(&activity));
        activity
    }

    /// Removes a stream that has ended.
    pub fn remove(&mut self, stream: u32) {
        self.0.remove(&stream);
    }

    /// Removes all streams that have been silent for too long, and returns them.
    pub fn take_silent(&mut self, now: Timestamp) -> Vec<u32> {
        let silent =
            |(_, activity): &(&u32, &Rc<RefCell<StreamActivity>>)| activity.borrow_mut().check(now);
        let silent: Vec<u32> = self.0.iter().filter(silent).map(|(stream, _)| *stream).collect();
        silent.iter().for_each(|stream| self.remove(*stream));
        silent
    }

    /// Returns `true` if no stream is under way.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const TIMEOUTS: IdleTimeouts =
        IdleTimeouts { idle: Duration::from_secs(3), warm: Duration::from_secs(1) };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_millis(millis))
    }

    /// Checks one stream every 250 ms while `piece` says what comes before each check, and returns
    /// the time at which the stream was ended, and the times of comments.
    fn play(until: u64, piece: impl Fn(u64) -> Option<&'static str>) -> (Option<u64>, Vec<u64>) {
        let mut streams = MonitoredStreams::default();
        let activity = streams.add(7, TIMEOUTS, at(0));
        let mut comments = Vec::new();
        for millis in (250..=until).step_by(250) {
            match piece(millis) {
                Some("") => {
                    comments.extend(activity.borrow_mut().on_empty_piece().map(|_| millis));
                }
                Some(_) => activity.borrow_mut().on_content(),
                None => {}
            }
            if streams.take_silent(at(millis)) == [7] {
                assert!(streams.is_empty());
                return (Some(millis), comments);
            }
        }
        assert!(!streams.is_empty());
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
    fn streams_are_checked_each_for_itself() {
        let mut streams = MonitoredStreams::default();
        let patient = IdleTimeouts { idle: Duration::from_secs(9), ..TIMEOUTS };
        streams.add(1, TIMEOUTS, at(0));
        streams.add(2, patient, at(0));
        streams.add(3, TIMEOUTS, at(2_000));
        assert_eq!(streams.take_silent(at(3_000)), [1]);
        streams.remove(2);
        assert_eq!(streams.take_silent(at(20_000)), [3]);
        assert!(streams.is_empty());
    }
}
