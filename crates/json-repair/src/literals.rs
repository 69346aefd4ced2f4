//! The words for `true`, `false` and `null`, in JSON and in other languages.

/// Returns the JSON literal for a word.
pub(crate) fn json_literal(word: &[u8]) -> Option<&'static str> {
    const WORDS: [(&str, &str); 11] = [
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("none", "null"),
        ("nan", "null"),
        ("undefined", "null"),
        ("infinity", "null"),
        ("-infinity", "null"),
        ("+infinity", "null"),
        ("inf", "null"),
        ("-inf", "null"),
    ];
    if !(3..=9).contains(&word.len()) {
        return None;
    }
    let found = WORDS.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
    found.map(|(_, json)| json)
}
