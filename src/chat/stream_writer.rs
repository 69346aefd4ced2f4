//! Writes an answer as a stream of the chat API.
//!
//! The writer alone decides what a legal stream is: the role first, one finish reason for each
//! choice, usage last, then `[DONE]`. Deltas that would break this order are dropped.

use super::{
    attempt_log::AttemptLog,
    delta::{Delta, MAX_ITEMS},
    envelope::Envelope,
    error::Error,
    finish::Finish,
    text::Text,
    tools::{CallForm, arguments_to_input},
    usage::Usage,
};
use crate::json::Object;

/// Writer of the events of one answer.
#[derive(Debug, Default)]
pub struct StreamWriter {
    /// The beginning of every chunk, up to its choices.
    head: Vec<u8>,
    envelope: Envelope,
    choices: Vec<StreamedChoice>,
    usage: Option<Usage>,
    /// The reason of the first choice that finished.
    finish: Option<Finish>,
    /// Events written and not taken yet.
    out: Vec<u8>,
    /// True once the client has been told something. See [`Delta::is_noticeable`].
    begun: bool,
    ended: bool,
}

/// The part of a choice that has been written.
#[derive(Debug, Default)]
struct StreamedChoice {
    begun: bool,
    finished: bool,
    calls: Vec<StreamedCall>,
}

/// The part of a tool call that has been written.
#[derive(Debug)]
struct StreamedCall {
    /// The id that the client knows, as JSON.
    id: String,
    has_arguments: bool,
    /// The arguments of a custom tool, whose input is written when the choice ends.
    custom_arguments: Option<String>,
}

/// Rest of a call that is written when its choice ends.
enum CallRest {
    /// An empty object, for a call without arguments.
    Arguments,
    /// The input of a custom tool.
    Input(Text<'static>),
}

impl StreamedCall {
    /// Takes the rest of the call.
    fn take_rest(&mut self) -> Option<CallRest> {
        match self.custom_arguments.take() {
            None => (!self.has_arguments).then_some(CallRest::Arguments),
            Some(escaped) if escaped.is_empty() => None,
            Some(escaped) => {
                let arguments = Text::from_escaped(&escaped);
                let input = arguments_to_input(&arguments.decode_lossy()).into_owned();
                Some(CallRest::Input(Text::new(&input)))
            }
        }
    }
}

/// Bytes of a chunk between its head and its end, without the delta and with a short index.
const AROUND_DELTA: usize = 56;

/// The maximum length of the arguments of a custom tool's call, in bytes. No model writes as many.
const MAX_CUSTOM_ARGUMENTS: usize = 4 << 20;

impl StreamWriter {
    /// Creates a writer that has written nothing.
    pub fn new(envelope: Envelope) -> Self {
        let mut head = Vec::new();
        let mut chunk = open_chunk(&mut head, &envelope);
        chunk.value("request_id", &envelope.request_id).key("choices");
        Self { head, envelope, ..Self::default() }
    }

    /// Returns true once a client would notice the stream: content, a call, a finish of another kind
    /// than `stop`, an error.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Returns true if at least one choice has begun, and each that has begun is finished.
    pub fn is_finished(&self) -> bool {
        let mut begun = self.choices.iter().filter(|choice| choice.begun).peekable();
        begun.peek().is_some() && begun.all(|choice| choice.finished)
    }

    /// Returns true once the stream has ended, with `[DONE]` or with an error.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns the last count of tokens, if there was one.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Returns the finish reason, once there is one: that of the first of several choices.
    pub fn finish_reason(&self) -> Option<Finish> {
        self.finish
    }

