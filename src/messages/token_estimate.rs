//! An estimate of the tokens of a request, for models whose providers do not count them.

use serde_json::value::RawValue;

use crate::{
    chat::object::ObjectFields,
    json::{self, Object},
};

/// Fields that a model reads.
const READ_FIELDS: [&str; 3] = ["system", "messages", "tools"];

/// Characters of English text and of code for each token. Claude API, *Glossary*: "approximately 3.5
/// English characters".
const CHARACTERS: u64 = 4;

/// Tokens of an image or of a page: the most that Claude counts for one. Claude API, *Vision*.
const MEDIA: u64 = 1600;

/// Length from which a string counts as an image or a document, if it may be base64.
const MIN_MEDIA: usize = 1024;

/// Returns the body of an answer with an estimate.
pub fn to_json(body: &[u8]) -> Vec<u8> {
    let fields: ObjectFields<'_> = json::read(body).unwrap_or_default();
    let read = READ_FIELDS.iter().filter_map(|key| fields.get(key));
    let tokens: u64 = read.map(RawValue::get).map(tokens_of).sum();
    let mut out = Vec::new();
    let mut answer = Object::open(&mut out);
    answer.value("input_tokens", &tokens);
    answer.close();
    out
}

/// Returns the tokens of all strings in a JSON text, keys included.
fn tokens_of(json: &str) -> u64 {
    let (mut tokens, mut rest) = (0_u64, json);
    while let Some((_, after)) = rest.split_once('"') {
        let end = end_of_string(after);
        let (string, tail) = after.split_at(end);
        tokens = tokens.saturating_add(string_tokens(string));
        rest = tail.get(1..).unwrap_or_default();
    }
    tokens
}

/// Returns the length of a string up to its closing quote.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

fn string_tokens(string: &str) -> u64 {
    if is_media(string) {
        return MEDIA;
    }
    let ascii = string.bytes().filter(u8::is_ascii).count() as u64;
    let other = string.chars().filter(|c| !c.is_ascii()).count() as u64;
    ascii.div_ceil(CHARACTERS).saturating_add(other)
}

/// Returns `true` for base64 that is long enough, also in a data URL (RFC 2397).
fn is_media(string: &str) -> bool {
    let url = string.strip_prefix("data:").and_then(|url| url.split_once(";base64,"));
    let data = url.map_or(string, |(_, data)| data);
    data.len() >= MIN_MEDIA && data.bytes().all(is_base64)
}

/// Returns `true` for a byte of base64 in either alphabet. RFC 4648, sections 4 and 5.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_its_length_and_an_image_as_one() {
        let image = "Az09+/-_".repeat(600) + "==";
        let (chinese, address) = ("长".repeat(600), "https://example.org/?".repeat(100));
        let cases = [
            (r#"{"messages":"abcdefgh","model":"long name"}"#.to_owned(), 2),
            (r#"{"system":"a\"bc","messages":["äöü"]}"#.to_owned(), 5),
            (format!(r#"{{"messages":["{image}","ab"]}}"#), 1601),
            (format!(r#"{{"messages":["data:image/png;base64,{image}"]}}"#), 1600),
            (format!(r#"{{"messages":"{chinese}"}}"#), 600),
            (format!(r#"{{"messages":"{address}"}}"#), 525),
            ("{}".to_owned(), 0),
            ("x".to_owned(), 0),
        ];
        for (body, tokens) in cases {
            let expected = format!("{{\"input_tokens\":{tokens}}}");
            assert_eq!(String::from_utf8(to_json(body.as_bytes())).unwrap(), expected, "{body}");
        }
    }
}
