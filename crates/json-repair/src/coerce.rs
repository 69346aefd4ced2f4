//! Conversion of a document's values to the types of its schema, where nothing is lost or invented:
//! `"30"` becomes 30, `"Red"` becomes `"red"`, one value becomes an array of one. The document is
//! valid JSON that arrives in pieces; only a value that may change is held until it is complete.

use std::rc::Rc;

use crate::{
    literals::json_literal,
    report::{FlawKind, Report},
    schema::{RootKind, Schema, Subschemas, ValueTypes},
    strict::{is_whitespace, must_be_escaped, number_length},
    whole,
};

/// The length of a string, in bytes, above which the string is passed on and not converted.
const MAX_HELD_STRING: usize = 1 << 20;

/// The maximum number of strings inside of each other whose JSON is parsed.
const MAX_STRING_DEPTH: u8 = 3;

/// Converts the values of one document to the types of a schema.
#[derive(Debug)]
pub(crate) struct Coercer {
    schema: Rc<Schema>,
    stack: Vec<CoercerFrame>,
    state: CoercerState,
    /// The key or value that is held, as far as it has arrived.
    token: Vec<u8>,
    /// The subschemas of the next value.
    subschemas: Subschemas,
    report: Report,
    /// The number of strings that this document is inside of.
    string_depth: u8,
}

/// An open object or array.
#[derive(Debug)]
struct CoercerFrame {
    is_object: bool,
    subschemas: Subschemas,
    /// Whether an array of one was opened around the object.
    is_wrapped: bool,
}

/// The position of a [`Coercer`] in the grammar of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CoercerState {
    /// Before a value, or the end of an empty array.
    ExpectValue,
    /// Before a key, or the end of an object.
    ExpectKey,
    /// Behind a key.
    ExpectColon,
    /// Behind a value.
    AfterValue,
    /// In a key.
    InKey { escaped: bool },
    /// In a string that is passed on as it arrives.
    InPassedString { escaped: bool },
    /// In a string that is held.
    InHeldString { escaped: bool },
    /// In a number or a literal.
    InScalar,
}

impl Coercer {
    /// Creates a coercer at the beginning of a document.
    pub(crate) fn new(schema: Rc<Schema>) -> Self {
        let root = schema.root();
        Self::for_subschemas(schema, root, 0)
    }

    fn for_subschemas(schema: Rc<Schema>, subschemas: Subschemas, string_depth: u8) -> Self {
        Self {
            schema,
            stack: Vec::new(),
            state: CoercerState::ExpectValue,
            token: Vec::new(),
            subschemas,
            report: Report::default(),
            string_depth,
        }
    }

