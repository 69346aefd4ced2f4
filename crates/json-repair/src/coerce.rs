//! Makes the values of a document what its schema wants, where nothing is lost by it and nothing
//! invented: `"30"` is 30, `"Red"` is `"red"`, one value is an array of one. Works on JSON as it
//! comes; only a value that may change waits until it is complete.

use std::{borrow::Cow, rc::Rc};

use crate::{
    literals::json_literal,
    report::{FlawKind, Report},
    schema::{Schema, Subschemas, value_type},
    strict::{must_be_escaped, number_length},
    whole::{RootKind, repair},
};

/// The longest string that is looked into, in bytes.
const MAX_HELD_STRING: usize = 1 << 20;

/// How often JSON in strings in JSON is unwrapped.
const MAX_STRING_DEPTH: u8 = 3;

/// Makes values fit a schema.
#[derive(Debug)]
pub(crate) struct Coercer {
    schema: Rc<Schema>,
    stack: Vec<CoercerFrame>,
    state: CoercerState,
    /// The value or key being read, as far as it is held.
    token: Vec<u8>,
    /// What the schema says of the next value.
    subschemas: Subschemas,
    pub(crate) report: Report,
    /// How many strings this is in.
    string_depth: u8,
}

/// What is open.
#[derive(Debug)]
struct CoercerFrame {
    is_object: bool,
    subschemas: Subschemas,
    /// Whether it was put into an array of one.
    wrapped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CoercerState {
    /// A value, or the end of an empty array.
    ExpectValue,
    /// A key, or the end of an object.
    ExpectKey,
    /// What comes after a key.
    ExpectColon,
    /// What comes after a value.
    AfterValue,
    /// In a key.
    InKey { escaped: bool },
    /// In a string that passes as it comes.
    InPassedString { escaped: bool },
    /// In a string that is held.
    InHeldString { escaped: bool },
    /// In a number or a literal.
    InScalar,
}

impl Coercer {
    /// A document of which nothing has come.
    pub(crate) fn new(schema: Rc<Schema>) -> Self {
        let place = schema.root();
        Self::for_subschemas(schema, place, 0)
    }

    fn for_subschemas(schema: Rc<Schema>, place: Subschemas, layer: u8) -> Self {
        Self {
            schema,
            stack: Vec::new(),
            state: CoercerState::ExpectValue,
            token: Vec::new(),
            subschemas: place,
            report: Report::default(),
            string_depth: layer,
        }
    }

    /// Takes in more of a document, which is JSON, and appends what it comes to.
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

