//! Documents as models write them: tool arguments, extracted records, reports, files.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The values of strings: sentences, code, addresses, patterns, other alphabets.
pub const TEXTS: [&str; 48] = [
    "Done.",
    "",
    "n/a",
    "7",
    "false",
    "null",
    "EUR",
    "medium",
    "order-4471",
    "2031-02-11",
    "2031-02-11T08:15:30+01:00",
    "Lisbon, Portugal",
    "ada.lovelace@example.org",
    "https://example.net/search?q=a+b&page=2#top",
    "C:\\tools\\bin\\run.exe",
    "../src/lib.rs:120:14",
    "She replied \"not today\" and hung up.",
    "The sign read \"Closed\"",
    "\"Quoted\" at the start",
    "a 15\" laptop, a 27\" monitor",
    "He said \"one\", then \"two\", then nothing.",
    "It's the driver's fault, isn't it?",
    "Note: bring passport, ticket, and cash.",
    "Total: 1,250.00 (incl. 19% VAT); due in 30 days",
    "first line\nsecond line",
    "- milk\n- eggs\n- bread\n",
    "Dear Sam,\n\nthanks for calling.\n\nBest,\nKim",
    "col1\tcol2\tcol3",
    "# Title\n\nSome **bold** text and `inline code`.",
    "fn main() {\n    println!(\"{}\", 1 + 1);\n}\n",
    "if (x < 3 && y[0] == \"b\") { return {ok: true}; }",
    "for i in range(3):\n    print(f\"item {i}: {items[i]}\")",
    "SELECT id, name FROM users WHERE city = 'Oslo' AND age >= 21;",
    "echo \"$HOME\" | sed 's/a/b/' > /tmp/out",
    "^(\\d{3})-(\\w+)\\.txt$",
    "\\frac{a}{b} = \\sqrt{c}",
    "<a href=\"/x\" class='y'>link</a> & more",
    "{\"inner\": [1, 2, {\"deep\": \"yes\"}]}",
    "Dear {{customer}}, your code is ${code} [internal]",
    "Über München nach Zürich: 12,50 €",
    "明日の会議は10時からです。",
    "Встреча перенесена на вторник, в 15:00.",
    "هذا نص باللغة العربية",
    "👍🏽 great work — really… 🎉",
    "rock 'n' roll, baby",
    "a, b, c: d; e",
    "50 % off (today only)",
    "see https://example.com/docs, section \"Limits\"",
];

const KEYS: [&str; 24] = [
    "name",
    "value",
    "status",
    "description",
    "items",
    "count",
    "unit",
    "user_id",
    "createdAt",
    "is_valid",
    "tags",
    "address",
    "line-items",
    "first name",
    "geo.lat",
    "straße",
    "番号",
    "$id",
    "@context",
    "x",
    "notes",
    "score",
    "type",
    "content",
];

/// Returns a random document.
pub fn document(random: &mut Random) -> Value {
    match random.below(10) {
        0 => json!({"city": text(random), "units": random.one_of(&["metric", "imperial"]),
            "hours": random.below(48)}),
        1 => json!({"query": text(random), "top_k": random.below(20),
            "filter": {"lang": ["en", text(random)], "since": null, "safe": random.percent(50)}}),
        2 => json!({"recipients": [text(random), text(random)], "title": text(random),
            "message": long_text(random), "urgent": false}),
        3 => json!({"file": "src/app.ts", "changes": list(random, 3, |random| {
            json!({"find": text(random), "replace": text(random), "line": random.below(900)})})}),
        4 => json!({"title": text(random), "sentiment": "mixed", "confidence": number(random),
            "tasks": list(random, 3, |random| json!({"who": text(random), "what": text(random),
                "done": random.percent(50), "by": null})), "labels": ["a", text(random)]}),
        5 => json!({"invoice": {"no": random.below(99_999), "lines": list(random, 4, |random| {
            json!({"sku": text(random), "qty": random.below(9), "price": number(random)})}),
            "total": number(random)}, "paid": random.percent(50)}),
        6 => Value::Array((0..=random.below(3)).map(|_| record(random, 1)).collect()),
        7 => {
            json!({"question": text(random), "options": [text(random), text(random), text(random)],
            "answer": random.below(3), "why": long_text(random)})
        }
        _ => record(random, 3),
    }
}

fn list(random: &mut Random, most: usize, make: impl Fn(&mut Random) -> Value) -> Value {
    Value::Array((0..random.below(most + 1)).map(|_| make(random)).collect())
}

