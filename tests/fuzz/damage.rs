//! What chance does to JSON, and to bytes.

use serde_json::{Map, Value, json};

use fastrand::Rng;

/// Puts something else in the place of a value somewhere in a document, or drops it.
pub fn mutate(random: &mut Rng, document: &mut Value) {
    let count = document.as_array().map_or(0, Vec::len);
    let count = document.as_object().map_or(count, Map::len);
    if count == 0 {
        *document = odd(random);
        return;
    }
    let (chosen, fate) = (random.usize(..count), random.usize(..12));
    let value = match document {
        Value::Array(items) if fate == 0 => return drop(items.remove(chosen)),
        Value::Array(items) if fate == 1 => return items.push(items[chosen].clone()),
        Value::Array(items) => &mut items[chosen],
        Value::Object(entries) => {
            let key = entries.keys().nth(chosen).unwrap().clone();
            if fate == 0 {
                entries.shift_remove(&key);
                return;
            }
            &mut entries[&key]
        }
        _ => return,
    };
    if fate < 4 { *value = odd(random) } else { mutate(random, value) }
}

fn odd(random: &mut Rng) -> Value {
    match random.usize(..16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(u64::from(u32::MAX) + 1),
        5 => json!(1e300),
        6 => json!(0.5),
        7 => json!(""),
        8 => json!("\u{0}\r\n\u{2028}\"\\é🙂"),
        9 => json!("x".repeat(random.usize(..3000))),
        10 => json!([]),
        11 => json!({}),
        12 => json!([null, [], {}, "x", 1]),
        13 => json!({"role": "assistant", "content": [{"type": "text"}], "index": 7, "id": 1}),
        14 => (0..random.usize(..60)).fold(json!(1), |inner, _| json!([inner])),
        _ => json!(random.usize(..2000)),
    }
}

/// Damages text as a network or a broken server would.
pub fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(..4) {
        let length = bytes.len();
        let at = random.usize(..=length);
        match random.usize(..7) {
            0 if at < length => bytes[at] = random.u8(..),
            1 if at < length => bytes[at] ^= 0x80,
            2 => bytes.truncate(at),
            3 => drop(bytes.splice(at..at, *b"\r\n\n")),
            4 => drop(bytes.splice(at..at, *b"\xff\xfe\xed\xa0\x80")),
            5 => *bytes = (0..random.usize(..300)).map(|_| random.u8(..)).collect(),
            _ => {
                let again = bytes[at..].to_vec();
                bytes.extend(again);
            }
        }
    }
}

/// Bytes in pieces, some of them empty.
pub fn pieces<'b>(random: &mut Rng, mut bytes: &'b [u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() && pieces.len() < 5 {
        let (piece, rest) = bytes.split_at(random.usize(..=bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}
