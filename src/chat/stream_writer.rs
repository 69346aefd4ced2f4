//! An answer as a stream. Decoders of every API schema call the writer; that what leaves is a legal
//! stream is decided here alone: the role first, one finish per choice, usage last, then `[DONE]`.

use serde_json::value::RawValue;

use super::{
    attempt_log::AttemptLog, envelope::Envelope, error::Error, finish::Finish, text::Text,
    usage::Usage,
};
use crate::json::Object;
use crate::post_processing::{RepairReport, Repairer};

/// The most choices and the most calls in one choice that a provider may stream: more is an attack
/// on the gateway's memory.
pub const MAX_ITEMS: usize = 1024;

/// Writes the events of one answer.
#[derive(Debug, Default)]
pub struct Writer {
    /// What every chunk begins with, up to its choices.
    head: Vec<u8>,
    envelope: Envelope,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    /// Why the first choice that stopped did.
    stopped: Option<Finish>,
    /// Mends what is said, if the client wants that.
    mender: Option<Repairer>,
    /// Why what is said cannot be mended. Nothing is written after that.
    failure: Option<Error>,
    /// Events written and not taken yet.
    out: Vec<u8>,
    ended: bool,
}

/// What has left of one choice.
#[derive(Debug, Default)]
struct Choice {
    begun: bool,
    finished: bool,
    calls: Vec<Call>,
}

/// What has left of one tool call.
#[derive(Debug)]
struct Call {
    /// The provider's number of it: running, but some start at 1, leave numbers out, or give
    /// several calls the same one.
    number: usize,
    /// The provider's, or the one it was given. As JSON.
    id: String,
    /// Whether any of its arguments have left.
    argued: bool,
}

impl Writer {
    /// A stream in which nothing has been said.
    pub fn new(envelope: Envelope) -> Self {
        let mut head = b"data: ".to_vec();
        let mut chunk = Object::open(&mut head);
        chunk
            .value("id", &envelope.completion_id())
            .value("object", "chat.completion.chunk")
            .value("created", &envelope.created)
            .value("model", &envelope.model)
            .value("request_id", &envelope.request_id)
            .key("choices");
        Self { head, envelope, ..Self::default() }
    }

    /// A stream in which what is said is mended.
    pub fn mending(envelope: Envelope, mender: Option<Repairer>) -> Self {
        Self { mender, ..Self::new(envelope) }
    }

    /// Why what was said could not be mended.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// What was mended since the last time.
    pub fn take_mended(&mut self) -> Option<RepairReport> {
        self.mender.as_mut().map(Repairer::take)
    }

    /// Whether anything came that a client would notice: content, a call, a finish, an error.
    pub fn has_begun(&self) -> bool {
        self.ended || self.choices.iter().any(|choice| choice.begun)
    }

    /// Whether every choice that began has its finish, and one did.
    pub fn is_finished(&self) -> bool {
        let mut begun = self.choices.iter().filter(|choice| choice.begun).peekable();
        begun.peek().is_some() && begun.all(|choice| choice.finished)
    }

    /// Whether the stream is over.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The model says more.
    pub fn content(&mut self, choice: usize, text: &Text<'_>, logprobs: Option<&RawValue>) {
        let mender = self.mender.as_mut().filter(|_| choice < MAX_ITEMS);
        match mender.map(|mender| mender.content(choice, text)) {
            None => self.say(choice, text, logprobs),
            Some(Ok(mended)) => self.say(choice, &mended, logprobs),
            Some(Err(error)) => self.failure = Some(error),
        }
    }

    fn say(&mut self, choice: usize, text: &Text<'_>, logprobs: Option<&RawValue>) {
        if text.is_empty() && logprobs.is_none() {
            return;
        }
        if self.begin(choice) {
            self.chunk(choice, b"{\"content\":", text.json().as_bytes(), b"}", logprobs);
        }
    }

    /// The model refuses.
    pub fn refusal(&mut self, choice: usize, text: &Text<'_>) {
        if !text.is_empty() && self.begin(choice) {
            self.chunk(choice, b"{\"refusal\":", text.json().as_bytes(), b"}", None);
        }
    }

    /// The model thinks.
    pub fn reasoning(&mut self, choice: usize, text: &Text<'_>) {
        if !text.is_empty() && self.begin(choice) {
            self.chunk(choice, b"{\"reasoning_content\":", text.json().as_bytes(), b"}", None);
        }
    }

    /// The model leaves something for the next turn: an object in JSON.
    pub fn reasoning_detail(&mut self, choice: usize, json: &str) {
        if self.begin(choice) {
            self.chunk(choice, b"{\"reasoning_details\":[", json.as_bytes(), b"]}", None);
        }
    }

