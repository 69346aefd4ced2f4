//! `post_processing_steps: [{"type": "json-repair"}]`: mends the content and the arguments of an
//! answer, whole or as it streams.

use std::{collections::BTreeMap, rc::Rc};

use crate::chat::{
    answer::{Answer, Choice},
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

/// Mends an answer as it streams.
#[derive(Debug)]
pub struct Repairer {
    wanted: Rc<RepairRequest>,
    /// One per choice that said something, and per call.
    texts: BTreeMap<(usize, Option<usize>), Streamed>,
    mended: RepairReport,
    /// How many bytes have come.
    come: usize,
}

/// A text that streams.
#[derive(Debug)]
struct Streamed {
    /// `None` once it is left alone.
    stream: Option<Stream>,
    /// The first half of a character whose second has not come, escaped.
    carry: String,
}

impl Repairer {
    /// A stream of which nothing has come.
    pub fn new(wanted: Rc<RepairRequest>) -> Self {
        Self { wanted, texts: BTreeMap::new(), mended: RepairReport::default(), come: 0 }
    }

    /// More of a choice's content. What the client gets of it.
    pub fn content(&mut self, choice: usize, text: &Text<'_>) -> Result<Text<'static>, Error> {
        let Self { wanted, texts, .. } = self;
        texts.entry((choice, None)).or_insert_with(|| Streamed::new(&wanted.content));
        self.feed(choice, None, text)
    }

    /// A call begins.
    pub fn call(&mut self, choice: usize, index: usize, name: &Text<'_>) {
        let guide = self.wanted.arguments(name);
        self.texts.insert((choice, Some(index)), Streamed::new(&guide));
    }

    /// More of a call's arguments. What the client gets of them.
    pub fn arguments(
        &mut self,
        choice: usize,
        index: usize,
        text: &Text<'_>,
    ) -> Result<Text<'static>, Error> {
        self.feed(choice, Some(index), text)
    }

    fn feed(
        &mut self,
        choice: usize,
        call: Option<usize>,
        text: &Text<'_>,
    ) -> Result<Text<'static>, Error> {
        self.come += text.json().len();
        let mended = match self.texts.get_mut(&(choice, call)) {
            _ if self.come > MAX_STREAMED => Err(Failure::Unrepairable),
            Some(own) => own.feed(text),
            None => Ok(text.clone().into_owned()),
        };
        mended.map_err(|failure| failed(&place(choice, call), failure))
    }

    /// What was held back of a choice's content, if that is prose beside a call: it is left alone.
    pub fn prose(&mut self, choice: usize) -> Option<Text<'static>> {
        let own = self.texts.get_mut(&(choice, None))?;
        let stream = own.stream.take_if(|stream| !stream.has_begun())?;
        Some(Text::new(&stream.into_text()))
    }

    /// The end of a choice. What was held back of its content and of its calls.
    pub fn finish(&mut self, choice: usize) -> Result<Vec<(Option<usize>, Text<'static>)>, Error> {
        let mut rest = Vec::new();
        let own = self.texts.range_mut((choice, None)..(choice + 1, None));
        for ((_, call), text) in own {
            let Some(mut stream) = text.stream.take() else { continue };
            let place = place(choice, *call);
            let mut out = Vec::new();
            match stream.finish(&mut out) {
                Ok(report) => self.mended.add(place, &report),
                Err(failure) => {
                    let text = if stream.has_begun() { None } else { Some(stream.into_text()) };
                    if !text.is_some_and(|text| text.trim().is_empty()) {
                        return Err(failed(&place, failure));
                    }
                }
            }
            rest.push((*call, Text::new(&String::from_utf8_lossy(&out))));
        }
        Ok(rest)
    }

    /// What was mended so far, once.
    pub fn take(&mut self) -> RepairReport {
        std::mem::take(&mut self.mended)
    }
}

impl Streamed {
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
}
