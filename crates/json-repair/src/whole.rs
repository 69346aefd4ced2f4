//! A whole text: finds the JSON in it, mends it, and checks what came out.

use std::borrow::Cow;

use crate::{
    find::{DocumentSearch, Found, Opening},
    literals::json_literal,
    lookahead::SourceText,
    parser::{BracketPolicy, ParseOptions, Parser, StopReason},
    report::{FlawKind, Report},
    strict::is_json,
    unescape::Unescaper,
    work_budget::{PARSE_COST, REREAD_COST, WorkBudget},
};

/// Why a text was not mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no JSON in it.
    NoJson,
    /// There is, but only a guess could tell what it was to be.
    Unrepairable,
}

/// What the document is to be, if that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootKind {
    /// Anything.
    #[default]
    Any,
    /// An object.
    Object,
    /// An array.
    Array,
}

impl RootKind {
    /// Whether a document may be this.
    fn matches(self, json: &[u8]) -> bool {
        let first = json.trim_ascii_start().first();
        match self {
            Self::Any => true,
            Self::Object => first == Some(&b'{'),
            Self::Array => first == Some(&b'['),
        }
    }
}

/// The most documents in one text. More are no answer.
const MAX_DOCUMENTS: usize = 10_000;

/// How many flaws a document may have to be read again where brackets are in doubt.
const MAX_FLAWS_FOR_RETRY: usize = 64;

/// How much room is made at once for a document, in bytes.
const INITIAL_CAPACITY: usize = 1 << 12;

/// A document that was found in a text.
#[derive(Debug)]
pub(crate) struct FoundDocument {
    json: Vec<u8>,
    report: Report,
    /// Where it begins and ends in the text.
    range: (usize, usize),
    is_fenced: bool,
    /// Whether nothing but white space, commas and comments is between it and the one before.
    is_adjacent: bool,
}

/// Mends a text. A text that is JSON comes back as it is, with an empty report.
pub fn repair(text: &str, root: RootKind) -> Result<(Cow<'_, str>, Report), Failure> {
    if is_json(text.as_bytes()) {
        return Ok(unwrap_valid(text, root));
    }
    if let Some(json) = lone_literal(text) {
        let mut report = Report::default();
        report.add(FlawKind::WrongLiteral, 0);
        return Ok((Cow::Owned(json), report));
    }
    let (json, report) = repair_documents(text.as_bytes(), root)?;
    let json = String::from_utf8(json).map_err(|_| Failure::Unrepairable)?;
    if !is_json(json.as_bytes()) {
        return Err(Failure::Unrepairable);
    }
    Ok((Cow::Owned(json), report))
}

/// JSON needs no mending, unless it is a string that holds the JSON asked for.
fn unwrap_valid(text: &str, root: RootKind) -> (Cow<'_, str>, Report) {
    let mut report = Report::default();
    if root == RootKind::Any || !text.trim_start().starts_with('"') {
        return (Cow::Borrowed(text), report);
    }
    let Ok(inner) = serde_json::from_str::<String>(text) else {
        return (Cow::Borrowed(text), report);
    };
    if !root.matches(inner.as_bytes()) {
        return (Cow::Borrowed(text), report);
    }
    let inner = if is_json(inner.as_bytes()) {
        Some(inner)
    } else {
        repair_documents(inner.as_bytes(), root).ok().and_then(|(json, inside)| {
            report.append(&inside);
            String::from_utf8(json).ok().filter(|json| is_json(json.as_bytes()))
        })
    };
    match inner {
        Some(inner) => {
            report.add(FlawKind::Unwrapped, 0);
            (Cow::Owned(inner), report)
        }
        None => (Cow::Borrowed(text), report),
    }
}

/// JSON for a text that is only a literal of another language, or a string in other quotes.
fn lone_literal(text: &str) -> Option<String> {
    let text = text.trim();
    let word = text.as_bytes();
    if word.len() < 12 && word != b"none" && word != b"None of" {
        return json_literal(word).map(str::to_owned);
    }
    None
}