    /// Returns the bytes written since the last call.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Writes the event of a delta, after the events that a legal stream needs before it.
    pub fn write(&mut self, delta: &Delta<'_>) {
        if delta.is_empty() || !delta.is_within_limits() {
            return;
        }
        self.begun |= delta.is_noticeable();
        match delta {
            Delta::Content { choice, text, logprobs } => {
                self.write_choice(
                    *choice,
                    ["{\"content\":", text.json(), "}"],
                    logprobs.as_deref(),
                );
            }
            Delta::Reasoning { choice, text } => {
                self.write_choice(*choice, ["{\"reasoning_content\":", text.json(), "}"], None);
            }
            Delta::ReasoningDetail { choice, json } => {
                self.write_choice(*choice, ["{\"reasoning_details\":[", json, "]}"], None);
            }
            Delta::Refusal { choice, text } => {
                self.write_choice(*choice, ["{\"refusal\":", text.json(), "}"], None);
            }
            Delta::Image { choice, json } => {
                self.write_choice(*choice, ["{\"images\":[", json, "]}"], None);
            }
            Delta::Call { choice, call, id, name, extra_content } => {
                let extra_content = extra_content.as_deref();
                self.write_call(*choice, *call, id.as_ref(), name, extra_content);
            }
            Delta::Arguments { choice, call, text } => self.write_arguments(*choice, *call, text),
            Delta::Finish { choice, finish, native } => {
                self.write_finish(*choice, *finish, native.as_ref());
            }
            Delta::Usage(usage) => self.usage = Some(*usage),
            Delta::End => self.write_end(),
        }
    }

    /// Ends an interrupted stream with an error: a chunk without choices, which holds the keys of the
    /// error besides. No `[DONE]` follows: the answer is incomplete.
    pub fn fail(&mut self, error: &Error) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.begun = true;
        let mut chunk = open_chunk(&mut self.out, &self.envelope);
        chunk.raw("choices", "[]");
        error.write(&mut chunk, &self.envelope.request_id, &AttemptLog::default());
        chunk.close();
        self.out.extend_from_slice(b"\n\n");
    }

    /// Begins a choice with its role, if that has not happened. Returns `None` if nothing may
    /// follow: the choice is finished, or there are too many, or the stream has ended.
    fn begin(&mut self, choice: usize) -> Option<&mut StreamedChoice> {
        if self.ended || choice >= MAX_ITEMS {
            return None;
        }
        if self.choices.len() <= choice {
            self.choices.resize_with(choice + 1, StreamedChoice::default);
        }
        let own = self.choices.get_mut(choice).filter(|own| !own.finished)?;
        if !std::mem::replace(&mut own.begun, true) {
            self.write_delta(choice, ["{\"role\":\"assistant\",\"content\":\"\"}", "", ""], None);
        }
        self.choices.get_mut(choice)
    }

    fn write_choice(&mut self, choice: usize, delta: [&str; 3], logprobs: Option<&str>) {
        if self.begin(choice).is_some() {
            self.write_delta(choice, delta, logprobs);
        }
    }

    /// Writes the beginning of a call. An id that is missing, or that another call of the choice
    /// has, is replaced by one of the gateway's: clients match results by it.
    fn write_call(
        &mut self,
        choice: usize,
        call: usize,
        id: Option<&Text<'_>>,
        name: &Text<'_>,
        extra_content: Option<&str>,
    ) {
        let (is_custom, form) = (self.envelope.is_custom(name), self.envelope.call_form);
        let own_id = Text::new(&self.envelope.call_id(choice, call));
        let Some(own) = self.begin(choice).filter(|own| own.calls.len() == call) else { return };
        let is_free =
            |id: &&Text<'_>| !id.is_empty() && own.calls.iter().all(|other| other.id != id.json());
        let id = id.filter(is_free).unwrap_or(&own_id).json().to_owned();
        let extra = extra_content.map(|extra| format!(",\"extra_content\":{extra}"));
        if form == CallForm::Functions {
            own.calls.push(StreamedCall { id, has_arguments: false, custom_arguments: None });
            return self.write_function_call(
                choice,
                call,
                ["\"name\":", name.json(), ",\"arguments\":\"\""],
            );
        }
        let (kind, key) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
        let delta = format!(
            "{{\"tool_calls\":[{{\"index\":{call},\"id\":{id},\"type\":\"{kind}\",\
             \"{kind}\":{{\"name\":{},\"{key}\":\"\"}}{}}}]}}",
            name.json(),
            extra.unwrap_or_default()
        );
        own.calls.push(StreamedCall {
            id,
            has_arguments: false,
            custom_arguments: is_custom.then(String::new),
        });
        self.write_delta(choice, [&delta, "", ""], None);
    }

