//! The state that the writers of all streams beside the chat API's have in common.

use super::{
    call_queue::CallQueue,
    carried::{CarriedData, joined_details},
};
use crate::{
    chat::{
        delta::{Delta, MAX_ITEMS},
        finish::Finish,
        text::Text,
        usage::Usage,
    },
    sse::MAX_EVENT,
};

/// State of a stream that is being written.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// `true` once the beginning of the answer is written.
    opened: bool,
    /// `true` once the client has been told something. See [`Delta::is_noticeable`].
    begun: bool,
    /// `true` once the stream has ended, in its last event or in an error.
    pub(crate) ended: bool,
    /// Last count of tokens, if there was one.
    pub(crate) usage: Option<Usage>,
    /// Finish reason, once there is one.
    pub(crate) finish: Option<Finish>,
    /// Calls, of which one is open.
    pub(crate) calls: CallQueue,
    /// Text that came before the arguments of the open call were complete, escaped.
    late_text: String,
    /// Entries of `reasoning_details` that are not written yet, and their length.
    details: (Vec<String>, usize),
}

impl StreamState {
    /// Returns `true` once a client would notice the stream: content, a call, a finish of another kind
    /// than `stop`, an error.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Returns `true` if the beginning of the answer is written.
    pub(crate) fn is_opened(&self) -> bool {
        self.opened
    }

    /// Takes note of the beginning of the answer. Returns `true` the first time.
    pub(crate) fn open(&mut self) -> bool {
        !std::mem::replace(&mut self.opened, true)
    }

    /// Takes note of a delta, whether it is written or not.
    pub(crate) fn note(&mut self, delta: &Delta<'_>) {
        self.begun |= delta.is_noticeable() && !delta.is_empty();
        if let Delta::Usage(usage) = delta {
            self.usage = Some(*usage);
        }
    }

    /// Takes note of a delta. Returns `true` if it is to be written: a delta of the first choice that
    /// comes before the finish, or the end.
    pub(crate) fn admits(&mut self, delta: &Delta<'_>) -> bool {
        if delta.is_empty() || self.ended || delta.choice().is_some_and(|choice| choice > 0) {
            return false;
        }
        self.note(delta);
        match delta {
            Delta::Usage(_) => false,
            Delta::End => true,
            _ => self.finish.is_none(),
        }
    }

    /// Takes note of an error. Returns `true` unless the stream has ended before.
    pub(crate) fn fail(&mut self) -> bool {
        let is_first = !std::mem::replace(&mut self.ended, true);
        self.begun |= is_first;
        is_first
    }

    /// Keeps text until the arguments of the open call are complete: a repair holds the end of a text
    /// back beyond the beginning of a call.
    pub(crate) fn keep_text(&mut self, text: &Text<'_>) {
        if self.late_text.len() + text.escaped().len() <= MAX_EVENT {
            self.late_text.push_str(text.escaped());
        }
    }

    /// Takes the text that was kept. `None` if there is none.
    pub(crate) fn take_text(&mut self) -> Option<Text<'static>> {
        let text = std::mem::take(&mut self.late_text);
        (!text.is_empty()).then(|| Text::from_escaped(&text))
    }

    /// Keeps an entry of `reasoning_details`.
    pub(crate) fn keep_detail(&mut self, json: &str) {
        let (details, length) = &mut self.details;
        if details.len() < MAX_ITEMS && *length + json.len() <= MAX_EVENT {
            *length += json.len();
            details.push(json.to_owned());
        }
    }

    /// Takes the entries as data for the next turn. `None` if there are none.
    pub(crate) fn take_details(&mut self) -> Option<String> {
        let (details, _) = std::mem::take(&mut self.details);
        let data = || CarriedData::Details(&joined_details(&details)).to_data();
        (!details.is_empty()).then(data)
    }
}
