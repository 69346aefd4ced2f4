//! What models do to JSON, one kind of damage at a time, so that what it was is known.

use serde_json::Value;

use super::{
    corpus,
    random::Random,
    tokens::{Part, Token, escape, tokens},
    wrappers,
};

/// What a damaged document must come back as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The original.
    Equal,
    /// The original, if the kind of its root is told.
    EqualWithRoot,
    /// What had come of it, and nothing else.
    Beginning,
}

/// A damaged document.
pub struct Case {
    pub class: &'static str,
    pub input: String,
    pub original: Value,
    pub promise: Promise,
}

type Damage = fn(&mut Vec<Token>, &mut Random) -> bool;

/// Damage to tokens. Each says whether there was anything to damage.
pub const DAMAGES: [(&str, Damage); 37] = [
    ("trailing comma", |all, random| insert_before(all, random, Part::Close, ",", true)),
    ("comma left out", |all, random| replace(all, random, Part::Comma, |_| " ".into())),
    ("comma twice", |all, random| replace(all, random, Part::Comma, |_| ",,".into())),
    ("comma twice, apart", |all, random| replace(all, random, Part::Comma, |_| ", ,".into())),
    ("semicolons", |all, random| replace(all, random, Part::Comma, |_| ";".into())),
    ("colon left out", |all, random| replace(all, random, Part::Colon, |_| " ".into())),
    ("equals sign", |all, random| replace_all(all, random, Part::Colon, |_| " = ".into())),
    ("arrow", |all, random| replace_all(all, random, Part::Colon, |_| " => ".into())),
    ("end quote left out", |all, random| {
        let plain = |token: &Token| !token.raw.contains(['"', '\n']) && token.raw.len() > 1;
        replace_where(all, random, Part::Text, plain, |token| format!("\"{}", escape(&token.raw)))
    }),
    ("begin quote left out", |all, random| {
        let plain = |token: &Token| token.raw.starts_with(char::is_alphabetic);
        replace_where(all, random, Part::Text, plain, |token| format!("{}\"", escape(&token.raw)))
    }),
    ("key end quote left out", |all, random| {
        replace(all, random, Part::Key, |token| format!("\"{}", token.raw))
    }),
    ("key begin quote left out", |all, random| {
        replace(all, random, Part::Key, |token| format!("{}\"", token.raw))
    }),
    ("unquoted keys", |all, random| {
        let plain = |token: &Token| token.raw.chars().all(|it| it.is_alphanumeric() || it == '_');
        replace_where(all, random, Part::Key, plain, |token| token.raw.clone())
    }),
    ("unquoted text", |all, random| {
        let plain = |token: &Token| {
            let word = token.raw.chars().all(|it| it.is_alphanumeric() || "-_/.@".contains(it));
            let letters = token.raw.chars().any(char::is_alphabetic);
            word && letters && !["null", "false", "true"].contains(&token.raw.as_str())
        };
        replace_where(all, random, Part::Text, plain, |token| token.raw.clone())
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
        replace_where(all, random, Part::Text, plain, |token| {
            format!("\"\"\"{}\"\"\"", token.raw.replace('\\', "\\\\"))
        })
    }),
    ("unescaped quotes", |all, random| {
        replace_where(
            all,
            random,
            Part::Text,
            |token| token.raw.contains('"'),
            |token| format!("\"{}\"", escape(&token.raw).replace("\\\"", "\"")),
        )
    }),
    ("raw line breaks", |all, random| {
        replace_where(
            all,
            random,
            Part::Text,
            |token| token.raw.contains(['\n', '\t']),
            |token| format!("\"{}\"", token.raw.replace('\\', "\\\\").replace('"', "\\\"")),
        )
    }),
    ("needless escapes", |all, random| {
        replace_where(
            all,
            random,
            Part::Text,
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
        replace_where(all, random, Part::Text, odd, |token| {
            format!("\"{}\"", escape(&token.raw).replace("\\\\", "\\"))
        })
    }),
    ("joined strings", |all, random| {
        let long = |token: &Token| {
            token.raw.is_ascii() && token.raw.len() > 12 && !token.raw.contains('\\')
        };
        replace_where(all, random, Part::Text, long, |token| {
            let (left, right) = token.raw.split_at(7);
            format!("\"{}\" + \"{}\"", escape(left), escape(right))
        })
    }),
    ("Python's literals", |all, random| {
        replace_all(all, random, Part::Literal, |token| match token.text.as_str() {
            "true" => "True".into(),
            "false" => "False".into(),
            _ => "None".into(),
        })
    }),
    ("upper-case literals", |all, random| {
        replace_all(all, random, Part::Literal, |token| token.text.to_uppercase())
    }),
    ("no number", |all, random| {
        replace_where(all, random, Part::Literal, |token| token.text == "null", |_| "NaN".into())
    }),
    ("undefined", |all, random| {
        replace_where(
            all,
            random,
            Part::Literal,
            |token| token.text == "null",
            |_| "undefined".into(),
        )
    }),
    ("plus sign", |all, random| {
        let positive = |token: &Token| !token.text.starts_with('-');
        replace_where(all, random, Part::Number, positive, |token| format!("+{}", token.text))
    }),
    ("number without digits after its point", |all, random| {
        let whole = |token: &Token| !token.text.contains('.');
        replace_where(all, random, Part::Number, whole, |token| format!("{}.", token.text))
    }),
    ("value left out", |all, random| {
        let after_colon = |token: &Token| token.text == "null" && token.in_object;
        replace_where(all, random, Part::Literal, after_colon, |_| String::new())
    }),
    ("dots for more", |all, random| insert_before(all, random, Part::Close, ", ...", true)),
    ("comments", |all, random| {
        let comment = *random.one_of(&["// why: see \"docs\"\n", "/* a, b: {c} */", "# note\n"]);
        insert_after(all, random, Part::Comma, &format!(" {comment} "))
    }),
    ("odd white space", |all, random| {
        let blank = *random.one_of(&["\u{a0}", "\u{feff}", "\u{200b}", "\u{3000}"]);
        insert_after(all, random, Part::Comma, blank)
    }),
    ("wrong bracket", |all, random| {
        replace(all, random, Part::Close, |token| if token.text == "}" { "]" } else { "}" }.into())
    }),
    ("bracket left out", |all, random| {
        let closers = all.iter().filter(|token| token.part == Part::Close).count();
        closers > 1 && replace_nth(all, random.below(closers - 1), Part::Close, |_| String::new())
    }),
];

fn replace(
    all: &mut [Token],
    random: &mut Random,
    part: Part,
    with: impl Fn(&Token) -> String,
) -> bool {
    replace_where(all, random, part, |_| true, with)
}

fn replace_nth(all: &mut [Token], nth: usize, part: Part, with: impl Fn(&Token) -> String) -> bool {
    let found = all.iter_mut().filter(|token| token.part == part).nth(nth);
    found.map(|token| token.text = with(token)).is_some()
}

fn replace_where(
    all: &mut [Token],
    random: &mut Random,
    part: Part,
    which: impl Fn(&Token) -> bool,
    with: impl Fn(&Token) -> String,
) -> bool {
    let mut found: Vec<_> = all.iter_mut().filter(|it| it.part == part && which(it)).collect();
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
    part: Part,
    with: impl Fn(&Token) -> String,
) -> bool {
    let mut count = 0;
    for token in all.iter_mut().filter(|token| token.part == part) {
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
    for token in all.iter_mut().filter(|it| matches!(it.part, Part::Key | Part::Text) && which(it))
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
            // A writer in these quotes escapes those that would end the string.
            let text = if open == close { text.replace(open, &format!("\\{open}")) } else { text };
            let text = text.replace(close, &format!("\\{close}"));
            format!("{open}{}{close}", text.replace(&format!("\\\\{close}"), &format!("\\{close}")))
        },
    )
}

