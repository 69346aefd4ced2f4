//! JSON: a writer of objects key by key, without a tree, and checks of raw text.

use std::{
    borrow::Cow,
    ops::Range,
    str::{self, Utf8Error},
};

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::{Value, value::RawValue};

/// Writer of an object at the end of a buffer. Keys are literals of the program, which are not
/// escaped, but for those of [`Object::foreign_key`].
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object at the end of `out`.
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a key with a value in JSON.
    pub fn raw(&mut self, key: &str, json: impl AsRef<[u8]>) -> &mut Self {
        self.key(key).extend_from_slice(json.as_ref());
        self
    }

    /// Writes a key and a value.
    pub fn value(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> &mut Self {
        write(self.key(key), value);
        self
    }

    /// Writes a key with an object, whose keys `fill` writes.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        let mut inner = Object::open(self.key(key));
        fill(&mut inner);
        inner.close();
        self
    }

    /// Closes the object.
    pub fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key. The caller appends the value to the buffer that this returns.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Writes a key of someone else's, as [`Self::key`] does, with the escapes that it needs.
    pub fn foreign_key(&mut self, key: &str) -> &mut Vec<u8> {
        self.separate();
        write(self.out, key);
        self.out.push(b':');
        self.out
    }

    fn separate(&mut self) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
    }
}