    /// Takes in the end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.state == CoercerState::InScalar {
            self.end_token(out);
        }
    }

    /// Reads a byte between values. How many bytes were read: none if a number begins.
    fn read_structure(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => out.push(byte),
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

    /// Whether a string is to be something else.
    fn string_may_change(&self) -> bool {
        self.schema.allowed_types(&self.subschemas) & value_type::STRING == 0
            || self.schema.has_choices(&self.subschemas)
    }

    /// What comes after a comma.
    fn expect_next(&mut self) {
        let Some(level) = self.stack.last() else { return };
        if level.is_object {
            self.state = CoercerState::ExpectKey;
        } else {
            self.subschemas = self.schema.item(&level.subschemas);
            self.state = CoercerState::ExpectValue;
        }
    }

    fn open_container(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_object = byte == b'{';
        let kinds = self.schema.allowed_types(&self.subschemas);
        let wrapped =
            is_object && kinds & value_type::OBJECT == 0 && kinds & value_type::ARRAY != 0;
        if wrapped {
            self.report.add(FlawKind::Coerced, 0);
            self.subschemas = self.schema.item(&self.subschemas);
            out.push(b'[');
        }
        out.push(byte);
        self.stack.push(CoercerFrame {
            is_object,
            subschemas: std::mem::take(&mut self.subschemas),
            wrapped,
        });
        self.expect_next();
    }

    fn close_container(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        if self.stack.pop().is_some_and(|level| level.wrapped) {
            out.push(b']');
        }
        self.state = CoercerState::AfterValue;
    }

    /// Passes on a string, up to its end or the next escape. How many bytes that is.
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

    /// Keeps a byte of a string.
    fn hold_string(&mut self, byte: u8, escaped: bool, out: &mut Vec<u8>) -> usize {
        self.token.push(byte);
        let is_key = matches!(self.state, CoercerState::InKey { .. });
        if byte == b'"' && !escaped {
            if is_key {
                self.end_key(out)
            } else {
                self.end_token(out)
            }
            return 1;
        }
        let escaped = !escaped && byte == b'\\';
        self.state = if is_key {
            CoercerState::InKey { escaped }
        } else {
            CoercerState::InHeldString { escaped }
        };
        if self.token.len() > MAX_HELD_STRING {
            out.append(&mut self.token);
            self.subschemas = Subschemas::default();
            self.state = CoercerState::InPassedString { escaped };
        }
        1
    }

    /// Keeps a byte of a number or a literal. None is read that ends it.
    fn hold_scalar(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r') {
            self.end_token(out);
            return 0;
        }
        self.token.push(byte);
        1
    }

    fn end_key(&mut self, out: &mut Vec<u8>) {
        let name: Cow<'_, str> = match serde_json::from_slice(&self.token) {
            Ok(name) => Cow::Owned(name),
            Err(_) => Cow::Borrowed(""),
        };
        let place = self.stack.last().map(|level| self.schema.property(&level.subschemas, &name));
        self.subschemas = place.unwrap_or_default();
        out.append(&mut self.token);
        self.state = CoercerState::ExpectColon;
    }

    fn end_token(&mut self, out: &mut Vec<u8>) {
        let token = std::mem::take(&mut self.token);
        let place = std::mem::take(&mut self.subschemas);
        self.state = CoercerState::AfterValue;
        match self.coerce(&token, &place) {
            Some(json) => {
                self.report.add(FlawKind::Coerced, 0);
                out.extend_from_slice(&json);
            }
            None => out.extend_from_slice(&token),
        }
    }

    /// What a value is to be, if it is to be something else.
    fn coerce(&mut self, token: &[u8], place: &Subschemas) -> Option<Vec<u8>> {
        let kinds = self.schema.allowed_types(place);
        if let Some(json) = self.coerce_single(token, place, kinds) {
            return Some(json);
        }
        if kinds & type_of_token(token) != 0 || kinds & value_type::ARRAY == 0 || token == b"null" {
            return None;
        }
        let item = self.schema.item(place);
        let inner = self.coerce_single(token, &item, self.schema.allowed_types(&item));
        let json = inner.as_deref().unwrap_or(token);
        let fits = self.schema.allowed_types(&item) & type_of_token(json) != 0;
        fits.then(|| [b"[", json, b"]"].concat())
    }

    fn coerce_single(&mut self, token: &[u8], place: &Subschemas, kinds: u8) -> Option<Vec<u8>> {
        if token.first() == Some(&b'"') {
            let text: String = serde_json::from_slice(token).ok()?;
            return self.coerce_string(&text, place, kinds);
        }
        if kinds & type_of_token(token) != 0 {
            return None;
        }
        if kinds & value_type::BOOLEAN != 0 {
            match token {
                b"0" | b"0.0" => return Some(b"false".to_vec()),
                b"1" | b"1.0" => return Some(b"true".to_vec()),
                _ => {}
            }
        }
        let as_text = kinds & value_type::STRING != 0 && token != b"null";
        as_text.then(|| [b"\"", token, b"\""].concat())
    }

    fn coerce_string(&mut self, text: &str, place: &Subschemas, kinds: u8) -> Option<Vec<u8>> {
        if kinds & value_type::STRING != 0 {
            let choice = self.schema.matching_choice(place, text)?;
            return serde_json::to_vec(choice).ok();
        }
        let word = text.trim();
        if word.starts_with(['{', '[']) {
            return self.unwrap_string(word, place, kinds);
        }
        let length = number_length(word.as_bytes());
        let is_whole = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let takes = if is_whole { value_type::INTEGER } else { value_type::NUMBER };
        // Zeros in front belong to a code, not to a number.
        if kinds & takes != 0 && length == Some(word.len()) {
            return Some(word.as_bytes().to_vec());
        }
        let json = json_literal(word.as_bytes())?;
        (kinds & type_of_token(json.as_bytes()) != 0).then(|| json.as_bytes().to_vec())
    }

    /// The JSON in a string, if it is what is wanted.
    fn unwrap_string(&mut self, text: &str, place: &Subschemas, kinds: u8) -> Option<Vec<u8>> {
        let (wanted, root) = match text.as_bytes().first() {
            Some(b'{') => (value_type::OBJECT, RootKind::Object),
            _ => (value_type::ARRAY, RootKind::Array),
        };
        if kinds & wanted == 0 || self.string_depth >= MAX_STRING_DEPTH {
            return None;
        }
        let (json, report) = repair(text, root).ok()?;
        let fits = json.trim_start().as_bytes().first() == text.as_bytes().first();
        self.report.append(&report);
        let mut inner =
            Self::for_subschemas(Rc::clone(&self.schema), place.clone(), self.string_depth + 1);
        let mut out = Vec::new();
        inner.feed(json.as_bytes(), &mut out);
        inner.finish(&mut out);
        self.report.append(&inner.report);
        fits.then_some(out)
    }
}

/// The kind of a value, by its first byte.
fn type_of_token(token: &[u8]) -> u8 {
    match token.first() {
        Some(b'{') => value_type::OBJECT,
        Some(b'[') => value_type::ARRAY,
        Some(b'"') => value_type::STRING,
        Some(b't' | b'f') => value_type::BOOLEAN,
        Some(b'n') => value_type::NULL,
        // An integer may be written with a point.
        _ => value_type::NUMBER | value_type::INTEGER,
    }
}
