//! Makes the values of a document what its schema wants, where nothing is lost by it and nothing
//! invented: `"30"` is 30, `"Red"` is `"red"`, one value is an array of one. Works on JSON as it
//! comes; only a value that may change waits until it is complete.

use std::{borrow::Cow, rc::Rc};

use crate::{
    literals::json_literal,
    report::{Kind, Report},
    schema::{Place, Schema, kind},
    strict::{must_be_escaped, number_length},
    whole::{Root, mend},
};

/// The longest string that is looked into, in bytes.
const LONGEST: usize = 1 << 20;

/// How often JSON in strings in JSON is unwrapped.
const MAX_LAYERS: u8 = 3;

/// Makes values fit a schema.
#[derive(Debug)]
pub(crate) struct Coercion {
    schema: Rc<Schema>,
    stack: Vec<Level>,
    state: State,
    /// The value or key being read, as far as it is held.
    token: Vec<u8>,
    /// What the schema says of the next value.
    place: Place,
    pub(crate) report: Report,
    /// How many strings this is in.
    layer: u8,
}

/// What is open.
#[derive(Debug)]
struct Level {
    is_object: bool,
    place: Place,
    /// Whether it was put into an array of one.
    wrapped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value, or the end of an empty array.
    Value,
    /// A key, or the end of an object.
    Key,
    /// What comes after a key.
    Colon,
    /// What comes after a value.
    After,
    /// In a key.
    Name { escaped: bool },
    /// In a string that passes as it comes.
    Passing { escaped: bool },
    /// In a string that is held.
    Text { escaped: bool },
    /// In a number or a literal.
    Scalar,
}

impl Coercion {
    /// A document of which nothing has come.
    pub(crate) fn new(schema: Rc<Schema>) -> Self {
        let place = schema.root();
        Self::at(schema, place, 0)
    }

    fn at(schema: Rc<Schema>, place: Place, layer: u8) -> Self {
        Self {
            schema,
            stack: Vec::new(),
            state: State::Value,
            token: Vec::new(),
            place,
            report: Report::default(),
            layer,
        }
    }

    /// Takes in more of a document, which is JSON, and appends what it comes to.
    pub(crate) fn feed(&mut self, json: &[u8], out: &mut Vec<u8>) {
        let mut rest = json;
        while let Some(byte) = rest.first().copied() {
            let length = match self.state {
                State::Passing { escaped } => self.pass(rest, escaped, out),
                State::Name { escaped } | State::Text { escaped } => self.hold(byte, escaped, out),
                State::Scalar => self.scalar(byte, out),
                _ => self.structure(byte, out),
            };
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    /// Takes in the end.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Scalar {
            self.end_token(out);
        }
    }

