//! Kinds of damage that models do to JSON, applied to documents whose original is known.

use serde_json::Value;

use super::{
    corpus,
    random::Random,
    tokens::{Token, TokenKind, escape, tokens},
    wrappers,
};

/// The expected result of the repair of a damaged document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// The original.
    Equal,
    /// The original, if the caller names the kind of its root.
    EqualWithRoot,
    /// The beginning of the original, as far as the text goes.
    Prefix,
}

/// A damaged document and its original.
pub struct Case {
    pub class: &'static str,
    pub input: String,
    pub original: Value,
    pub expectation: Expectation,
}

type Damage = fn(&mut Vec<Token>, &mut Random) -> bool;

/// Kinds of damage to tokens. Each returns whether the document has a token to damage.
pub const DAMAGES: [(&str, Damage); 37] = [
    ("trailing comma", |all, random| insert_before(all, random, TokenKind::Close, ",", true)),
    ("comma missing", |all, random| replace(all, random, TokenKind::Comma, |_| " ".into())),
    ("double comma", |all, random| replace(all, random, TokenKind::Comma, |_| ",,".into())),
    ("double comma with a space", |all, random| {
        replace(all, random, TokenKind::Comma, |_| ", ,".into())
    }),
    ("semicolons", |all, random| replace(all, random, TokenKind::Comma, |_| ";".into())),
    ("colon missing", |all, random| replace(all, random, TokenKind::Colon, |_| " ".into())),
    ("equals sign for a colon", |all, random| {
        replace_all(all, random, TokenKind::Colon, |_| " = ".into())
    }),
    ("arrow for a colon", |all, random| {
        replace_all(all, random, TokenKind::Colon, |_| " => ".into())
    }),
    ("closing quote missing", |all, random| {
        let plain = |token: &Token| !token.raw.contains(['"', '\n']) && token.raw.len() > 1;
        replace_where(all, random, TokenKind::Text, plain, |token| {
            format!("\"{}", escape(&token.raw))
        })
    }),
    ("opening quote missing", |all, random| {
        let plain = |token: &Token| token.raw.starts_with(char::is_alphabetic);
        replace_where(all, random, TokenKind::Text, plain, |token| {
            format!("{}\"", escape(&token.raw))
        })
    }),
    ("closing quote of a key missing", |all, random| {
        replace(all, random, TokenKind::Key, |token| format!("\"{}", token.raw))
    }),
    ("opening quote of a key missing", |all, random| {
        replace(all, random, TokenKind::Key, |token| format!("{}\"", token.raw))
    }),
    ("unquoted keys", |all, random| {
        let plain = |token: &Token| token.raw.chars().all(|it| it.is_alphanumeric() || it == '_');
        replace_where(all, random, TokenKind::Key, plain, |token| token.raw.clone())
    }),
    ("unquoted string", |all, random| {
        let plain = |token: &Token| {
            let word = token.raw.chars().all(|it| it.is_alphanumeric() || "-_/.@".contains(it));
            let letters = token.raw.chars().any(char::is_alphabetic);
            word && letters && !["null", "false", "true"].contains(&token.raw.as_str())
        };
        replace_where(all, random, TokenKind::Text, plain, |token| token.raw.clone())
    }),
    ("single quotes", |all, random| quotes(all, random, "'", "'")),
    ("backticks", |all, random| quotes(all, random, "`", "`")),
    ("curly quotes", |all, random| quotes(all, random, "“", "”")),
    ("single curly quotes", |all, random| quotes(all, random, "‘", "’")),
    ("doubled quotes", |all, random| {
        let plain = |token: &Token| !token.raw.contains('"') && !token.raw.is_empty();
        replace_all_where(all, random, plain, |token| format!("\"\"{}\"\"", escape(&token.raw)))
    }),
    ("tripled quotes", |all, random| {
        let plain =
            |token: &Token| !token.raw.ends_with(['"', '\\']) && !token.raw.starts_with('"');
        replace_where(all, random, TokenKind::Text, plain, |token| {
            format!("\"\"\"{}\"\"\"", token.raw.replace('\\', "\\\\"))
        })
    }),
    ("unescaped quotes", |all, random| {
        replace_where(
            all,
            random,
            TokenKind::Text,
            |token| token.raw.contains('"'),
            |token| format!("\"{}\"", escape(&token.raw).replace("\\\"", "\"")),
        )
    }),
    ("unescaped line breaks", |all, random| {
        replace_where(
            all,
            random,
            TokenKind::Text,
            |token| token.raw.contains(['\n', '\t']),
            |token| format!("\"{}\"", token.raw.replace('\\', "\\\\").replace('"', "\\\"")),
        )
    }),
    ("unneeded escapes", |all, random| {
        replace_where(
            all,
            random,
            TokenKind::Text,
            |token| token.raw.contains(['\'', '`', '&', '$']),
            |token| {
                let text = escape(&token.raw);
                format!(
                    "\"{}\"",
                    text.replace('\'', "\\'")
                        .replace('`', "\\`")
                        .replace('&', "\\&")
                        .replace('$', "\\$")
                )
            },
        )
    }),
    ("single backslashes", |all, random| {
        let odd = |token: &Token| {
            token.raw.contains('\\')
                && !["\\b", "\\f", "\\n", "\\r", "\\t", "\\u"]
                    .iter()
                    .any(|it| token.raw.contains(it))
        };
        replace_where(all, random, TokenKind::Text, odd, |token| {
            format!("\"{}\"", escape(&token.raw).replace("\\\\", "\\"))
        })
    }),
    ("joined strings", |all, random| {
        let long = |token: &Token| {
            token.raw.is_ascii() && token.raw.len() > 12 && !token.raw.contains('\\')
        };
        replace_where(all, random, TokenKind::Text, long, |token| {
            let (left, right) = token.raw.split_at(7);
            format!("\"{}\" + \"{}\"", escape(left), escape(right))
        })
    }),
    ("Python literals", |all, random| {
        replace_all(all, random, TokenKind::Literal, |token| match token.text.as_str() {
            "true" => "True".into(),
            "false" => "False".into(),
            _ => "None".into(),
        })
    }),
    ("upper-case literals", |all, random| {
        replace_all(all, random, TokenKind::Literal, |token| token.text.to_uppercase())
    }),
    ("NaN", |all, random| {
        replace_where(
            all,
            random,
            TokenKind::Literal,
            |token| token.text == "null",
            |_| "NaN".into(),
        )
    }),
    ("undefined", |all, random| {
        replace_where(
            all,
            random,
            TokenKind::Literal,
            |token| token.text == "null",
            |_| "undefined".into(),
        )
    }),
    ("plus sign", |all, random| {
        let positive = |token: &Token| !token.text.starts_with('-');
        replace_where(all, random, TokenKind::Number, positive, |token| format!("+{}", token.text))
    }),
    ("number that ends in a point", |all, random| {
        let whole = |token: &Token| !token.text.contains('.');
        replace_where(all, random, TokenKind::Number, whole, |token| format!("{}.", token.text))
    }),
    ("value missing", |all, random| {
        let after_colon = |token: &Token| token.text == "null" && token.in_object;
        replace_where(all, random, TokenKind::Literal, after_colon, |_| String::new())
    }),
    ("ellipsis", |all, random| insert_before(all, random, TokenKind::Close, ", ...", true)),
    ("comments", |all, random| {
        let comment = *random.one_of(&["// why: see \"docs\"\n", "/* a, b: {c} */", "# note\n"]);
        insert_after(all, random, TokenKind::Comma, &format!(" {comment} "))
    }),
    ("unusual white space", |all, random| {
        let blank = *random.one_of(&["\u{a0}", "\u{feff}", "\u{200b}", "\u{3000}"]);
        insert_after(all, random, TokenKind::Comma, blank)
    }),
    ("wrong bracket", |all, random| {
        replace(all, random, TokenKind::Close, |token| {
            if token.text == "}" { "]" } else { "}" }.into()
        })
    }),
    ("closing bracket missing", |all, random| {
        let closers = all.iter().filter(|token| token.kind == TokenKind::Close).count();
        closers > 1
            && replace_nth(all, random.below(closers - 1), TokenKind::Close, |_| String::new())
    }),
];

