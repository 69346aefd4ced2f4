//! Numbers and durations as LiteLLM writes them.

use attache::failover::BACK_OFF;
use serde_json::{Map, Value, json};

/// Returns the field `deadlines`, absent without timeouts: of a whole answer, and of the first content
/// of a stream.
pub(super) fn deadlines(answer: Option<&Value>, stream: Option<&Value>) -> Map<String, Value> {
    let [answer, first_content] = [answer, stream].map(|value| milliseconds(value?));
    let total = answer.max(first_content).filter(|total| *total > USUAL_TOTAL);
    let fields = [("first_content", first_content), ("answer", answer), ("total", total)];
    let fields =
        fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), duration(value?))));
    let fields: Map<String, Value> = fields.collect();
    let is_set = !fields.is_empty();
    is_set.then(|| ("deadlines".to_owned(), Value::Object(fields))).into_iter().collect()
}

/// Milliseconds of the default of `deadlines.total`, which limits the other deadlines.
const USUAL_TOTAL: u64 = 5 * 60 * 1000;

/// Milliseconds of the longest duration in the configuration.
const LONGEST: u64 = 24 * 60 * 60 * 1000;

/// Returns a number of seconds in milliseconds, within the bounds of a deadline.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within bounds")]
fn milliseconds(seconds: &Value) -> Option<u64> {
    let text = || seconds.as_str().and_then(|text| text.trim().parse().ok());
    let seconds: f64 = seconds.as_f64().or_else(text).filter(|seconds| *seconds > 0.0)?;
    let shortest = u64::try_from(BACK_OFF.as_millis()).unwrap_or(LONGEST) + 1;
    Some(((seconds * 1000.0).round() as u64).clamp(shortest, LONGEST))
}

fn duration(milliseconds: u64) -> Value {
    match milliseconds % 1000 {
        0 => json!(format!("{}s", milliseconds / 1000)),
        _ => json!(format!("{milliseconds}ms")),
    }
}

/// Returns a whole number, which may be written as text.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}