    /// Reads a byte between values. How many bytes were read: none if a number begins.
    fn structure(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => out.push(byte),
            b'{' | b'[' => self.open(byte, out),
            b'}' | b']' => self.close(byte, out),
            b',' => {
                out.push(byte);
                self.next();
            }
            b':' => {
                out.push(byte);
                self.state = State::Value;
            }
            b'"' if self.state == State::Key => {
                self.token.push(byte);
                self.state = State::Name { escaped: false };
            }
            b'"' if self.may_change() => {
                self.token.push(byte);
                self.state = State::Text { escaped: false };
            }
            b'"' => {
                out.push(byte);
                self.state = State::Passing { escaped: false };
            }
            _ => {
                self.state = State::Scalar;
                return 0;
            }
        }
        1
    }

    /// Whether a string is to be something else.
    fn may_change(&self) -> bool {
        self.schema.kinds(&self.place) & kind::STRING == 0 || self.schema.has_choices(&self.place)
    }

    /// What comes after a comma.
    fn next(&mut self) {
        let Some(level) = self.stack.last() else { return };
        if level.is_object {
            self.state = State::Key;
        } else {
            self.place = self.schema.item(&level.place);
            self.state = State::Value;
        }
    }

    fn open(&mut self, byte: u8, out: &mut Vec<u8>) {
        let is_object = byte == b'{';
        let kinds = self.schema.kinds(&self.place);
        let wrapped = is_object && kinds & kind::OBJECT == 0 && kinds & kind::ARRAY != 0;
        if wrapped {
            self.report.add(Kind::Coerced, 0);
            self.place = self.schema.item(&self.place);
            out.push(b'[');
        }
        out.push(byte);
        self.stack.push(Level { is_object, place: std::mem::take(&mut self.place), wrapped });
        self.next();
    }

    fn close(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.push(byte);
        if self.stack.pop().is_some_and(|level| level.wrapped) {
            out.push(b']');
        }
        self.state = State::After;
    }

    /// Passes on a string, up to its end or the next escape. How many bytes that is.
    fn pass(&mut self, rest: &[u8], escaped: bool, out: &mut Vec<u8>) -> usize {
        let plain = rest.iter().position(|byte| must_be_escaped(*byte)).unwrap_or(rest.len());
        let length = if escaped { 1 } else { (plain + 1).min(rest.len()) };
        let piece = rest.get(..length).unwrap_or_default();
        out.extend_from_slice(piece);
        self.state = match piece.last() {
            Some(b'"') if !escaped => State::After,
            last => State::Passing { escaped: !escaped && last == Some(&b'\\') },
        };
        length
    }

    /// Keeps a byte of a string.
    fn hold(&mut self, byte: u8, escaped: bool, out: &mut Vec<u8>) -> usize {
        self.token.push(byte);
        let is_key = matches!(self.state, State::Name { .. });
        if byte == b'"' && !escaped {
            if is_key {
                self.end_key(out)
            } else {
                self.end_token(out)
            }
            return 1;
        }
        let escaped = !escaped && byte == b'\\';
        self.state = if is_key { State::Name { escaped } } else { State::Text { escaped } };
        if self.token.len() > LONGEST {
            out.append(&mut self.token);
            self.place = Place::default();
            self.state = State::Passing { escaped };
        }
        1
    }

    /// Keeps a byte of a number or a literal. None is read that ends it.
    fn scalar(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
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
        let place = self.stack.last().map(|level| self.schema.property(&level.place, &name));
        self.place = place.unwrap_or_default();
        out.append(&mut self.token);
        self.state = State::Colon;
    }

    fn end_token(&mut self, out: &mut Vec<u8>) {
        let token = std::mem::take(&mut self.token);
        let place = std::mem::take(&mut self.place);
        self.state = State::After;
        match self.coerced(&token, &place) {
            Some(json) => {
                self.report.add(Kind::Coerced, 0);
                out.extend_from_slice(&json);
            }
            None => out.extend_from_slice(&token),
        }
    }

    /// What a value is to be, if it is to be something else.
    fn coerced(&mut self, token: &[u8], place: &Place) -> Option<Vec<u8>> {
        let kinds = self.schema.kinds(place);
        if let Some(json) = self.coerced_alone(token, place, kinds) {
            return Some(json);
        }
        if kinds & kind_of(token) != 0 || kinds & kind::ARRAY == 0 || token == b"null" {
            return None;
        }
        let item = self.schema.item(place);
        let inner = self.coerced_alone(token, &item, self.schema.kinds(&item));
        let json = inner.as_deref().unwrap_or(token);
        let fits = self.schema.kinds(&item) & kind_of(json) != 0;
        fits.then(|| [b"[", json, b"]"].concat())
    }

    fn coerced_alone(&mut self, token: &[u8], place: &Place, kinds: u8) -> Option<Vec<u8>> {
        if token.first() == Some(&b'"') {
            let text: String = serde_json::from_slice(token).ok()?;
            return self.coerced_text(&text, place, kinds);
        }
        if kinds & kind_of(token) != 0 {
            return None;
        }
        if kinds & kind::BOOLEAN != 0 {
            match token {
                b"0" | b"0.0" => return Some(b"false".to_vec()),
                b"1" | b"1.0" => return Some(b"true".to_vec()),
                _ => {}
            }
        }
        let as_text = kinds & kind::STRING != 0 && token != b"null";
        as_text.then(|| [b"\"", token, b"\""].concat())
    }

    fn coerced_text(&mut self, text: &str, place: &Place, kinds: u8) -> Option<Vec<u8>> {
        if kinds & kind::STRING != 0 {
            let choice = self.schema.choice(place, text)?;
            return serde_json::to_vec(choice).ok();
        }
        let word = text.trim();
        if word.starts_with(['{', '[']) {
            return self.unwrapped(word, place, kinds);
        }
        let length = number_length(word.as_bytes());
        let is_whole = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let takes = if is_whole { kind::INTEGER } else { kind::NUMBER };
        // Zeros in front belong to a code, not to a number.
        if kinds & takes != 0 && length == Some(word.len()) {
            return Some(word.as_bytes().to_vec());
        }
        let json = json_literal(word.as_bytes())?;
        (kinds & kind_of(json.as_bytes()) != 0).then(|| json.as_bytes().to_vec())
    }

    /// The JSON in a string, if it is what is wanted.
    fn unwrapped(&mut self, text: &str, place: &Place, kinds: u8) -> Option<Vec<u8>> {
        let (wanted, root) = match text.as_bytes().first() {
            Some(b'{') => (kind::OBJECT, Root::Object),
            _ => (kind::ARRAY, Root::Array),
        };
        if kinds & wanted == 0 || self.layer >= MAX_LAYERS {
            return None;
        }
        let (json, report) = mend(text, root).ok()?;
        let fits = json.trim_start().as_bytes().first() == text.as_bytes().first();
        self.report.append(&report);
        let mut inner = Self::at(Rc::clone(&self.schema), place.clone(), self.layer + 1);
        let mut out = Vec::new();
        inner.feed(json.as_bytes(), &mut out);
        inner.finish(&mut out);
        self.report.append(&inner.report);
        fits.then_some(out)
    }
}

/// The kind of a value, by its first byte.
fn kind_of(token: &[u8]) -> u8 {
    match token.first() {
        Some(b'{') => kind::OBJECT,
        Some(b'[') => kind::ARRAY,
        Some(b'"') => kind::STRING,
        Some(b't' | b'f') => kind::BOOLEAN,
        Some(b'n') => kind::NULL,
        // An integer may be written with a point.
        _ => kind::NUMBER | kind::INTEGER,
    }
}