/// Kinds of damage to several tokens at once, which are not combined with others.
const COMPOUND_DAMAGES: [(&str, Damage); 2] = [
    ("full-width punctuation", |all, random| {
        replace_all(all, random, TokenKind::Comma, |_| "，".into())
            && replace_all(all, random, TokenKind::Colon, |_| "：".into())
    }),
    ("closing quote and colon of a key missing", |all, random| {
        let is_key = |at: &usize| all[*at].kind == TokenKind::Key;
        let keys: Vec<usize> = (0..all.len()).filter(is_key).collect();
        if keys.is_empty() {
            return false;
        }
        let key = *random.one_of(&keys);
        let colon = key + 1;
        all[key].text = format!("\"{}", escape(&all[key].raw));
        all[colon].text = " ".into();
        true
    }),
];

fn replace(
    all: &mut [Token],
    random: &mut Random,
    kind: TokenKind,
    with: impl Fn(&Token) -> String,
) -> bool {
    replace_where(all, random, kind, |_| true, with)
}

fn replace_nth(
    all: &mut [Token],
    nth: usize,
    kind: TokenKind,
    with: impl Fn(&Token) -> String,
) -> bool {
    let found = all.iter_mut().filter(|token| token.kind == kind).nth(nth);
    found.map(|token| token.text = with(token)).is_some()
}