/// Appends an array. `write` appends each item.
pub fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends `value` as JSON. A value that cannot be JSON, which no type of ours is, becomes `null`.
pub fn write(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Reads a value from JSON that is UTF-8, which is checked once and not string by string.
pub fn read<'j, T: Deserialize<'j>>(json: &'j [u8]) -> serde_json::Result<T> {
    match str::from_utf8(json) {
        Ok(json) => serde_json::from_str(json),
        Err(error) => Err(not_utf8(json, &error)),
    }
}

/// Returns an error that names the place, as it would be without the check.
fn not_utf8(json: &[u8], error: &Utf8Error) -> serde_json::Error {
    let found = serde_json::from_slice::<Value>(json).err();
    found.unwrap_or_else(|| serde_json::Error::custom(error))
}

/// Returns the text of a JSON value, borrowed where the value is.
pub fn into_str(raw: Cow<'_, RawValue>) -> Cow<'_, str> {
    match raw {
        Cow::Borrowed(raw) => Cow::Borrowed(raw.get()),
        Cow::Owned(raw) => Cow::Owned(Box::<str>::from(raw).into_string()),
    }
}

/// Returns the range of `whole` that `part` borrows, or `None` for a part of something else.
pub fn range_within(part: &str, whole: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = start..start.checked_add(part.len())?;
    (whole.get(range.clone()) == Some(part.as_bytes())).then_some(range)
}

/// Puts JSON on one line, as an event of a stream requires. Line breaks can only stand between tokens.
pub fn put_on_one_line(json: &mut [u8]) {
    for byte in json.iter_mut().filter(|byte| **byte < b' ') {
        *byte = b' ';
    }
}

/// Returns true for an array without items.
pub fn is_empty_array(json: &str) -> bool {
    json.strip_prefix('[').is_some_and(|rest| rest.trim_start() == "]")
}

/// Returns the position at which `json` first exceeds the depth `limit`: line and column, from 1.
///
/// serde_json limits the depth of parsed values, not of skipped ones.
pub fn too_deep(json: &[u8], limit: usize) -> Option<(usize, usize)> {
    let (mut depth, mut offset) = (0_usize, 0);
    while let Some(byte) = json.get(offset) {
        match byte {
            b'"' => offset = end_of_string(json, offset + 1),
            b'[' | b'{' if depth == limit => return Some(place(json, offset)),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        offset += 1;
    }
    None
}

/// Returns the offset of the closing quote of a string whose content begins at `start`, or the end
/// of `json`.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut offset = start;
    while let Some(found) = memchr2(b'"', b'\\', json.get(offset..).unwrap_or_default()) {
        offset += found;
        if json.get(offset) == Some(&b'"') {
            return offset;
        }
        offset += 2;
    }
    json.len()
}

/// Half of a surrogate pair, by which JSON escapes a character outside of the basic plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurrogateHalf {
    /// The first half.
    High,
    /// The second half.
    Low,
}

impl SurrogateHalf {
    /// The length of an escape such as `\ud83d`, in bytes.
    pub const LENGTH: usize = 6;

    /// Returns the half that JSON begins with, if that is one.
    pub fn at_start(json: &[u8]) -> Option<Self> {
        let digits = str::from_utf8(json.strip_prefix(b"\\u")?.get(..4)?).ok()?;
        match u16::from_str_radix(digits, 16).ok()? {
            0xd800..=0xdbff => Some(Self::High),
            0xdc00..=0xdfff => Some(Self::Low),
            _ => None,
        }
    }
}

/// Returns JSON with the replacement character for each half of a surrogate pair without its other
/// half, or `None` if there is none. RFC 8259, section 8.2, leaves them to the receiver; providers
/// refuse them.
pub fn replace_lone_surrogates(json: &[u8]) -> Option<Vec<u8>> {
    let mut replaced: Option<Vec<u8>> = None;
    let mut offset = 0;
    while let Some(found) = memchr(b'\\', json.get(offset..).unwrap_or_default()) {
        let start = offset + found;
        let end = start + SurrogateHalf::LENGTH;
        let half = |at: usize| SurrogateHalf::at_start(json.get(at..).unwrap_or_default());
        offset = match half(start) {
            None => start + 2,
            Some(SurrogateHalf::High) if half(end) == Some(SurrogateHalf::Low) => {
                end + SurrogateHalf::LENGTH
            }
            Some(_) => {
                let out = replaced.get_or_insert_with(|| json.to_vec());
                out.splice(start..end, *b"\\ufffd");
                end
            }
        };
    }
    replaced
}

/// Returns JSON with the replacement character for each lone half of a surrogate pair.
pub fn well_formed(json: Cow<'_, str>) -> Cow<'_, str> {
    let replaced = replace_lone_surrogates(json.as_bytes());
    replaced.and_then(|bytes| String::from_utf8(bytes).ok()).map_or(json, Cow::Owned)
}

/// Returns the type of a value, as JSON Schema names it.
pub fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Returns line and column of a byte, from 1.
fn place(text: &[u8], offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_nest_and_separate() {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.value("a", "x\"y").raw("b", "[1]").object("c", |inner| {
            inner.value("d", &1);
        });
        object.object("e", |_| {});
        object.close();
        assert_eq!(String::from_utf8_lossy(&out), r#"{"a":"x\"y","b":[1],"c":{"d":1},"e":{}}"#);
    }

    #[test]
    fn what_is_not_utf8_is_refused_with_its_place() {
        assert_eq!(read::<&str>("\"é\"".as_bytes()).unwrap(), "é");
        for wrong in [&b"\"a\xff\""[..], b"[\"a\", \xff]", b"{\"\xc3\": 1}"] {
            let error = read::<&RawValue>(wrong).unwrap_err();
            assert_eq!(error.line(), 1, "{error}");
        }
    }

    #[test]
    fn a_part_is_found_where_it_was_borrowed() {
        let whole = "[1,1]".to_owned();
        assert_eq!(range_within(&whole[3..4], whole.as_bytes()), Some(3..4));
        assert_eq!(range_within(&whole, whole.as_bytes()), Some(0..5));
        assert_eq!(range_within(&whole.clone(), whole.as_bytes()), None);
        assert_eq!(range_within(&whole, &whole.as_bytes()[1..]), None);
    }

    #[test]
    fn a_half_of_a_character_without_its_other_half_is_replaced() {
        let cases = [
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#"{"\uDE00":["\ud83d\ud83d\ude00"]}"#, Some(r#"{"\ufffd":["\ufffd\ud83d\ude00"]}"#)),
            (r#""\ud83d\n\ude00""#, Some(r#""\ufffd\n\ufffd""#)),
            (r#""\ud83d\ude00 \u00e9 \n""#, None),
            (r#""\\ud83d \\\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\ud83"#, None),
            ("no escapes", None),
        ];
        for (json, expected) in cases {
            let replaced = replace_lone_surrogates(json.as_bytes());
            let replaced = replaced.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(replaced.as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        let cases = [
            ("[[1]]", 2, None),
            ("[[1]]", 1, Some((1, 2))),
            ("[\n {\"a\":[1]}]", 2, Some((2, 7))),
            (r#"["[[[[", "\"[[["]"#, 1, None),
            ("[1],[2]", 1, None),
            ("]]][", 1, None),
        ];
        for (json, limit, found) in cases {
            assert_eq!(too_deep(json.as_bytes(), limit), found, "{json}");
        }
    }
}
