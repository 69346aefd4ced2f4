//! `post_processing_steps: [{"type": "json-repair"}]`: mends the content and the arguments of an
//! answer, whole or as it streams.

use std::{collections::BTreeMap, rc::Rc};

use crate::chat::{
    answer::{Answer, Choice},
    delta::Delta,
    error::Error,
    request::Request,
    text::Text,
    tools::ResponseFormat,
};
use json_repair::{ExpectedShape, Failure, Report, RootKind, Stream};

/// The most texts whose flaws are listed in a header.
const MAX_LISTED: usize = 16;

/// The longest answer that is mended while it streams, in bytes: as long as one in one piece may be.
/// Nothing more than that is ever held back.
const MAX_STREAMED: usize = 32 << 20;

/// What a request says about the JSON it wants.
#[derive(Debug)]
pub struct RepairRequest {
    /// The content.
    content: ExpectedShape,
    /// The arguments of each tool, by its name.
    tools: BTreeMap<String, ExpectedShape>,
}

/// What was mended in an answer.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// Where, and what kinds of flaws.
    texts: Vec<(String, Report)>,
}

impl RepairRequest {
    /// What a request wants mended, if anything.
    pub fn by(request: &Request<'_>) -> Option<Rc<Self>> {
        if !request.repair {
            return None;
        }
        let content = match &request.response_format {
            None | Some(ResponseFormat::Text) => ExpectedShape::default(),
            Some(ResponseFormat::JsonObject) => RootKind::Object.into(),
            Some(ResponseFormat::JsonSchema(format)) => {
                format.schema.map(|raw| ExpectedShape::from_schema(raw.get())).unwrap_or_default()
            }
        };
        let functions = request.tools.iter().filter_map(|tool| tool.function.as_ref());
        let guided = functions.map(|function| {
            let schema = function.parameters.map(|raw| ExpectedShape::from_schema(raw.get()));
            (function.name.decode().into_owned(), schema.unwrap_or_default().with_object_root())
        });
        Some(Rc::new(Self { content, tools: guided.collect() }))
    }

    /// Mends an answer.
    pub fn answer(&self, answer: &mut Answer<'_>) -> Result<RepairReport, Error> {
        let mut mended = RepairReport::default();
        for (index, choice) in answer.choices.iter_mut().enumerate() {
            self.content(choice, index, &mut mended)?;
            for (number, call) in choice.calls.iter_mut().enumerate() {
                let guide = self.arguments(&call.name);
                if let Some(arguments) =
                    argued(&call.arguments, &guide, index, number, &mut mended)?
                {
                    call.arguments = arguments;
                }
            }
        }
        Ok(mended)
    }

    /// What a tool's arguments are to be: an object, whatever else.
    fn arguments(&self, name: &Text<'_>) -> ExpectedShape {
        self.tools.get(name.decode().as_ref()).cloned().unwrap_or(RootKind::Object.into())
    }

    fn content(
        &self,
        choice: &mut Choice<'_>,
        index: usize,
        mended: &mut RepairReport,
    ) -> Result<(), Error> {
        let Some(content) = choice.content.as_ref().filter(|content| !content.is_blank()) else {
            return Ok(());
        };
        let plain = content.decode_lossy();
        match json_repair::repair(&plain, &self.content) {
            Ok((_, report)) if report.is_empty() => {}
            Ok((json, report)) => {
                let text = Text::new(&json);
                mended.add(place(index, None), &report);
                choice.content = Some(text);
            }
            Err(Failure::NoJson) if !choice.calls.is_empty() => {}
            Err(failure) => return Err(failed(&place(index, None), failure)),
        }
        Ok(())
    }
}

/// The arguments of a call, if they are to be others. None at all are an empty object.
fn argued(
    arguments: &Text<'_>,
    guide: &ExpectedShape,
    choice: usize,
    number: usize,
    mended: &mut RepairReport,
) -> Result<Option<Text<'static>>, Error> {
    if arguments.is_blank() {
        return Ok(Some(Text::new("{}")));
    }
    let plain = arguments.decode_lossy();
    match json_repair::repair(&plain, guide) {
        Ok((_, report)) if report.is_empty() => Ok(None),
        Ok((json, report)) => {
            mended.add(place(choice, Some(number)), &report);
            Ok(Some(Text::new(&json)))
        }
        Err(failure) => Err(failed(&place(choice, Some(number)), failure)),
    }
}