fn insert_before(
    all: &mut Vec<Token>,
    random: &mut Random,
    part: Part,
    text: &str,
    filled: bool,
) -> bool {
    let fits = |(index, token): (usize, &Token)| {
        let before = all[..index].iter().rev().find(|token| token.part != Part::Blank);
        let empty = before.is_none_or(|token| token.part == Part::Open);
        (token.part == part && !(filled && empty)).then_some(index)
    };
    let places: Vec<usize> = all.iter().enumerate().filter_map(fits).collect();
    insert(all, random, &places, text)
}

fn insert_after(all: &mut Vec<Token>, random: &mut Random, part: Part, text: &str) -> bool {
    let places: Vec<usize> =
        all.iter().enumerate().filter(|(_, it)| it.part == part).map(|(at, _)| at + 1).collect();
    insert(all, random, &places, text)
}

fn insert(all: &mut Vec<Token>, random: &mut Random, places: &[usize], text: &str) -> bool {
    if places.is_empty() {
        return false;
    }
    // Behind the value, before the white space that precedes the bracket.
    let mut at = *random.one_of(places);
    while at > 0 && all[at - 1].part == Part::Blank {
        at -= 1;
    }
    all.insert(at, Token::blank(text));
    true
}

/// All cases of a seed: so many of each class.
pub fn cases(seed: u64, each: usize) -> Vec<Case> {
    let mut random = Random(seed);
    let mut cases = Vec::new();
    for (class, damage) in DAMAGES {
        fill(&mut cases, each, || damaged(class, &[damage], &mut random));
    }
    for (class, wrapper) in wrappers::WRAPPERS {
        fill(&mut cases, each, || wrapper(class, &mut random));
    }
    for (class, count) in [("two kinds at once", 2), ("three kinds at once", 3)] {
        fill(&mut cases, each * 2, || {
            let chosen: Vec<Damage> = (0..count).map(|_| random.one_of(&DAMAGES).1).collect();
            damaged(class, &chosen, &mut random)
        });
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
        // What was damaged once stays as it is.
        if !damage(&mut all, random) {
            return None;
        }
    }
    let input: String = all.iter().map(|token| token.text.as_str()).collect();
    Some(Case { class, input, original, promise: Promise::Equal })
}