    /// Writes more arguments of a call that has begun.
    fn write_arguments(&mut self, choice: usize, call: usize, text: &Text<'_>) {
        let own = self.choices.get_mut(choice).filter(|own| !self.ended && !own.finished);
        if let Some(own) = own.and_then(|own| own.calls.get_mut(call)) {
            own.has_arguments = true;
            if let Some(arguments) = &mut own.custom_arguments {
                if arguments.len() + text.escaped().len() <= MAX_CUSTOM_ARGUMENTS {
                    arguments.push_str(text.escaped());
                }
                return;
            }
            self.write_arguments_json(choice, call, text.json());
        }
    }

    fn write_arguments_json(&mut self, choice: usize, call: usize, json: &str) {
        if self.envelope.call_form == CallForm::Functions {
            return self.write_function_call(choice, call, ["\"arguments\":", json, ""]);
        }
        let start = format!("{{\"tool_calls\":[{{\"index\":{call},\"function\":{{\"arguments\":");
        self.write_delta(choice, [&start, json, "}}]}"], None);
    }

    /// Writes fields of a call in the older form, which has one call only.
    fn write_function_call(&mut self, choice: usize, call: usize, fields: [&str; 3]) {
        if call == 0 {
            let fields = fields.concat();
            self.write_delta(choice, ["{\"function_call\":{", &fields, "}}"], None);
        }
    }

    /// Writes the finish reason of a choice. A call without arguments gets an empty object first.
    fn write_finish(&mut self, choice: usize, finish: Finish, native: Option<&Text<'_>>) {
        let Some(own) = self.begin(choice) else { return };
        own.finished = true;
        let finish = finish.with_calls(!own.calls.is_empty());
        let rest: Vec<_> = own.calls.iter_mut().map(StreamedCall::take_rest).collect();
        for (call, rest) in rest.into_iter().enumerate() {
            match rest {
                Some(CallRest::Arguments) => self.write_arguments_json(choice, call, "\"{}\""),
                Some(CallRest::Input(input)) => {
                    let start =
                        format!("{{\"tool_calls\":[{{\"index\":{call},\"custom\":{{\"input\":");
                    self.write_delta(choice, [&start, input.json(), "}}]}"], None);
                }
                None => {}
            }
        }
        self.finish.get_or_insert(finish);
        self.out.extend_from_slice(&self.head);
        let native = native.map(|native| format!(",\"native_finish_reason\":{}", native.json()));
        let (reason, native) =
            (finish.name_in(self.envelope.call_form), native.unwrap_or_default());
        let tail = format!(
            "[{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"{reason}\"{native}}}]}}\n\n"
        );
        self.out.extend_from_slice(tail.as_bytes());
    }

    fn write_end(&mut self) {
        if self.ended {
            return;
        }
        for choice in 0..self.choices.len() {
            if self.choices.get(choice).is_some_and(|own| own.begun) {
                self.write_finish(choice, Finish::Stop, None);
            }
        }
        self.ended = true;
        if self.envelope.include_usage {
            self.out.extend_from_slice(&self.head);
            self.out.extend_from_slice(b"[],\"usage\":");
            let usage = self.usage.as_ref();
            Usage::write(usage, self.envelope.cost(usage), &mut self.out);
            self.out.extend_from_slice(b"}\n\n");
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Writes a chunk. Its delta is the concatenation of the three pieces.
    fn write_delta(&mut self, choice: usize, delta: [&str; 3], logprobs: Option<&str>) {
        let size: usize = delta.iter().map(|piece| piece.len()).sum();
        self.out.reserve(self.head.len() + size + AROUND_DELTA);
        self.out.extend_from_slice(&self.head);
        self.out.extend_from_slice(b"[{\"index\":");
        crate::json::write(&mut self.out, &choice);
        self.out.extend_from_slice(b",\"delta\":");
        for piece in delta {
            self.out.extend_from_slice(piece.as_bytes());
        }
        if let Some(logprobs) = logprobs {
            self.out.extend_from_slice(b",\"logprobs\":");
            // A line break, which can only stand between tokens, would end the event's line.
            let line = logprobs.bytes().map(|byte| if byte < b' ' { b' ' } else { byte });
            self.out.extend(line);
        }
        self.out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }
}

/// Opens the event of a chunk at the end of `out`.
fn open_chunk<'o>(out: &'o mut Vec<u8>, envelope: &Envelope) -> Object<'o> {
    out.extend_from_slice(b"data: ");
    let mut chunk = Object::open(out);
    chunk
        .value("id", &envelope.completion_id())
        .value("object", "chat.completion.chunk")
        .value("created", &envelope.created)
        .value("model", &envelope.model);
    chunk
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::chat::delta::samples::{call, content, finish};

