//! What a repair comes to, held against the original.

use json_repair::{RootKind, repair};
use serde_json::Value;

use super::damage::{Case, Promise};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Right,
    Wrong,
    Refused,
}

/// Mends a case and judges what came out.
pub fn judge(case: &Case) -> Verdict {
    let root = match (case.promise, &case.original) {
        (Promise::EqualWithRoot, Value::Array(_)) => RootKind::Array,
        (Promise::EqualWithRoot, _) => RootKind::Object,
        _ => RootKind::Any,
    };
    match repair(&case.input, &root.into()) {
        Ok((json, _)) => compare(&json, case),
        Err(_) => Verdict::Refused,
    }
}

/// Judges what came out of a case.
pub fn compare(json: &str, case: &Case) -> Verdict {
    let right = match serde_json::from_str::<Value>(json) {
        Err(_) => false,
        Ok(value) if case.promise == Promise::Beginning => is_beginning(&value, &case.original),
        Ok(value) => is_equal(&value, &case.original),
    };
    if right { Verdict::Right } else { Verdict::Wrong }
}

/// Whether two documents say the same. `2` and `2.0` do.
pub fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            // serde_json rounds the last digit as it likes.
            let (left, right) =
                (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            (left - right).abs() <= left.abs() * 1e-12
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(one, other)| is_equal(one, other))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(one, other)| one.0 == other.0 && is_equal(one.1, other.1))
        }
        _ => left == right,
    }
}

/// Whether a document is what had come of another when it was cut off: all but the last value is
/// the same, and of that it is a beginning.
fn is_beginning(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
        (Value::Number(part), Value::Number(whole)) => {
            is_equal(&part.clone().into(), &whole.clone().into())
                || whole.to_string().starts_with(part.to_string().trim_end_matches(".0"))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole).enumerate().all(|(index, (one, other))| {
                    if index + 1 < part.len() {
                        is_equal(one, other)
                    } else {
                        is_beginning(one, other)
                    }
                })
        }
        (Value::Object(part), Value::Object(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole).enumerate().all(|(index, (one, other))| {
                    let same = if index + 1 < part.len() { is_equal } else { is_beginning };
                    one.0 == other.0 && same(one.1, other.1)
                })
        }
        _ => part == whole,
    }
}
