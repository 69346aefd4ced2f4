//! Post-processing of answers: `post_processing_steps: [{"type": "json-repair"}]`, and the repair and
//! check of an emulated `response_format`.
//!
//! A whole answer is repaired in place. For a stream, repair is a stage from deltas to deltas,
//! between the provider's decoder and the stream writer.

mod format_check;

use std::{collections::BTreeMap, rc::Rc};

use self::format_check::FormatCheck;
use crate::{
    chat::{
        answer::{Answer, Choice},
        delta::Delta,
        error::Error,
        finish::Finish,
        request::Request,
        text::Text,
        tools::ResponseFormat,
    },
    collections::map_of,
};
use json_repair::{ExpectedShape, Failure, Report, RootKind, Stream};

/// The maximum number of texts whose flaws are listed in a header.
const MAX_LISTED: usize = 16;

/// The maximum length of an answer that is repaired as a stream, in bytes: that of a whole answer.
/// It bounds the text that is held back.
const MAX_STREAMED: usize = 32 << 20;

/// Expected shapes of the JSON in an answer, according to its request.
#[derive(Debug)]
pub struct RepairRequest {
    content: ExpectedShape,
    /// The check of the content. `None`: what was repaired is right.
    check: Option<FormatCheck>,
    /// The shape of the arguments of each tool, by name. `None`: arguments pass unchanged.
    tools: Option<BTreeMap<String, ExpectedShape>>,
}

/// Report of the repairs in an answer.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// The name of each repaired text, with its flaws.
    texts: Vec<(String, Report)>,
}

impl RepairRequest {
    /// Returns the shapes that a request expects, or `None` if it does not ask for repair.
    pub fn from_request(request: &Request<'_>) -> Option<Rc<Self>> {
        if !request.repair {
            return None;
        }
        let (content, tools) = (content_shape(request), tools_shapes(request));
        Some(Rc::new(Self { content, check: None, tools: Some(tools) }))
    }

    /// Returns the shapes for a request whose `response_format` the provider does not enforce: the
    /// content is repaired and checked in any case.
    pub fn for_emulated_format(request: &Request<'_>) -> Rc<Self> {
        let check = request.response_format.as_ref().and_then(FormatCheck::new);
        let tools = request.repair.then(|| tools_shapes(request));
        Rc::new(Self { content: content_shape(request), check, tools })
    }

    /// Repairs a whole answer.
    pub fn repair_answer(&self, answer: &mut Answer<'_>) -> Result<RepairReport, Error> {
        let mut report = RepairReport::default();
        for (index, choice) in answer.choices.iter_mut().enumerate() {
            self.repair_content(choice, index, &mut report)?;
            for (number, call) in choice.calls.iter_mut().enumerate() {
                let Some(shape) = self.arguments_shape(&call.name) else { continue };
                let name = text_name(index, Some(number));
                if let Some(arguments) =
                    repaired_arguments(&call.arguments, &shape, name, &mut report)?
                {
                    call.arguments = arguments;
                }
            }
        }
        Ok(report)
    }

    /// Returns the shape of a tool's arguments: an object, even for an unknown tool. Returns `None`
    /// if arguments are not repaired.
    fn arguments_shape(&self, tool: &Text<'_>) -> Option<ExpectedShape> {
        let named = self.tools.as_ref()?.get(tool.decode().as_ref());
        Some(named.cloned().unwrap_or(RootKind::Object.into()))
    }

    /// Repairs the content of a choice. Content without JSON is allowed beside tool calls.
    fn repair_content(
        &self,
        choice: &mut Choice<'_>,
        index: usize,
        report: &mut RepairReport,
    ) -> Result<(), Error> {
        let Some(content) = choice.content.as_ref().filter(|content| !content.is_blank()) else {
            return Ok(());
        };
        let (plain, name) = (content.decode_lossy(), text_name(index, None));
        let (json, flaws) = match json_repair::repair(&plain, &self.content) {
            Ok(repaired) => repaired,
            Err(Failure::NoJson) if !choice.calls.is_empty() => return Ok(()),
            Err(failure) => return Err(repair_error(&name, failure)),
        };
        if choice.calls.is_empty() {
            self.check(&json, choice.finish, &name)?;
        }
        if !flaws.is_empty() {
            let text = Text::new(&json);
            report.add(name, &flaws);
            choice.content = Some(text);
        }
        Ok(())
    }

    /// Checks the content of a choice. An answer that was cut off follows no schema.
    fn check(&self, json: &str, finish: Finish, name: &str) -> Result<(), Error> {
        let check = self.check.as_ref().filter(|_| finish == Finish::Stop);
        if check.is_none_or(|check| check.accepts(json)) {
            return Ok(());
        }
        let problem = "does not follow the schema of response_format";
        Err(Error::PostProcessing { place: name.to_owned(), problem })
    }
}