    /// Takes the next piece of the document and appends its converted form to `out`.
    pub(crate) fn feed(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let mut rest = json;
        while let Some(byte) = rest.first().copied() {
            let length = match self.state {
                CoercerState::InPassedString { escaped } => self.pass_string(rest, escaped, out),
                CoercerState::InKey { escaped } | CoercerState::InHeldString { escaped } => {
                    self.hold_string(byte, escaped, out)
                }
                CoercerState::InScalar => self.hold_scalar(byte, out),
                _ => self.read_structure(byte, out),
            };
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    /// Takes the end of the document, appends what was held to `out` and returns the conversions.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Report {
        if self.state == CoercerState::InScalar {
            self.end_value(out);
        }
        self.report
    }

    /// Reads a byte between values. Returns the number of bytes read: 0 where a number or a literal
    /// begins.
    fn read_structure(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        match byte {
            _ if is_whitespace(byte) => out.push(byte),
            b'{' | b'[' => self.open_container(byte, out),
            b'}' | b']' => self.close_container(byte, out),
            b',' => {
                out.push(byte);
                self.expect_next();
            }
            b':' => {
                out.push(byte);
                self.state = CoercerState::ExpectValue;
            }
            b'"' if self.state == CoercerState::ExpectKey => {
                self.token.push(byte);
                self.state = CoercerState::InKey { escaped: false };
            }
            b'"' if self.string_may_change() => {
                self.token.push(byte);
                self.state = CoercerState::InHeldString { escaped: false };
            }
            b'"' => {
                out.push(byte);
                self.state = CoercerState::InPassedString { escaped: false };
            }
            _ => {
                self.state = CoercerState::InScalar;
                return 0;
            }
        }
        1
    }

    /// Returns whether the schema may ask for another value than the string that begins.
    fn string_may_change(&self) -> bool {
        let allowed = self.schema.allowed_types(&self.subschemas);
        !allowed.intersects(ValueTypes::STRING) || self.schema.has_choices(&self.subschemas)
    }

    /// Moves behind an opening bracket or a comma.
    fn expect_next(&mut self) {
        let Some(frame) = self.stack.last() else { return };
        if frame.is_object {
            self.state = CoercerState::ExpectKey;
        } else {
            self.subschemas = self.schema.item(&frame.subschemas);
            self.state = CoercerState::ExpectValue;
        }
    }

    fn open_container(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_object = byte == b'{';
        let allowed = self.schema.allowed_types(&self.subschemas);
        let is_wrapped = is_object
            && !allowed.intersects(ValueTypes::OBJECT)
            && allowed.intersects(ValueTypes::ARRAY);
        if is_wrapped {
            self.report.add(FlawKind::Coerced, 0);
            self.subschemas = self.schema.item(&self.subschemas);
            out.push(b'[');
        }
        out.push(byte);
        let subschemas = std::mem::take(&mut self.subschemas);
        self.stack.push(CoercerFrame { is_object, subschemas, is_wrapped });
        self.expect_next();
    }

    fn close_container(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        if self.stack.pop().is_some_and(|frame| frame.is_wrapped) {
            out.push(b']');
        }
        self.state = CoercerState::AfterValue;
    }

    /// Passes on a string, up to its end or the next escape. Returns the number of bytes read.
    fn pass_string(&mut self, rest: &[u8], escaped: bool, out: &mut Vec<u8>) -> usize {
        let plain = rest.iter().position(|byte| must_be_escaped(*byte)).unwrap_or(rest.len());
        let length = if escaped { 1 } else { (plain + 1).min(rest.len()) };
        let piece = rest.get(..length).unwrap_or_default();
        out.extend_from_slice(piece);
        self.state = match piece.last() {
            Some(b'"') if !escaped => CoercerState::AfterValue,
            last => CoercerState::InPassedString { escaped: !escaped && last == Some(&b'\\') },
        };
        length
    }

    /// Holds a byte of a key or a string. Returns the number of bytes read, which is 1.
    fn hold_string(&mut self, byte: u8, escaped: bool, out: &mut Vec<u8>) -> usize {
        self.token.push(byte);
        let is_key = matches!(self.state, CoercerState::InKey { .. });
        if byte == b'"' && !escaped {
            if is_key {
                self.end_key(out);
            } else {
                self.end_value(out);
            }
            return 1;
        }
        let escaped = !escaped && byte == b'\\';
        self.state = match self.state {
            CoercerState::InKey { .. } => CoercerState::InKey { escaped },
            _ => CoercerState::InHeldString { escaped },
        };
        if self.token.len() > MAX_HELD_STRING {
            out.append(&mut self.token);
            self.subschemas = Subschemas::default();
            self.state = CoercerState::InPassedString { escaped };
        }
        1
    }

    /// Holds a byte of a number or a literal. Returns the number of bytes read: 0 where it ends.
    fn hold_scalar(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        if matches!(byte, b',' | b'}' | b']') || is_whitespace(byte) {
            self.end_value(out);
            return 0;
        }
        self.token.push(byte);
        1
    }

    /// Passes on the held key and looks up the subschemas of its value.
    fn end_key(&mut self, out: &mut Vec<u8>) {
        let name: String = serde_json::from_slice(&self.token).unwrap_or_default();
        let frame = self.stack.last();
        let subschemas = frame.map(|frame| self.schema.property(&frame.subschemas, &name));
        self.subschemas = subschemas.unwrap_or_default();
        out.append(&mut self.token);
        self.state = CoercerState::ExpectColon;
    }

    /// Passes on the held value, converted if the schema asks for another one.
    fn end_value(&mut self, out: &mut Vec<u8>) {
        let token = std::mem::take(&mut self.token);
        let subschemas = std::mem::take(&mut self.subschemas);
        self.state = CoercerState::AfterValue;
        match self.coerce(&token, &subschemas) {
            Some(json) => {
                self.report.add(FlawKind::Coerced, 0);
                out.extend_from_slice(&json);
            }
            None => out.extend_from_slice(&token),
        }
    }

    /// Returns the value that the schema asks for in the place of `token`, or an array with that
    /// value. Returns `None` if the value stays.
    fn coerce(&mut self, token: &[u8], subschemas: &Subschemas) -> Option<Vec<u8>> {
        let allowed = self.schema.allowed_types(subschemas);
        if let Some(json) = self.coerce_single(token, subschemas, allowed) {
            return Some(json);
        }
        let is_allowed = allowed.intersects(type_of_token(token));
        if is_allowed || !allowed.intersects(ValueTypes::ARRAY) || token == b"null" {
            return None;
        }
        let item = self.schema.item(subschemas);
        let allowed = self.schema.allowed_types(&item);
        let inner = self.coerce_single(token, &item, allowed);
        let json = inner.as_deref().unwrap_or(token);
        allowed.intersects(type_of_token(json)).then(|| [b"[", json, b"]"].concat())
    }

    /// Returns the value of an allowed type that `token` represents, other than an array around it.
    fn coerce_single(
        &mut self,
        token: &[u8],
        subschemas: &Subschemas,
        allowed: ValueTypes,
    ) -> Option<Vec<u8>> {
        if token.first() == Some(&b'"') {
            let text: String = serde_json::from_slice(token).ok()?;
            return self.coerce_string(&text, subschemas, allowed);
        }
        if allowed.intersects(type_of_token(token)) {
            return None;
        }
        if allowed.intersects(ValueTypes::BOOLEAN) {
            match token {
                b"0" | b"0.0" => return Some(b"false".to_vec()),
                b"1" | b"1.0" => return Some(b"true".to_vec()),
                _ => {}
            }
        }
        let becomes_text = allowed.intersects(ValueTypes::STRING) && token != b"null";
        becomes_text.then(|| [b"\"", token, b"\""].concat())
    }

    /// Returns the value of an allowed type that a string represents.
    fn coerce_string(
        &mut self,
        text: &str,
        subschemas: &Subschemas,
        allowed: ValueTypes,
    ) -> Option<Vec<u8>> {
        if allowed.intersects(ValueTypes::STRING) {
            let choice = self.schema.matching_choice(subschemas, text)?;
            return serde_json::to_vec(choice).ok();
        }
        let word = text.trim();
        if word.starts_with(['{', '[']) {
            return self.unwrap_string(word, subschemas, allowed);
        }
        let length = number_length(word.as_bytes());
        let is_whole = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let numeric = if is_whole { ValueTypes::INTEGER } else { ValueTypes::NUMBER };
        // JSON has no number with leading zeros: such a string is a code and stays.
        if allowed.intersects(numeric) && length == Some(word.len()) {
            return Some(word.as_bytes().to_vec());
        }
        let json = json_literal(word.as_bytes())?.as_bytes();
        allowed.intersects(type_of_token(json)).then(|| json.to_vec())
    }

    /// Returns the object or array that a string holds, if the schema allows one, with its own values
    /// converted.
    fn unwrap_string(
        &mut self,
        text: &str,
        subschemas: &Subschemas,
        allowed: ValueTypes,
    ) -> Option<Vec<u8>> {
        let (wanted, root) = match text.as_bytes().first() {
            Some(b'{') => (ValueTypes::OBJECT, RootKind::Object),
            _ => (ValueTypes::ARRAY, RootKind::Array),
        };
        if !allowed.intersects(wanted) || self.string_depth >= MAX_STRING_DEPTH {
            return None;
        }
        let (json, report) = whole::repair(text, root).ok()?;
        let is_wanted = json.trim_start().as_bytes().first() == text.as_bytes().first();
        self.report.append(&report);
        let (schema, depth) = (Rc::clone(&self.schema), self.string_depth + 1);
        let mut inner = Self::for_subschemas(schema, subschemas.clone(), depth);
        let mut out = Vec::new();
        inner.feed(json.as_bytes(), &mut out);
        self.report.append(&inner.finish(&mut out));
        is_wanted.then_some(out)
    }
}

/// Returns the type of a JSON value, by its first byte.
fn type_of_token(token: &[u8]) -> ValueTypes {
    match token.first() {
        Some(b'{') => ValueTypes::OBJECT,
        Some(b'[') => ValueTypes::ARRAY,
        Some(b'"') => ValueTypes::STRING,
        Some(b't' | b'f') => ValueTypes::BOOLEAN,
        Some(b'n') => ValueTypes::NULL,
        _ => ValueTypes::NUMERIC,
    }
}