fn replace_where(
    all: &mut [Token],
    random: &mut Random,
    kind: TokenKind,
    which: impl Fn(&Token) -> bool,
    with: impl Fn(&Token) -> String,
) -> bool {
    let mut found: Vec<_> = all.iter_mut().filter(|it| it.kind == kind && which(it)).collect();
    if found.is_empty() {
        return false;
    }
    let chosen = random.below(found.len());
    found[chosen].text = with(found[chosen]);
    true
}

fn replace_all(
    all: &mut [Token],
    _: &mut Random,
    kind: TokenKind,
    with: impl Fn(&Token) -> String,
) -> bool {
    let mut count = 0;
    for token in all.iter_mut().filter(|token| token.kind == kind) {
        token.text = with(token);
        count += 1;
    }
    count > 0
}

fn replace_all_where(
    all: &mut [Token],
    _: &mut Random,
    which: impl Fn(&Token) -> bool,
    with: impl Fn(&Token) -> String,
) -> bool {
    let mut count = 0;
    for token in
        all.iter_mut().filter(|it| matches!(it.kind, TokenKind::Key | TokenKind::Text) && which(it))
    {
        token.text = with(token);
        count += 1;
    }
    count > 0
}

fn quotes(all: &mut [Token], random: &mut Random, open: &str, close: &str) -> bool {
    replace_all_where(
        all,
        random,
        |_| true,
        |token| {
            let text = escape(&token.raw).replace("\\\"", "\"");
            // Text between these quotes has its own quotes escaped.
            let text = if open == close { text.replace(open, &format!("\\{open}")) } else { text };
            let text = text.replace(close, &format!("\\{close}"));
            format!("{open}{}{close}", text.replace(&format!("\\\\{close}"), &format!("\\{close}")))
        },
    )
}

fn insert_before(
    all: &mut Vec<Token>,
    random: &mut Random,
    kind: TokenKind,
    text: &str,
    filled: bool,
) -> bool {
    let fits = |(index, token): (usize, &Token)| {
        let before = all[..index].iter().rev().find(|token| token.kind != TokenKind::Blank);
        let empty = before.is_none_or(|token| token.kind == TokenKind::Open);
        (token.kind == kind && !(filled && empty)).then_some(index)
    };
    let places: Vec<usize> = all.iter().enumerate().filter_map(fits).collect();
    insert(all, random, &places, text)
}

fn insert_after(all: &mut Vec<Token>, random: &mut Random, kind: TokenKind, text: &str) -> bool {
    let places: Vec<usize> =
        all.iter().enumerate().filter(|(_, it)| it.kind == kind).map(|(at, _)| at + 1).collect();
    insert(all, random, &places, text)
}

fn insert(all: &mut Vec<Token>, random: &mut Random, places: &[usize], text: &str) -> bool {
    if places.is_empty() {
        return false;
    }
    // The text goes directly behind the value, before white space.
    let mut at = *random.one_of(places);
    while at > 0 && all[at - 1].kind == TokenKind::Blank {
        at -= 1;
    }
    all.insert(at, Token::blank(text));
    true
}

/// Returns all cases of a seed, `each` of every class.
pub fn cases(seed: u64, each: usize) -> Vec<Case> {
    let mut random = Random(seed);
    let mut cases = Vec::new();
    for (class, damage) in DAMAGES {
        fill(&mut cases, each, || damaged(class, &[damage], &mut random));
    }
    for (class, wrapper) in wrappers::WRAPPERS {
        fill(&mut cases, each, || wrapper(class, &mut random));
    }
    for (class, count) in [("two kinds of damage", 2), ("three kinds of damage", 3)] {
        fill(&mut cases, each * 2, || {
            let chosen: Vec<Damage> = (0..count).map(|_| random.one_of(&DAMAGES).1).collect();
            damaged(class, &chosen, &mut random)
        });
    }
    for (class, damage) in COMPOUND_DAMAGES {
        fill(&mut cases, each, || damaged(class, &[damage], &mut random));
    }
    cases
}

fn fill(cases: &mut Vec<Case>, each: usize, mut make: impl FnMut() -> Option<Case>) {
    let mut made = 0;
    while made < each {
        if let Some(case) = make() {
            cases.push(case);
            made += 1;
        }
    }
}

fn damaged(class: &'static str, damages: &[Damage], random: &mut Random) -> Option<Case> {
    let original = corpus::document(random);
    let mut all = tokens(&original, random.below(4));
    for damage in damages {
        // A document that one of the kinds cannot damage is not used.
        if !damage(&mut all, random) {
            return None;
        }
    }
    let input: String = all.iter().map(|token| token.text.as_str()).collect();
    Some(Case { class, input, original, expectation: Expectation::Equal })
}
