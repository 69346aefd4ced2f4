//! What hostile texts are made of.

/// What adversaries and broken models repeat.
pub(crate) const PIECES: [&str; 46] = [
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
];

/// What may stand before what is repeated.
const BEGINNINGS: [&str; 6] = ["", "{\"k\":", "[\"x", "{\"k\":\"x", "here: ", "{\"k\":[[[["];

/// Texts of about so many bytes: every pair of pieces, again and again, behind every beginning.
pub(crate) fn hostile(bytes: usize) -> impl Iterator<Item = String> {
    let pairs = PIECES.iter().flat_map(|one| PIECES.iter().map(move |other| [*one, *other]));
    let all = pairs.flat_map(|pair| BEGINNINGS.map(|beginning| (beginning, pair.concat())));
    all.map(move |(beginning, unit)| format!("{beginning}{}", unit.repeat(bytes / unit.len())))
}