fn repair_documents(text: &[u8], root: RootKind) -> Result<(Vec<u8>, Report), Failure> {
    let effort = WorkBudget::new(text.len());
    let documents = find_documents(SourceText { bytes: text, is_complete: true, budget: &effort })?;
    choose_document(documents, root, text)
}

/// All documents of a text. Behind one beyond mending only a fence can be trusted: anything else may
/// be a part of it.
pub(crate) fn find_documents(source: SourceText<'_>) -> Result<Vec<FoundDocument>, Failure> {
    let (mut documents, mut from) = (Vec::<FoundDocument>::new(), 0);
    let (mut search, mut hopeless) = (DocumentSearch::new(0), false);
    while documents.len() < MAX_DOCUMENTS {
        let Ok(Found::Document { at, opened, fenced }) = search.find_next(source) else { break };
        let adjacent = is_adjacent(source, from, at);
        match parse_document(source, at, opened) {
            Ok((json, report, end)) => {
                if fenced || !hopeless {
                    let range = (at, end);
                    documents.push(FoundDocument {
                        json,
                        report,
                        range,
                        is_fenced: fenced,
                        is_adjacent: adjacent,
                    });
                }
                from = end.max(at + 1);
            }
            Err(end) => {
                if fenced || adjacent && !documents.is_empty() {
                    return Err(Failure::Unrepairable);
                }
                (hopeless, from) = (true, end.max(at + 1));
            }
        }
        search.resume(from);
    }
    if documents.is_empty() {
        return Err(if hopeless { Failure::Unrepairable } else { Failure::NoJson });
    }
    Ok(documents)
}

/// Whether nothing but white space, commas and comments is between two places.
fn is_adjacent(source: SourceText<'_>, from: usize, to: usize) -> bool {
    let mut at = from;
    while let Ok(Some((next, byte))) = source.next_token(at) {
        if next >= to || !matches!(byte, b',' | b';') {
            return next == to;
        }
        at = next + 1;
    }
    false
}

/// Reads one document. What it comes to, and where it ends; on failure, where that was.
fn parse_document(
    source: SourceText<'_>,
    at: usize,
    opened: Opening,
) -> Result<(Vec<u8>, Report, usize), usize> {
    if opened == Opening::Escaped {
        return parse_escaped(source, at);
    }
    let mut best = parse_with(source, at, opened, BracketPolicy::Insert);
    for doubt in [BracketPolicy::Replace, BracketPolicy::Drop] {
        let settled =
            |parser: &Parser| !parser.is_ambiguous || parser.report.count() > MAX_FLAWS_FOR_RETRY;
        if repair_cost(source, &best) < 2 || best.as_ref().is_ok_and(settled) {
            break;
        }
        let other = parse_with(source, at, opened, doubt);
        let read = other.as_ref().map_or_else(|end| *end, |parser| parser.position);
        source.budget.spend(REREAD_COST * (read - at));
        // What needs less mending is more likely what was meant.
        if repair_cost(source, &other) < repair_cost(source, &best) {
            best = other;
        }
    }
    best.map(into_parts)
}

/// How much had to be mended, and how much was left over.
fn repair_cost(source: SourceText<'_>, attempt: &Result<Parser, usize>) -> usize {
    let Ok(parser) = attempt else { return usize::MAX };
    let left_over = matches!(source.next_token(parser.position), Ok(Some((_, b'}' | b']'))));
    parser.report.count() + usize::from(left_over)
}

fn into_parts(parser: Parser) -> (Vec<u8>, Report, usize) {
    (parser.output, parser.report, parser.position)
}

fn parse_with(
    source: SourceText<'_>,
    at: usize,
    opened: Opening,
    doubt: BracketPolicy,
) -> Result<Parser, usize> {
    source.budget.spend(PARSE_COST);
    let mut parser = Parser::new(
        at,
        ParseOptions { always_look_ahead: true, use_indentation: true, bracket_policy: doubt },
    );
    parser.output.reserve((source.bytes.len() - at).min(INITIAL_CAPACITY));
    if let Opening::MissingBracket(shape) = opened {
        parser.open_implied(shape);
    }
    match parser.run(source) {
        StopReason::Done => Ok(parser),
        StopReason::NeedMoreInput | StopReason::Unrepairable => Err(parser.position),
    }
}

