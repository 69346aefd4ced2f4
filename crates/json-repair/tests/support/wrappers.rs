//! Damage to a document as a whole: text around it, another language, a text that is cut off.

use serde_json::Value;

use super::{
    corpus,
    damage::{Case, Expectation},
    random::Random,
    tokens::{escape, text},
};

type Wrapper = fn(&'static str, &mut Random) -> Option<Case>;

const BEFORE: [&str; 8] = [
    "Here you go:\n",
    "Certainly! The extracted data is as follows:\n\n",
    "json\n",
    "Result: ",
    "I looked at the text (twice) and it's clear. ",
    "**Output**\n\n",
    "The fields \"city\" and {units} are required:\n",
    "Based on [1] and [2], this is what I found:\n\n",
];

const AFTER: [&str; 8] = [
    "\n\nI hope that helps!",
    "\n\nNote: the \"count\" is a guess.",
    "\nLet me know if {something} is wrong.",
    " \n",
    "\n\n**Explanation:** I took [the first] value.",
    "\n\nShall I go on?",
    "\n---\nEnd of answer.",
    "\n(That's all.)",
];

const GARBAGE: [&str; 8] =
    ["<|eot_id|>", "</s>", "\n</output>", "<|im_end|>\n", "\n\nUser:", "\n```", ";", "\n\n\n"];

/// Kinds of damage to a document as a whole.
pub const WRAPPERS: [(&str, Wrapper); 24] = [
    ("undamaged", |class, random| whole(class, random, |json, _| json)),
    ("text before", |class, random| {
        whole(class, random, |json, random| format!("{}{json}", random.one_of(&BEFORE)))
    }),
    ("text after", |class, random| {
        whole(class, random, |json, random| format!("{json}{}", random.one_of(&AFTER)))
    }),
    ("text around", |class, random| {
        whole(class, random, |json, random| {
            format!("{}{json}{}", random.one_of(&BEFORE), random.one_of(&AFTER))
        })
    }),
    ("code fence", |class, random| whole(class, random, fence)),
    ("code fence and text", |class, random| {
        whole(class, random, |json, random| {
            let fenced = fence(json, random);
            format!("{}{fenced}{}", random.one_of(&BEFORE), random.one_of(&AFTER))
        })
    }),
    ("tags around the document", |class, random| {
        whole(class, random, |json, random| {
            let tag = random.one_of(&["result", "tool_call", "json", "final_answer"]);
            format!("<{tag}>{json}</{tag}>")
        })
    }),
    ("reasoning before the document", |class, random| {
        whole(class, random, |json, _| {
            format!(
                "<think>\nMaybe {{\"a\": [1]}}? The user's \"x\" is {{unknown}}.\n</think>\n{json}"
            )
        })
    }),
    ("assignment before the document", |class, random| {
        whole(class, random, |json, random| {
            let name = random.one_of(&["result = ", "const data = ", "export default ", "return "]);
            format!("{name}{json}{}", random.one_of(&["", ";", ";\n"]))
        })
    }),
    ("call around the document", |class, random| {
        whole(class, random, |json, random| {
            format!(
                "{}({json}){}",
                random.one_of(&["send", "api.call", "_cb1"]),
                random.one_of(&["", ";"])
            )
        })
    }),
    ("end marker behind the document", |class, random| {
        whole(class, random, |json, random| format!("{json}{}", random.one_of(&GARBAGE)))
    }),
    ("doubled braces", |class, random| object(class, random, |json| format!("{{{json}}}"))),
    ("opening brace missing", |class, random| {
        object(class, random, |json| json[1..].trim_start().to_owned())
    }),
    ("extra bracket at the end", |class, random| {
        whole(class, random, |json, random| {
            format!("{json}{}", random.one_of(&["}", "]", "]}", "\n}"]))
        })
    }),
    ("closing brackets missing at the end", |class, random| {
        whole(class, random, |json, _| json.trim_end_matches(['}', ']', '\n', ' ']).to_owned())
    }),
    ("JSON lines", lines),
    ("document escaped", |class, random| whole(class, random, |json, _| escape(&json))),
    ("document in a string", |class, random| {
        let case = whole(class, random, |json, _| format!("\"{}\"", escape(&json)))?;
        Some(Case { expectation: Expectation::EqualWithRoot, ..case })
    }),
    ("truncated", |class, random| cut(class, random, "")),
    ("truncated, in a code fence", |class, random| cut(class, random, "```json\n")),
    ("truncated, text before", |class, random| cut(class, random, "Here is the record:\n")),
    ("Python dictionary", |class, random| {
        let original = corpus::document(random);
        let input = python(&original);
        Some(Case { class, input, original, expectation: Expectation::Equal })
    }),
    ("JavaScript object", |class, random| {
        let original = corpus::document(random);
        let input = javascript(&original);
        Some(Case { class, input, original, expectation: Expectation::Equal })
    }),
    ("comma behind the document", |class, random| {
        whole(class, random, |json, _| format!("{json},"))
    }),
];

fn whole(
    class: &'static str,
    random: &mut Random,
    wrap: impl Fn(String, &mut Random) -> String,
) -> Option<Case> {
    let original = corpus::document(random);
    let json = text(&original, random.below(4));
    let input = wrap(json, random);
    Some(Case { class, input, original, expectation: Expectation::Equal })
}

fn object(
    class: &'static str,
    random: &mut Random,
    wrap: impl Fn(String) -> String,
) -> Option<Case> {
    let case = whole(class, random, |json, _| wrap(json))?;
    let filled = case.original.as_object().is_some_and(|object| !object.is_empty());
    filled.then_some(case)
}

fn fence(json: String, random: &mut Random) -> String {
    let mark = *random.one_of(&["```", "```json", "~~~", "```JSON", "````json5"]);
    let ticks: String = mark.chars().filter(|it| !it.is_alphanumeric()).collect();
    format!("{mark}\n{json}\n{}", if random.percent(80) { ticks } else { String::new() })
}

fn lines(class: &'static str, random: &mut Random) -> Option<Case> {
    let all: Vec<Value> = (0..2 + random.below(3)).map(|_| corpus::document(random)).collect();
    let lines: Vec<String> = all.iter().map(|it| text(it, random.below(2))).collect();
    let input = lines.join(*random.one_of(&["\n", "\n\n", ",\n"]));
    Some(Case { class, input, original: Value::Array(all), expectation: Expectation::Equal })
}

fn cut(class: &'static str, random: &mut Random, before: &str) -> Option<Case> {
    let original = corpus::document(random);
    let json = text(&original, random.below(4));
    let mut end = 2 + random.below(json.len().saturating_sub(3));
    while !json.is_char_boundary(end) {
        end += 1;
    }
    let input = format!("{before}{}", &json[..end]);
    (end < json.len()).then_some(Case { class, input, original, expectation: Expectation::Prefix })
}

/// Returns a document as Python's `repr` writes it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => python_string(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", python_string(key), python(value))
            };
            format!("{{{}}}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        number => number.to_string(),
    }
}

fn python_string(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{escaped}\"");
    }
    format!("'{}'", escaped.replace('\'', "\\'"))
}

/// Returns a document as JavaScript: unquoted keys, single quotes, trailing commas.
fn javascript(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let escaped = escape(text).replace("\\\"", "\"").replace('\'', "\\'");
            format!("'{escaped}'")
        }
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| format!("{}, ", javascript(item))).collect();
            format!("[{}]", items.concat())
        }
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                let plain =
                    key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '$');
                let key = if plain { key.clone() } else { format!("'{}'", escape(key)) };
                format!("  {key}: {},\n", javascript(value))
            };
            format!("{{\n{}}}", map.iter().map(pair).collect::<String>())
        }
        other => other.to_string(),
    }
}
