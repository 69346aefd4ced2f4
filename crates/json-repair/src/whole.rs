//! Repair of a complete text: finds its documents, parses each, chooses between them and checks that
//! the result is JSON.

use std::{borrow::Cow, ops::Range};

use crate::{
    find::{DocumentSearch, DocumentStart, Opening},
    literals::json_literal,
    lookahead::SourceText,
    parser::{BracketPolicy, ParseOptions, ParsedDocument, Parser, StopReason},
    report::{Failure, FlawKind, Report},
    schema::RootKind,
    strict::is_json,
    unescape::Unescaper,
    work_budget::{PARSE_COST, REREAD_COST, WorkBudget},
};

/// The maximum number of documents read from one text.
const MAX_DOCUMENTS: usize = 10_000;

/// The maximum number of flaws in a document that is parsed again with another [`BracketPolicy`].
const MAX_FLAWS_FOR_RETRY: usize = 64;

/// The bytes reserved at first for the output of a document.
const INITIAL_CAPACITY: usize = 1 << 12;

/// A document found in a text.
#[derive(Debug)]
pub(crate) struct FoundDocument {
    json: Vec<u8>,
    report: Report,
    /// The bytes of the text that the document covers.
    range: Range<usize>,
    /// Whether the document is in a code fence.
    is_fenced: bool,
    /// Whether only white space, commas and comments separate the document from the previous one.
    is_adjacent: bool,
}

/// Repairs a text. Returns valid JSON unchanged, with an empty report.
pub(crate) fn repair(text: &str, root: RootKind) -> Result<(Cow<'_, str>, Report), Failure> {
    if is_json(text.as_bytes()) {
        return Ok(unwrap_valid(text, root));
    }
    if let Some(json) = lone_literal(text) {
        let mut report = Report::default();
        report.add(FlawKind::WrongLiteral, 0);
        return Ok((Cow::Borrowed(json), report));
    }
    let (json, report) = repair_documents(text.as_bytes(), root)?;
    let json = checked_utf8(json).ok_or(Failure::Unrepairable)?;
    Ok((Cow::Owned(json), report))
}

/// Returns valid JSON unchanged, or the document in it if the JSON is a string that holds a document
/// of the expected kind.
fn unwrap_valid(text: &str, root: RootKind) -> (Cow<'_, str>, Report) {
    match unwrap_string(text, root) {
        Some((inner, report)) => (Cow::Owned(inner), report),
        None => (Cow::Borrowed(text), Report::default()),
    }
}

/// Returns the document of the expected kind that a JSON string holds.
fn unwrap_string(text: &str, root: RootKind) -> Option<(String, Report)> {
    if root == RootKind::Any || !text.trim_start().starts_with('"') {
        return None;
    }
    let inner: String = serde_json::from_str(text).ok()?;
    if !root.matches(inner.as_bytes()) {
        return None;
    }
    let (inner, mut report) = if is_json(inner.as_bytes()) {
        (inner, Report::default())
    } else {
        let (json, report) = repair_documents(inner.as_bytes(), root).ok()?;
        (checked_utf8(json)?, report)
    };
    report.add(FlawKind::Unwrapped, 0);
    Some((inner, report))
}

/// Returns the output as a string if it is JSON.
pub(crate) fn checked_utf8(json: Vec<u8>) -> Option<String> {
    String::from_utf8(json).ok().filter(|json| is_json(json.as_bytes()))
}

/// Returns the JSON for a text that is nothing but a literal of another language.
fn lone_literal(text: &str) -> Option<&'static str> {
    let word = text.trim().as_bytes();
    // In lower case `none` is an English word.
    if word == b"none" { None } else { json_literal(word) }
}

fn repair_documents(text: &[u8], root: RootKind) -> Result<(Vec<u8>, Report), Failure> {
    let budget = WorkBudget::new(text.len());
    let documents = find_documents(SourceText { bytes: text, is_complete: true, budget: &budget })?;
    choose_document(documents, root, text)
}

/// Returns all documents of a text. After an unrepairable document only fenced ones are accepted:
/// anything else may be a part of the unrepairable one.
pub(crate) fn find_documents(source: SourceText<'_>) -> Result<Vec<FoundDocument>, Failure> {
    let (mut documents, mut from) = (Vec::<FoundDocument>::new(), 0);
    let (mut search, mut has_unrepairable) = (DocumentSearch::new(0), false);
    while documents.len() < MAX_DOCUMENTS {
        let Ok(Some(DocumentStart { at, opening, is_fenced })) = search.find_next(source) else {
            break;
        };
        let is_adjacent = is_adjacent(source, from, at);
        match parse_document(source, at, opening) {
            Ok(ParsedDocument { json, report, end }) => {
                if is_fenced || !has_unrepairable {
                    let range = at..end;
                    documents.push(FoundDocument { json, report, range, is_fenced, is_adjacent });
                }
                from = end.max(at + 1);
            }
            Err(end) => {
                if is_fenced || is_adjacent && !documents.is_empty() {
                    return Err(Failure::Unrepairable);
                }
                (has_unrepairable, from) = (true, end.max(at + 1));
            }
        }
        search.resume(from);
    }
    if documents.is_empty() {
        return Err(if has_unrepairable { Failure::Unrepairable } else { Failure::NoJson });
    }
    Ok(documents)
}

/// Returns whether only white space, commas and comments are between two offsets.
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

