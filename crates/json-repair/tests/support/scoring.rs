//! Comparison of a repair with the original document.

use json_repair::{RootKind, repair};
use serde_json::Value;

use super::damage::{Case, Expectation};

/// The score of one repair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Score {
    Right,
    Wrong,
    Refused,
}

/// Repairs a case and returns the score.
pub fn score(case: &Case) -> Score {
    let root = match (case.expectation, &case.original) {
        (Expectation::EqualWithRoot, Value::Array(_)) => RootKind::Array,
        (Expectation::EqualWithRoot, _) => RootKind::Object,
        _ => RootKind::Any,
    };
    match repair(&case.input, &root.into()) {
        Ok((json, _)) => score_output(&json, case),
        Err(_) => Score::Refused,
    }
}

/// Returns the score of the output for a case.
pub fn score_output(json: &str, case: &Case) -> Score {
    let right = match serde_json::from_str::<Value>(json) {
        Err(_) => false,
        Ok(value) if case.expectation == Expectation::Prefix => is_prefix(&value, &case.original),
        Ok(value) => is_equal(&value, &case.original),
    };
    if right { Score::Right } else { Score::Wrong }
}

/// Returns whether two documents are equal. `2` and `2.0` are.
pub fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            // serde_json may round the last digit.
            let [left, right] = [left, right].map(|number| number.as_f64().unwrap_or(f64::NAN));
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

/// Returns whether a document is the beginning of another that was cut off: all values but the last
/// are equal, and the last is a beginning.
fn is_prefix(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
        (Value::Number(part), Value::Number(whole)) => {
            is_equal(&part.clone().into(), &whole.clone().into())
                || whole.to_string().starts_with(part.to_string().trim_end_matches(".0"))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole).enumerate().all(|(index, (one, other))| {
                    let compare = if index + 1 < part.len() { is_equal } else { is_prefix };
                    compare(one, other)
                })
        }
        (Value::Object(part), Value::Object(whole)) => {
            part.len() <= whole.len()
                && part.iter().zip(whole).enumerate().all(|(index, (one, other))| {
                    let compare = if index + 1 < part.len() { is_equal } else { is_prefix };
                    one.0 == other.0 && compare(one.1, other.1)
                })
        }
        _ => part == whole,
    }
}