    fn arguments(call: usize) -> Delta<'static> {
        Delta::Arguments { choice: 0, call, text: Text::new("{}") }
    }

    fn written(deltas: &[Delta<'_>]) -> String {
        let mut writer = StreamWriter::new(Envelope::default());
        deltas.iter().for_each(|delta| writer.write(delta));
        String::from_utf8(writer.take_bytes()).unwrap()
    }

    #[test]
    fn deltas_that_break_the_order_are_dropped() {
        let legal = [content(0, "a"), call(0), arguments(0), finish(0), Delta::End];
        let illegal = [
            arguments(0),
            content(0, ""),
            content(0, "a"),
            call(1),
            call(0),
            call(0),
            arguments(1),
            arguments(0),
            finish(0),
            finish(0),
            content(0, "b"),
            arguments(0),
            content(MAX_ITEMS, "b"),
            Delta::End,
            content(1, "b"),
            Delta::End,
        ];
        assert_eq!(written(&illegal), written(&legal));
    }

    #[test]
    fn the_input_of_a_custom_tool_comes_whole() {
        let custom_tools = ["f".to_owned()].into();
        let pieces = [r#"{"in"#, r#"put":"a\"b"#, "\"}"];
        for (pieces, input) in [(&pieces[..], "a\"b"), (&["print(", "1)"], "print(1)"), (&[], "")] {
            let envelope =
                Envelope { custom_tools: BTreeSet::clone(&custom_tools), ..Envelope::default() };
            let mut writer = StreamWriter::new(envelope);
            writer.write(&call(0));
            for piece in pieces {
                writer.write(&Delta::Arguments { choice: 0, call: 0, text: Text::new(piece) });
            }
            writer.write(&finish(0));
            let written = String::from_utf8(writer.take_bytes()).unwrap();
            let chunks = written.lines().filter_map(|line| line.strip_prefix("data: "));
            let inputs: String = chunks
                .filter_map(|chunk| {
                    let chunk: serde_json::Value = serde_json::from_str(chunk).ok()?;
                    let call = &chunk["choices"][0]["delta"]["tool_calls"][0];
                    assert_eq!(call.get("function"), None, "{chunk}");
                    Some(call["custom"]["input"].as_str()?.to_owned())
                })
                .collect();
            assert_eq!(inputs, input);
        }
    }

    #[test]
    fn a_client_that_declares_functions_reads_one_function_call() {
        let envelope = Envelope { call_form: CallForm::Functions, ..Envelope::default() };
        let mut writer = StreamWriter::new(envelope);
        for delta in [call(0), arguments(0), call(1), arguments(1), finish(0), Delta::End] {
            writer.write(&delta);
        }
        let written = String::from_utf8(writer.take_bytes()).unwrap();
        let deltas = written.lines().filter_map(|line| {
            let chunk: serde_json::Value =
                serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
            let choice = &chunk["choices"][0];
            Some((choice["delta"].to_string(), choice["finish_reason"].to_string()))
        });
        let expected = [
            (r#"{"role":"assistant","content":""}"#, "null"),
            (r#"{"function_call":{"name":"f","arguments":""}}"#, "null"),
            (r#"{"function_call":{"arguments":"{}"}}"#, "null"),
            ("{}", "\"function_call\""),
        ];
        let expected = expected.map(|(delta, finish)| (delta.to_owned(), finish.to_owned()));
        assert_eq!(deltas.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_end_finishes_the_choices_that_have_begun() {
        let finished = [content(1, "a"), call(0), finish(0), finish(1), Delta::End];
        assert_eq!(written(&[content(1, "a"), call(0), Delta::End]), written(&finished));
    }
}