/// Returns the shape of the content that a request asks for.
fn content_shape(request: &Request<'_>) -> ExpectedShape {
    match &request.response_format {
        None | Some(ResponseFormat::Text) => ExpectedShape::default(),
        Some(ResponseFormat::JsonObject) => RootKind::Object.into(),
        Some(ResponseFormat::JsonSchema(format)) => {
            format.schema.map(|raw| ExpectedShape::from_schema(raw.get())).unwrap_or_default()
        }
    }
}

/// Returns the shape of the arguments of each tool.
fn tools_shapes(request: &Request<'_>) -> BTreeMap<String, ExpectedShape> {
    let functions = request.tools.iter().filter_map(|tool| tool.function.as_ref());
    let shapes = functions.map(|function| {
        let shape = function.parameters.map(|raw| ExpectedShape::from_schema(raw.get()));
        (function.name.decode().into_owned(), shape.unwrap_or_default().with_object_root())
    });
    map_of(shapes)
}

/// Returns the arguments of a call if they need repair. Empty arguments become an empty object.
fn repaired_arguments(
    arguments: &Text<'_>,
    shape: &ExpectedShape,
    name: String,
    report: &mut RepairReport,
) -> Result<Option<Text<'static>>, Error> {
    if arguments.is_blank() {
        return Ok(Some(Text::new("{}")));
    }
    let plain = arguments.decode_lossy();
    match json_repair::repair(&plain, shape) {
        Ok((_, flaws)) if flaws.is_empty() => Ok(None),
        Ok((json, flaws)) => {
            report.add(name, &flaws);
            Ok(Some(Text::new(&json)))
        }
        Err(failure) => Err(repair_error(&name, failure)),
    }
}

/// Returns the name of a text in headers and errors.
fn text_name(choice: usize, call: Option<usize>) -> String {
    let choice = if choice == 0 { String::new() } else { format!("choices[{choice}].") };
    match call {
        None => format!("{choice}content"),
        Some(number) => format!("{choice}tool_calls[{number}]"),
    }
}

fn repair_error(name: &str, failure: Failure) -> Error {
    let problem = match failure {
        Failure::NoJson => "holds no JSON",
        Failure::Unrepairable => "is not JSON and cannot be repaired",
    };
    Error::PostProcessing { place: name.to_owned(), problem }
}

impl RepairReport {
    fn add(&mut self, name: String, flaws: &Report) {
        if !flaws.is_empty() {
            self.texts.push((name, flaws.clone()));
        }
    }