/// How a text is named in headers and errors.
fn place(choice: usize, call: Option<usize>) -> String {
    let choice = if choice == 0 { String::new() } else { format!("choices[{choice}].") };
    match call {
        None => format!("{choice}content"),
        Some(number) => format!("{choice}tool_calls[{number}]"),
    }
}

fn failed(place: &str, failure: Failure) -> Error {
    let problem = match failure {
        Failure::NoJson => "holds no JSON",
        Failure::Unrepairable => "is not JSON and cannot be repaired",
    };
    Error::PostProcessing { place: place.to_owned(), problem }
}

impl RepairReport {
    fn add(&mut self, place: String, report: &Report) {
        if !report.is_empty() {
            self.texts.push((place, report.clone()));
        }
    }

    /// The value of `x-attache-repair`, if anything was mended.
    pub fn header(&self) -> Option<String> {
        let told = |(place, report): &(String, Report)| {
            let kinds: Vec<&str> = report.kinds().map(json_repair::FlawKind::name).collect();
            format!("{place}={}", kinds.join(","))
        };
        let mut parts: Vec<String> = self.texts.iter().take(MAX_LISTED).map(told).collect();
        if self.texts.len() > MAX_LISTED {
            parts.push(format!("+{}", self.texts.len() - MAX_LISTED));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// The kinds of flaws, each once per text: what is counted.
    pub fn kinds(&self) -> impl Iterator<Item = json_repair::FlawKind> {
        self.texts.iter().flat_map(|(_, report)| report.kinds())
    }
}

/// Post-processing stage of a stream: repairs content and arguments on their way to the writer.
#[derive(Debug)]
pub struct Repairer {
    wanted: Rc<RepairRequest>,
    choices: BTreeMap<usize, ChoiceRepair>,
    mended: RepairReport,
    /// The number of bytes that have come.
    received: usize,
}

/// Repair of the texts of one choice.
#[derive(Debug, Default)]
struct ChoiceRepair {
    finished: bool,
    content: Option<TextRepair>,
    /// The arguments of calls, by the call's index.
    calls: BTreeMap<usize, TextRepair>,
}

/// Repair of one text that streams.
#[derive(Debug)]
struct TextRepair {
    /// `None` for a text that passes unchanged from now on.
    stream: Option<Stream>,
    /// The first half of a character whose second half has not come, escaped.
    carry: String,
}

impl Repairer {
    /// Creates the stage for a stream that has not begun.
    pub fn new(wanted: Rc<RepairRequest>) -> Self {
        Self { wanted, choices: BTreeMap::new(), mended: RepairReport::default(), received: 0 }
    }

    /// Repairs a delta and passes on what becomes of it: none, one or several.
    pub fn repair(
        &mut self,
        delta: Delta<'_>,
        mut write: impl FnMut(&Delta<'_>),
    ) -> Result<(), Error> {
        let finished = |choice| self.choices.get(&choice).is_some_and(|own| own.finished);
        if !delta.is_within_limits() || delta.choice().is_some_and(finished) {
            write(&delta);
            return Ok(());
        }
        match delta {
            Delta::Content { choice, text, logprobs } => {
                let text = self.content(choice, &text)?;
                write(&Delta::Content { choice, text, logprobs });
            }
            Delta::Arguments { choice, call, text } => {
                let text = self.arguments(choice, call, text)?;
                write(&Delta::Arguments { choice, call, text });
            }
            Delta::Call { choice, call, ref name, .. } => {
                self.begin_call(choice, call, name, &mut write);
                write(&delta);
            }
            Delta::Finish { choice, .. } => {
                self.finish(choice, &mut write)?;
                write(&delta);
            }
            Delta::End => {
                self.end(&mut write)?;
                write(&delta);
            }
            other => write(&other),
        }
        Ok(())
    }

    /// Returns the report of the repairs that finished since the last call.
    pub fn take_report(&mut self) -> RepairReport {
        std::mem::take(&mut self.mended)
    }

    fn content(&mut self, choice: usize, text: &Text<'_>) -> Result<Text<'static>, Error> {
        let within_limits = self.count(text);
        let own = self.choices.entry(choice).or_default();
        let content = own.content.get_or_insert_with(|| TextRepair::new(&self.wanted.content));
        let repaired = within_limits.and_then(|()| content.feed(text));
        repaired.map_err(|failure| failed(&place(choice, None), failure))
    }

    fn arguments<'d>(
        &mut self,
        choice: usize,
        call: usize,
        text: Text<'d>,
    ) -> Result<Text<'d>, Error> {
        let within_limits = self.count(&text);
        let calls = self.choices.get_mut(&choice).map(|own| &mut own.calls);
        let Some(own) = calls.and_then(|calls| calls.get_mut(&call)) else { return Ok(text) };
        let repaired = within_limits.and_then(|()| own.feed(&text));
        repaired.map_err(|failure| failed(&place(choice, Some(call)), failure))
    }

    fn count(&mut self, text: &Text<'_>) -> Result<(), Failure> {
        self.received += text.json().len();
        if self.received > MAX_STREAMED { Err(Failure::Unrepairable) } else { Ok(()) }
    }

    /// Begins a call. Content that was held back, because JSON might have begun in it, is prose
    /// beside the call and passes unchanged.
    fn begin_call(
        &mut self,
        choice: usize,
        call: usize,
        name: &Text<'_>,
        write: &mut impl FnMut(&Delta<'_>),
    ) {
        let guide = self.wanted.arguments(name);
        let own = self.choices.entry(choice).or_default();
        if let Some(text) = own.content.as_mut().and_then(TextRepair::take_prose) {
            write(&Delta::Content { choice, text, logprobs: None });
        }
        own.calls.insert(call, TextRepair::new(&guide));
    }

    /// Finishes a choice: passes on what was held back of its content and of its calls.
    fn finish(&mut self, choice: usize, write: &mut impl FnMut(&Delta<'_>)) -> Result<(), Error> {
        let own = self.choices.entry(choice).or_default();
        own.finished = true;
        let mut rest = Vec::new();
        if let Some(text) = own.content.as_mut() {
            let text = text.finish(&place(choice, None), &mut self.mended)?;
            rest.extend(text.map(|text| Delta::Content { choice, text, logprobs: None }));
        }
        for (call, text) in &mut own.calls {
            let call = *call;
            let text = text.finish(&place(choice, Some(call)), &mut self.mended)?;
            rest.extend(text.map(|text| Delta::Arguments { choice, call, text }));
        }
        rest.iter().for_each(write);
        Ok(())
    }

    /// Finishes the choices whose provider gave no finish reason.
    fn end(&mut self, write: &mut impl FnMut(&Delta<'_>)) -> Result<(), Error> {
        let choices = self.choices.iter().filter(|(_, own)| !own.finished);
        for choice in choices.map(|(choice, _)| *choice).collect::<Vec<_>>() {
            self.finish(choice, write)?;
        }
        Ok(())
    }
}

impl TextRepair {
    fn new(guide: &ExpectedShape) -> Self {
        Self { stream: Some(Stream::new(guide)), carry: String::new() }
    }

    fn feed(&mut self, text: &Text<'_>) -> Result<Text<'static>, Failure> {
        let Some(stream) = &mut self.stream else { return Ok(text.clone().into_owned()) };
        let mut out = Vec::new();
        match text.split_character(&mut self.carry) {
            Some(joined) => stream.feed(&joined.decode_lossy(), &mut out)?,
            None => stream.feed(&text.decode_lossy(), &mut out)?,
        }
        Ok(Text::new(&String::from_utf8_lossy(&out)))
    }

    /// Returns the text that was held back, unless JSON has begun in it. The rest passes unchanged.
    fn take_prose(&mut self) -> Option<Text<'static>> {
        let stream = self.stream.take_if(|stream| !stream.has_begun())?;
        Some(Text::new(&stream.into_text()))
    }

    /// Finishes the text. Returns what was held back of it.
    fn finish(
        &mut self,
        place: &str,
        report: &mut RepairReport,
    ) -> Result<Option<Text<'static>>, Error> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let mut out = Vec::new();
        match stream.finish(&mut out) {
            Ok(own) => report.add(place.to_owned(), &own),
            Err(failure) => {
                let is_blank = !stream.has_begun() && stream.into_text().trim().is_empty();
                if !is_blank {
                    return Err(failed(place, failure));
                }
            }
        }
        Ok(Some(Text::new(&String::from_utf8_lossy(&out))))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::chat::finish::Finish;

    /// Returns the repaired deltas of a stream whose content is to be an object, a line for each
    /// that is not empty.
    fn repair(deltas: Vec<Delta<'_>>) -> Result<Vec<String>, Error> {
        let request = RepairRequest { content: RootKind::Object.into(), tools: BTreeMap::new() };
        let (mut repairer, mut lines) = (Repairer::new(Rc::new(request)), Vec::new());
        for delta in deltas {
            repairer.repair(delta, |delta| match delta {
                delta if delta.is_empty() => {}
                Delta::Content { choice, text, .. } => {
                    lines.push(format!("{choice} content {}", text.decode()));
                }
                Delta::Arguments { call, text, .. } => {
                    lines.push(format!("call {call} {}", text.decode()));
                }
                Delta::Call { call, .. } => lines.push(format!("call {call}")),
                Delta::Finish { choice, .. } => lines.push(format!("{choice} finish")),
                other => lines.push(format!("{other:?}")),
            })?;
        }
        Ok(lines)
    }

    fn content(choice: usize, text: &str) -> Delta<'static> {
        Delta::Content { choice, text: Text::new(text), logprobs: None }
    }

    fn finish(choice: usize) -> Delta<'static> {
        Delta::Finish { choice, finish: Finish::Stop, native: None }
    }

    fn call(call: usize) -> Delta<'static> {
        Delta::Call { choice: 0, call, id: None, name: Text::new("f"), extra_content: None }
    }

    fn arguments(call: usize, text: &str) -> Delta<'static> {
        Delta::Arguments { choice: 0, call, text: Text::new(text) }
    }

    #[test]
    fn a_finish_or_the_end_lets_go_what_was_held_back() {
        let opened = || vec![content(0, "{\"a\": [1"), content(1, "{}")];
        let (begun, rest_0, rest_1) = ("0 content {\"a\": [", "0 content 1]}", "1 content {}");
        let mut finished = opened();
        finished.extend([finish(0), finish(1), Delta::End]);
        let expected = [begun, rest_0, "0 finish", rest_1, "1 finish", "End"];
        assert_eq!(repair(finished).unwrap(), expected);
        let mut ended = opened();
        ended.push(Delta::End);
        assert_eq!(repair(ended).unwrap(), [begun, rest_0, rest_1, "End"]);
    }

    #[test]
    fn prose_beside_a_call_passes_unchanged() {
        let deltas = vec![content(0, "Let me see."), call(0), arguments(0, "{a: 1"), finish(0)];
        let lines = repair(deltas).unwrap();
        assert_eq!(lines[..2], ["0 content Let me see.", "call 0"]);
        let rest: String =
            lines[2..].iter().filter_map(|line| line.strip_prefix("call 0 ")).collect();
        assert_eq!(rest, "{\"a\": 1}");
    }

    #[test]
    fn text_without_json_is_an_error_at_the_finish() {
        assert!(repair(vec![content(0, "No.")]).is_ok());
        let error = repair(vec![content(0, "No."), finish(0)]).unwrap_err();
        assert!(matches!(error, Error::PostProcessing { .. }), "{error:?}");
    }

    #[test]
    fn deltas_beyond_the_limits_or_after_the_finish_pass_unread() {
        let deltas = vec![
            content(0, "{}"),
            finish(0),
            content(0, "[}"),
            content(usize::MAX, "[}"),
            finish(usize::MAX),
            arguments(usize::MAX, "[}"),
        ];
        assert_eq!(repair(deltas).unwrap().len(), 6);
    }
}