fn record(random: &mut Random, depth: usize) -> Value {
    let mut map = Map::new();
    for _ in 0..=random.below(5) {
        map.insert((*random.one_of(&KEYS)).to_owned(), value(random, depth));
    }
    Value::Object(map)
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(10) {
        0 => Value::Null,
        1 => Value::Bool(random.percent(50)),
        2 => json!(random.below(100_000)),
        3 => number(random),
        4 if depth > 0 => record(random, depth - 1),
        5 if depth > 0 => list(random, 4, |random| value(random, depth - 1)),
        _ => text(random).into(),
    }
}

fn number(random: &mut Random) -> Value {
    let number = random.below(2_000_000) as f64 / 1000.0 - 300.0;
    json!(number)
}

pub fn text(random: &mut Random) -> String {
    (*random.one_of(&TEXTS)).to_owned()
}

fn long_text(random: &mut Random) -> String {
    let sentences: Vec<String> = (0..2 + random.below(3)).map(|_| text(random)).collect();
    sentences.join(*random.one_of(&[" ", "\n"]))
}

/// Texts without JSON.
pub const PROSE: [&str; 40] = [
    "I can't do that, sorry.",
    "Lisbon is lovely in spring.",
    "Sure!",
    "maybe",
    "!",
    "12 of the 40 seats are taken.",
    "Use `cargo test --lib` first.",
    "Press \"Start\", then wait: it takes {n} seconds.",
    "See [the guide](https://example.org/guide) and [1].",
    "- one\n- two\n- three",
    "1. open the lid\n2. pour water\n3. close it",
    "| x | y |\n|---|---|\n| 1 | 2 |",
    "```rust\nfn main() { println!(\"hi\"); }\n```",
    "```bash\nls -la | grep x\n```\nThat lists the files.",
    "```css\nbody { color: red; }\n```",
    "The interval [0, 1) is half open, {1, 2} is a set.",
    "In JSON, objects use { and }, arrays use [ and ].",
    "name: Ada\nrole: engineer",
    "x = y[0] + z{1}",
    "[x] done\n[ ] open",
    "[INFO] server started on port 80",
    "[Music] Welcome back, everyone.",
    "{name}, nice to meet you.",
    "{{ template }} is not filled in.",
    "[1] Knuth, The Art of Computer Programming",
    "[link](http://example.com)",
    "Q: why? A: \"because\".",
    "\"Yes,\" she said, \"of course.\"",
    "'Tis the season to be jolly.",
    "Time: 10:30, place: room [4].",
    "<b>bold</b> and <i>italic</i>",
    "<think>The user wants {a: 1}?</think>\nI don't know.",
    "f(x) = { x if x > 0, else 0 }",
    "$\\{a, b\\} \\subset [0, 1]$",
    "true colours shine through",
    "null pointers are bad",
    "今日はいい天気ですね。",
    "Как скажете!",
    "Error 404: page not found",
    "(a) first, (b) second",
];

/// Unusual but valid JSON.
pub const VALID: [&str; 26] = [
    "{}",
    "[]",
    "0",
    "-0",
    "\"\"",
    "true",
    " null ",
    "123456789012345678901234567890.5e+400",
    "{\"a\":1,\"a\":2}",
    "{\"\":\"\"}",
    "[ 1 ,\n2\t]\r\n",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":\"\\u0000\\u001f\"}",
    "{\"a\":\"\u{2028}\u{feff}\u{7f}\"}",
    "{\"a\":\"```json\\n{}\\n```\"}",
    "{\"a\":\"// no /* comment */ # here\"}",
    "{\"a\":\"<think>{}</think>\"}",
    "{\"a\":\"...\",\"b\":[\"…\"]}",
    "{\"a\":\"True, None\"}",
    "{\"a\":\"it's \\\"it\\\"\"}",
    "{\"a\":\"\\\\\",\"b\":\"\\\\\\\"\"}",
    "{\"a\":\"“curly” ‘quotes’\"}",
    "{\"a\":\"x\",\"b\":\"y, \\\"z\\\": 1\"}",
    "[\"a\",\"b\",\"c:\",\":d\",\",\",\"]\"]",
    "{\n  \"a\": {\n    \"b\": 1,\n  \"c\": 2\n}}",
    "[[[[[[[[[[{\"a\":[{\"b\":[[]]}]}]]]]]]]]]]",
];