    /// Returns the value of `x-attache-repair`, or `None` if nothing was repaired.
    pub fn header(&self) -> Option<String> {
        let listed = |(name, flaws): &(String, Report)| {
            let kinds: Vec<&str> = flaws.kinds().map(json_repair::FlawKind::name).collect();
            format!("{name}={}", kinds.join(","))
        };
        let mut parts: Vec<String> = self.texts.iter().take(MAX_LISTED).map(listed).collect();
        if self.texts.len() > MAX_LISTED {
            parts.push(format!("+{}", self.texts.len() - MAX_LISTED));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Returns the kinds of flaws, each once for each text: the unit of the metric.
    pub fn kinds(&self) -> impl Iterator<Item = json_repair::FlawKind> {
        self.texts.iter().flat_map(|(_, flaws)| flaws.kinds())
    }
}

/// Post-processing stage of a stream: repairs content and arguments on their way to the writer.
#[derive(Debug)]
pub struct Repairer {
    request: Rc<RepairRequest>,
    choices: BTreeMap<usize, ChoiceRepair>,
    report: RepairReport,
    /// The number of bytes received.
    received: usize,
}

/// Repair of the texts of one choice.
#[derive(Debug, Default)]
struct ChoiceRepair {
    finished: bool,
    has_calls: bool,
    content: Option<TextRepair>,
    /// The arguments of calls, by the call's index.
    calls: BTreeMap<usize, TextRepair>,
}

/// Repair of one text that streams.
#[derive(Debug)]
struct TextRepair {
    /// `None` for a text that passes unchanged from now on.
    stream: Option<Stream>,
    /// The first half of a surrogate pair whose second half is still missing, escaped.
    carry: String,
    /// The text so far, if it is checked at its end.
    checked: Option<String>,
}

impl Repairer {
    /// Creates the stage for a stream that has not begun.
    pub fn new(request: Rc<RepairRequest>) -> Self {
        Self { request, choices: BTreeMap::new(), report: RepairReport::default(), received: 0 }
    }

    /// Repairs a delta and passes the result on: no delta, one or several.
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
            Delta::Finish { choice, finish, .. } => {
                self.finish(choice, finish, &mut write)?;
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
        std::mem::take(&mut self.report)
    }

    fn content(&mut self, choice: usize, text: &Text<'_>) -> Result<Text<'static>, Error> {
        let within_limits = self.count(text);
        let own = self.choices.entry(choice).or_default();
        let content = own.content.get_or_insert_with(|| TextRepair::of_content(&self.request));
        let repaired = within_limits.and_then(|()| content.feed(text));
        repaired.map_err(|failure| repair_error(&text_name(choice, None), failure))
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
        repaired.map_err(|failure| repair_error(&text_name(choice, Some(call)), failure))
    }

    fn count(&mut self, text: &Text<'_>) -> Result<(), Failure> {
        self.received += text.json().len();
        if self.received > MAX_STREAMED { Err(Failure::Unrepairable) } else { Ok(()) }
    }

    /// Begins a call. Content that is held back, because it might contain JSON, is prose beside the
    /// call and passes unchanged.
    fn begin_call(
        &mut self,
        choice: usize,
        call: usize,
        name: &Text<'_>,
        write: &mut impl FnMut(&Delta<'_>),
    ) {
        let shape = self.request.arguments_shape(name);
        let own = self.choices.entry(choice).or_default();
        if let Some(text) = own.content.as_mut().and_then(TextRepair::take_prose) {
            write(&Delta::Content { choice, text, logprobs: None });
        }
        own.has_calls = true;
        own.calls.extend(shape.map(|shape| (call, TextRepair::new(&shape))));
    }

    /// Finishes a choice: passes on the rest of its content and of its arguments.
    fn finish(
        &mut self,
        choice: usize,
        finish: Finish,
        write: &mut impl FnMut(&Delta<'_>),
    ) -> Result<(), Error> {
        let own = self.choices.entry(choice).or_default();
        own.finished = true;
        let mut rest = Vec::new();
        if let Some(text) = own.content.as_mut() {
            let name = text_name(choice, None);
            let last = text.finish(&name, &mut self.report)?;
            rest.extend(last.map(|text| Delta::Content { choice, text, logprobs: None }));
            if let Some(json) = text.checked.as_ref().filter(|_| !own.has_calls) {
                self.request.check(json, finish, &name)?;
            }
        }
        for (call, text) in &mut own.calls {
            let call = *call;
            let text = text.finish(&text_name(choice, Some(call)), &mut self.report)?;
            rest.extend(text.map(|text| Delta::Arguments { choice, call, text }));
        }
        rest.iter().for_each(write);
        Ok(())
    }

    /// Finishes the choices whose provider gave no finish reason.
    fn end(&mut self, write: &mut impl FnMut(&Delta<'_>)) -> Result<(), Error> {
        let choices = self.choices.iter().filter(|(_, own)| !own.finished);
        for choice in choices.map(|(choice, _)| *choice).collect::<Vec<_>>() {
            self.finish(choice, Finish::Stop, write)?;
        }
        Ok(())
    }
}

impl TextRepair {
    fn new(shape: &ExpectedShape) -> Self {
        Self { stream: Some(Stream::new(shape)), carry: String::new(), checked: None }
    }

    fn of_content(request: &RepairRequest) -> Self {
        let checked = request.check.as_ref().map(|_| String::new());
        Self { checked, ..Self::new(&request.content) }
    }

    fn feed(&mut self, text: &Text<'_>) -> Result<Text<'static>, Failure> {
        let Some(stream) = &mut self.stream else { return Ok(text.clone().into_owned()) };
        let mut out = Vec::new();
        match text.split_character(&mut self.carry) {
            Some(joined) => stream.feed(&joined.decode_lossy(), &mut out)?,
            None => stream.feed(&text.decode_lossy(), &mut out)?,
        }
        Ok(self.returned(&out))
    }

    /// Returns repaired bytes as a text, and keeps them for the check.
    fn returned(&mut self, out: &[u8]) -> Text<'static> {
        let json = String::from_utf8_lossy(out);
        if let Some(checked) = &mut self.checked {
            checked.push_str(&json);
        }
        Text::new(&json)
    }

    /// Returns the text that is held back, unless JSON has begun in it. Later text passes unchanged.
    fn take_prose(&mut self) -> Option<Text<'static>> {
        let stream = self.stream.take_if(|stream| !stream.has_begun())?;
        Some(Text::new(&stream.into_text()))
    }

    /// Finishes the text. Returns the rest of it.
    fn finish(
        &mut self,
        name: &str,
        report: &mut RepairReport,
    ) -> Result<Option<Text<'static>>, Error> {
        let Some(mut stream) = self.stream.take() else { return Ok(None) };
        let mut out = Vec::new();
        match stream.finish(&mut out) {
            Ok(own) => report.add(name.to_owned(), &own),
            Err(failure) => {
                let is_blank = !stream.has_begun() && stream.into_text().trim().is_empty();
                if !is_blank {
                    return Err(repair_error(name, failure));
                }
                self.checked = None;
            }
        }
        Ok(Some(self.returned(&out)))
    }
}

#[cfg(test)]
mod tests;