/// Reads a document in which everything was escaped once too often.
fn parse_escaped(source: SourceText<'_>, at: usize) -> Result<(Vec<u8>, Report, usize), usize> {
    let end = source.bytes.len();
    let mut plain = Vec::new();
    let mut unescape = Unescaper::default();
    unescape.feed(source.tail(at), &mut plain);
    unescape.finish(&mut plain);
    let inner = SourceText { bytes: &plain, ..source };
    let mut parser =
        parse_with(inner, 0, Opening::Bracket, BracketPolicy::Insert).map_err(|_| end)?;
    parser.report.add(FlawKind::Escaped, at);
    Ok((parser.output, parser.report, end))
}

/// Makes one document of those found.
fn choose_document(
    documents: Vec<FoundDocument>,
    root: RootKind,
    text: &[u8],
) -> Result<(Vec<u8>, Report), Failure> {
    let several = documents.len() > 1;
    if several && root != RootKind::Object && documents.iter().skip(1).all(|one| one.is_adjacent) {
        return Ok(join_documents(&documents));
    }
    let fits = documents.iter().any(|one| root.matches(&one.json));
    let fenced = documents.iter().any(|one| one.is_fenced && (!fits || root.matches(&one.json)));
    let mut rest = documents
        .into_iter()
        .filter(|one| (!fits || root.matches(&one.json)) && (!fenced || one.is_fenced));
    let first = rest.next().ok_or(Failure::NoJson)?;
    let mut best = first;
    for one in rest {
        if one.json == best.json {
            continue;
        }
        // A short one beside a long one is an example; of two alike, nobody knows which is meant.
        if one.json.len() > 3 * best.json.len() {
            best = one;
        } else if 3 * one.json.len() > best.json.len() {
            return Err(Failure::Unrepairable);
        }
    }
    if !best.is_fenced && is_enclosed(text, best.range) {
        return Err(Failure::Unrepairable);
    }
    let mut report = best.report;
    if let Some((kind, at)) = surrounding_flaw(text, best.range, best.is_fenced) {
        report.add(kind, at);
    }
    Ok((best.json, report))
}

/// Whether a document stands between brackets that could not be read: it is a part of what was meant.
fn is_enclosed(text: &[u8], range: (usize, usize)) -> bool {
    let before = text.get(..range.0).unwrap_or_default().trim_ascii_start();
    let after = text.get(range.1..).unwrap_or_default().trim_ascii_start();
    matches!(before.first(), Some(b'{' | b'[')) && matches!(after.first(), Some(b'}' | b']'))
}

/// What is around a document, with the byte where it is.
fn surrounding_flaw(text: &[u8], range: (usize, usize), fenced: bool) -> Option<(FlawKind, usize)> {
    let before = text.get(..range.0).unwrap_or_default().trim_ascii();
    let after = text.get(range.1..).unwrap_or_default().trim_ascii();
    if fenced {
        return Some((FlawKind::CodeFence, 0));
    }
    if !before.is_empty() {
        return Some((FlawKind::SurroundingText, 0));
    }
    let only = |some: &[u8]| after.iter().all(|byte| some.contains(byte) || *byte == b' ');
    let kind = match () {
        () if after.is_empty() => return None,
        () if only(b"}]\n") => FlawKind::ExtraBracket,
        () if only(b",;") => FlawKind::TrailingComma,
        () => FlawKind::SurroundingText,
    };
    Some((kind, range.1))
}

/// Documents one after the other are the items of an array.
fn join_documents(documents: &[FoundDocument]) -> (Vec<u8>, Report) {
    let mut json = vec![b'['];
    let mut report = Report::default();
    report.add(FlawKind::SeveralValues, 0);
    for document in documents {
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(&document.json);
        report.append(&document.report);
    }
    json.push(b']');
    (json, report)
}