/// Parses one document, with another [`BracketPolicy`] where a bracket is ambiguous. Returns the
/// offset where parsing stopped if the document is unrepairable.
fn parse_document(
    source: SourceText<'_>,
    at: usize,
    opening: Opening,
) -> Result<ParsedDocument, usize> {
    if opening == Opening::Escaped {
        return parse_escaped(source, at);
    }
    let mut best = parse_with(source, at, opening, BracketPolicy::Insert);
    for policy in [BracketPolicy::Replace, BracketPolicy::Drop] {
        let is_settled =
            |parser: &Parser| !parser.is_ambiguous() || parser.flaw_count() > MAX_FLAWS_FOR_RETRY;
        if repair_cost(source, &best) < 2 || best.as_ref().is_ok_and(is_settled) {
            break;
        }
        let other = parse_with(source, at, opening, policy);
        let end = other.as_ref().map_or_else(|end| *end, Parser::position);
        source.budget.spend(REREAD_COST * (end - at));
        // The parse with fewer repairs is more likely the document that was meant.
        if repair_cost(source, &other) < repair_cost(source, &best) {
            best = other;
        }
    }
    best.map(Parser::into_document)
}

/// Returns the number of repairs, plus one if a closing bracket is left over.
fn repair_cost(source: SourceText<'_>, parsed: &Result<Parser, usize>) -> usize {
    let Ok(parser) = parsed else { return usize::MAX };
    let is_left_over = matches!(source.next_token(parser.position()), Ok(Some((_, b'}' | b']'))));
    parser.flaw_count() + usize::from(is_left_over)
}

/// Parses one document with one [`BracketPolicy`]. Returns the offset where parsing stopped if the
/// document is unrepairable.
fn parse_with(
    source: SourceText<'_>,
    at: usize,
    opening: Opening,
    policy: BracketPolicy,
) -> Result<Parser, usize> {
    source.budget.spend(PARSE_COST);
    let mut parser = Parser::new(at, ParseOptions::whole_text(policy));
    parser.reserve((source.bytes.len() - at).min(INITIAL_CAPACITY));
    if let Opening::MissingBracket(container) = opening {
        parser.open_implied(container);
    }
    match parser.run(source) {
        StopReason::Done => Ok(parser),
        StopReason::NeedMoreInput | StopReason::Unrepairable => Err(parser.position()),
    }
}

/// Parses a document in which every quote has a backslash. Returns the end of the text if the
/// document is unrepairable.
fn parse_escaped(source: SourceText<'_>, at: usize) -> Result<ParsedDocument, usize> {
    let end = source.bytes.len();
    let mut plain = Vec::new();
    let mut unescaper = Unescaper::default();
    unescaper.feed(source.tail(at), &mut plain);
    unescaper.finish(&mut plain);
    let inner = SourceText { bytes: &plain, ..source };
    let parser = parse_with(inner, 0, Opening::Bracket, BracketPolicy::Insert).map_err(|_| end)?;
    let mut document = parser.into_document();
    document.report.add(FlawKind::Escaped, at);
    Ok(ParsedDocument { end, ..document })
}

/// Returns one document for all those found: the array of adjacent ones, the one that is clearly
/// meant, or a failure.
fn choose_document(
    documents: Vec<FoundDocument>,
    root: RootKind,
    text: &[u8],
) -> Result<(Vec<u8>, Report), Failure> {
    let is_row = documents.len() > 1 && documents.iter().skip(1).all(|one| one.is_adjacent);
    if is_row && root != RootKind::Object {
        return Ok(join_documents(&documents));
    }
    let best = best_document(documents, root)?;
    if !best.is_fenced && is_enclosed(text, &best.range) {
        return Err(Failure::Unrepairable);
    }
    let mut report = best.report;
    if is_row && !best.is_fenced {
        report.add(FlawKind::SeveralValues, best.range.end);
    } else if let Some((kind, at)) = surrounding_flaw(text, &best.range, best.is_fenced) {
        report.add(kind, at);
    }
    Ok((best.json, report))
}

/// Returns the document that is meant: of the expected kind rather than another, fenced rather than
/// not, long rather than short.
fn best_document(documents: Vec<FoundDocument>, root: RootKind) -> Result<FoundDocument, Failure> {
    let fits = documents.iter().any(|one| root.matches(&one.json));
    let fenced = documents.iter().any(|one| one.is_fenced && (!fits || root.matches(&one.json)));
    let mut candidates = documents
        .into_iter()
        .filter(|one| (!fits || root.matches(&one.json)) && (!fenced || one.is_fenced));
    let mut best = candidates.next().ok_or(Failure::NoJson)?;
    for one in candidates {
        if one.json == best.json {
            continue;
        }
        // A short document beside a long one is an example. Two of similar length are ambiguous.
        if one.json.len() > 3 * best.json.len() {
            best = one;
        } else if 3 * one.json.len() > best.json.len() {
            return Err(Failure::Unrepairable);
        }
    }
    Ok(best)
}

/// Returns whether a document is between brackets that could not be parsed, which makes the document
/// a part of a larger one.
fn is_enclosed(text: &[u8], range: &Range<usize>) -> bool {
    let before = text.get(..range.start).unwrap_or_default().trim_ascii_start();
    let after = text.get(range.end..).unwrap_or_default().trim_ascii_start();
    matches!(before.first(), Some(b'{' | b'[')) && matches!(after.first(), Some(b'}' | b']'))
}

/// Returns the kind and the offset of the flaw around a document.
fn surrounding_flaw(
    text: &[u8],
    range: &Range<usize>,
    is_fenced: bool,
) -> Option<(FlawKind, usize)> {
    let before = text.get(..range.start).unwrap_or_default().trim_ascii();
    let after = text.get(range.end..).unwrap_or_default().trim_ascii();
    if is_fenced {
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
    Some((kind, range.end))
}

/// Returns an array whose items are the documents.
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