    /// The model paints something: an object in JSON.
    pub fn image(&mut self, choice: usize, json: &str) {
        if self.begin(choice) {
            self.chunk(choice, b"{\"images\":[", json.as_bytes(), b"]}", None);
        }
    }

    /// The number of a call whose provider gives it none. A new id begins a call, and so does a
    /// name without an id; anything else belongs to the last one.
    pub fn number(&self, choice: usize, id: Option<&Text<'_>>, name: Option<&Text<'_>>) -> usize {
        let calls = self.choices.get(choice).map_or(&[][..], |choice| &choice.calls);
        let next = calls.iter().map(|call| call.number.saturating_add(1)).max().unwrap_or_default();
        let says = |text: Option<&Text<'_>>| text.is_some_and(|text| !text.is_empty());
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let known = calls.iter().find(|call| call.id == id.json());
            return known.map_or(next, |call| call.number);
        }
        if says(name) { next } else { calls.last().map_or(next, |call| call.number) }
    }

    /// The model calls a tool. `number` is the provider's; repeated without another id, it is the
    /// same call.
    pub fn call(
        &mut self,
        choice: usize,
        number: usize,
        id: Option<&Text<'_>>,
        name: Option<&Text<'_>>,
        extra_content: Option<&str>,
    ) {
        let id = id.filter(|id| !id.is_empty());
        let Some(name) = name.filter(|name| !name.is_empty()) else { return };
        if self.is_known(choice, number, id) || !self.begin(choice) {
            return;
        }
        self.leave_prose(choice);
        let Some(state) = self.choices.get_mut(choice) else { return };
        let index = state.calls.len();
        if index >= MAX_ITEMS {
            return;
        }
        let minted = Text::new(&self.envelope.call_id(choice, index));
        // One that the provider gave to another call already would confuse the client.
        let taken = |id: &&Text<'_>| state.calls.iter().any(|call| call.id == id.json());
        let shown = id.filter(|id| !taken(id)).unwrap_or(&minted).json().to_owned();
        let id = id.unwrap_or(&minted).json().to_owned();
        let extra = extra_content.map(|extra| format!(",\"extra_content\":{extra}"));
        let delta = format!(
            "{{\"tool_calls\":[{{\"index\":{index},\"id\":{shown},\"type\":\"function\",\
             \"function\":{{\"name\":{},\"arguments\":\"\"}}{}}}]}}",
            name.json(),
            extra.unwrap_or_default()
        );
        state.calls.push(Call { number, id, argued: false });
        if let Some(mender) = &mut self.mender {
            mender.call(choice, index, name);
        }
        self.chunk(choice, delta.as_bytes(), b"", b"", None);
    }

    /// More of a call's arguments. Those of a call without a name are lost: nobody could make it.
    pub fn arguments(&mut self, choice: usize, number: usize, text: &Text<'_>) {
        let Some(index) = self.position(choice, number).filter(|_| !text.is_empty()) else {
            return;
        };
        match self.mender.as_mut().map(|mender| mender.arguments(choice, index, text)) {
            None => self.add_arguments(choice, index, text),
            Some(Ok(mended)) => self.add_arguments(choice, index, &mended),
            Some(Err(error)) => self.failure = Some(error),
        }
    }

    fn add_arguments(&mut self, choice: usize, index: usize, text: &Text<'_>) {
        if text.is_empty() || !self.begin(choice) {
            return;
        }
        if let Some(call) = self.choices.get_mut(choice).and_then(|own| own.calls.get_mut(index)) {
            call.argued = true;
        }
        self.argue(choice, index, text.json());
    }

    /// Lets go content that was held back because JSON might have begun in it: a call says that it
    /// is prose.
    fn leave_prose(&mut self, choice: usize) {
        if let Some(prose) = self.mender.as_mut().and_then(|mender| mender.prose(choice)) {
            self.say(choice, &prose, None);
        }
    }

    /// Writes what was held back of a choice. False if that cannot be mended.
    fn let_go(&mut self, choice: usize) -> bool {
        let rest = match self.mender.as_mut().map(|mender| mender.finish(choice)) {
            None => return true,
            Some(Ok(rest)) => rest,
            Some(Err(error)) => {
                self.failure = Some(error);
                return false;
            }
        };
        for (call, text) in rest {
            match call {
                None => self.say(choice, &text, None),
                Some(index) => self.add_arguments(choice, index, &text),
            }
        }
        true
    }

    /// The model stops. Only the first time counts.
    pub fn finish(&mut self, choice: usize, finish: Finish, native: Option<&Text<'_>>) {
        let is_over = self.choices.get(choice).is_some_and(|state| state.finished);
        if is_over || self.failure.is_some() || !self.let_go(choice) || !self.begin(choice) {
            return;
        }
        let Some(state) = self.choices.get_mut(choice) else { return };
        state.finished = true;
        let finish = finish.with_calls(!state.calls.is_empty());
        self.stopped.get_or_insert(finish);
        let silent: Vec<usize> = (0..state.calls.len())
            .filter(|index| state.calls.get(*index).is_some_and(|call| !call.argued))
            .collect();
        for index in silent {
            self.argue(choice, index, "\"{}\"");
        }
        self.out.extend_from_slice(&self.head);
        let native = native.map(|native| format!(",\"native_finish_reason\":{}", native.json()));
        let (reason, native) = (finish.name(), native.unwrap_or_default());
        let tail = format!(
            "[{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"{reason}\"{native}}}]}}\n\n"
        );
        self.out.extend_from_slice(tail.as_bytes());
    }

    /// Every choice that has begun and not stopped stops: the provider is done and gave no reason.
    pub fn finish_rest(&mut self) {
        for choice in 0..self.choices.len() {
            if self.choices.get(choice).is_some_and(|own| own.begun && !own.finished) {
                self.finish(choice, Finish::Stop, None);
            }
        }
    }

    /// What the answer cost, as far as that has been said.
    pub fn spent(&self) -> Option<Usage> {
        self.usage
    }

    /// Why the model stopped, if it has: the first choice of several.
    pub fn stopped(&self) -> Option<Finish> {
        self.stopped
    }

    /// What it cost so far. The last word counts.
    pub fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// The answer is complete, unless what was said cannot be mended.
    pub fn end(&mut self) {
        if self.failure.is_some() || std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(usage) = self.usage.filter(|_| self.envelope.include_usage) {
            self.out.extend_from_slice(&self.head);
            self.out.extend_from_slice(b"[],\"usage\":");
            usage.write(&mut self.out);
            self.out.extend_from_slice(b"}\n\n");
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// The answer broke off. No `[DONE]` follows: what came is not all there was.
    pub fn fail(&mut self, error: &Error) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.out.extend_from_slice(b"data: ");
        self.out
            .extend_from_slice(&error.to_json(&self.envelope.request_id, &AttemptLog::default()));
        self.out.extend_from_slice(b"\n\n");
    }

    /// Makes sure of a choice and of its role. False for a choice that is over or one too many.
    fn begin(&mut self, choice: usize) -> bool {
        if self.ended || self.failure.is_some() || choice >= MAX_ITEMS {
            return false;
        }
        if self.choices.len() <= choice {
            self.choices.resize_with(choice + 1, Choice::default);
        }
        let Some(state) = self.choices.get_mut(choice) else { return false };
        if state.finished {
            return false;
        }
        if !std::mem::replace(&mut state.begun, true) {
            self.chunk(choice, b"{\"role\":\"assistant\",\"content\":\"\"}", b"", b"", None);
        }
        true
    }

    fn is_known(&self, choice: usize, number: usize, id: Option<&Text<'_>>) -> bool {
        let index = self.position(choice, number);
        let call = index.and_then(|index| self.choices.get(choice)?.calls.get(index));
        call.is_some_and(|call| id.is_none_or(|id| id.json() == call.id))
    }

    fn position(&self, choice: usize, number: usize) -> Option<usize> {
        let calls = &self.choices.get(choice)?.calls;
        calls.iter().rposition(|call| call.number == number)
    }

    fn argue(&mut self, choice: usize, index: usize, json: &str) {
        let start = format!("{{\"tool_calls\":[{{\"index\":{index},\"function\":{{\"arguments\":");
        self.chunk(choice, start.as_bytes(), json.as_bytes(), b"}}]}", None);
    }

    /// Writes a chunk whose delta is `before`, `json` and `after` in a row.
    fn chunk(
        &mut self,
        choice: usize,
        before: &[u8],
        json: &[u8],
        after: &[u8],
        logprobs: Option<&RawValue>,
    ) {
        self.out.extend_from_slice(&self.head);
        self.out.extend_from_slice(b"[{\"index\":");
        crate::json::write(&mut self.out, &choice);
        self.out.extend_from_slice(b",\"delta\":");
        for piece in [before, json, after] {
            self.out.extend_from_slice(piece);
        }
        if let Some(logprobs) = logprobs {
            self.out.extend_from_slice(b",\"logprobs\":");
            // A line break, which can only stand between tokens, would end the event's line.
            let line = logprobs.get().bytes().map(|byte| if byte < b' ' { b' ' } else { byte });
            self.out.extend(line);
        }
        self.out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }
}
