//! Hostile texts: short pieces, repeated.

/// The pieces that adversaries and broken models repeat.
pub(crate) const PIECES: [&str; 52] = [
    "\"",
    "'",
    "`",
    "“",
    "\\",
    "\\\"",
    "{",
    "[",
    "}",
    "]",
    "(",
    ")",
    ",",
    ":",
    "=",
    ";",
    ".",
    "...",
    "/",
    "//",
    "/*",
    "*/",
    "#",
    "<think>",
    "</think>",
    "<",
    "```",
    "```json\n",
    "\n",
    " ",
    "a",
    "1",
    "-",
    "+",
    "null",
    "True",
    "\"a\":",
    "{\"a\":",
    "[\"a\",",
    "f(",
    "\u{feff}",
    "\u{0}",
    "é",
    "\"\"\"",
    "\\u00",
    "x\",",
    "：",
    "，",
    "｛",
    "】",
    "「",
    "”",
];

/// The text before the repeated pieces.
const BEGINNINGS: [&str; 6] = ["", "{\"k\":", "[\"x", "{\"k\":\"x", "here: ", "{\"k\":[[[["];

/// Returns texts of about `bytes` bytes: every pair of pieces, repeated, behind every beginning.
pub(crate) fn hostile(bytes: usize) -> impl Iterator<Item = String> {
    let pairs = PIECES.iter().flat_map(|one| PIECES.iter().map(move |other| [*one, *other]));
    let all = pairs.flat_map(|pair| BEGINNINGS.map(|beginning| (beginning, pair.concat())));
    all.map(move |(beginning, unit)| format!("{beginning}{}", unit.repeat(bytes / unit.len())))
}
