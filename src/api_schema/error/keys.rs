//! Masks for API keys in providers' texts: some providers repeat the key that they refuse.

use crate::request_id::is_uuid;

/// The prefixes of the API keys of known providers.
const KEY_PREFIXES: [&str; 9] =
    ["sk-", "sk_", "pk-", "AIza", "ya29.", "ABSK", "AKIA", "gsk_", "bedrock-api-key-"];

/// Masks the words of a text that look like API keys.
pub(super) fn mask_keys(text: &str) -> String {
    let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(in_key) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !in_key(c)).unwrap_or(word.len()));
        masked.push_str(before);
        masked.push_str(if is_key(word) { "[key]" } else { word });
        rest = after;
    }
    masked + rest
}

/// Returns whether a word has a known prefix, or is longer than words are and no UUID.
fn is_key(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    let has_prefix = word.len() >= 12 && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    let is_long = word.len() >= 32 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    has_prefix || (is_long && !is_uuid(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_key_is_masked() {
        let cases = [
            ("bad key sk-proj-0123456789abcdef.", "bad key [key]"),
            ("`AIzaSyA0123456789` is not valid", "`[key]` is not valid"),
            ("Bearer 0123456789abcdefghijABCDEFGHIJklm!", "Bearer [key]!"),
            ("no model claude-haiku-4-5-20251001", "no model claude-haiku-4-5-20251001"),
            ("id 8077c0fe-2422-4590-a675-187a4d96f2b1", "id 8077c0fe-2422-4590-a675-187a4d96f2b1"),
            ("é: sk-", "é: sk-"),
        ];
        for (said, masked) in cases {
            assert_eq!(mask_keys(said), masked);
        }
    }
}
