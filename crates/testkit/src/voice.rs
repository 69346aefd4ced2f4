//! What voice platforms send to a model of one's own, by name.
//!
//! Each file has the `body` of a request as a platform sends it, invented values in the shape of
//! captured ones, and what leaves of it for each provider, `sent`. Whatever no provider and no log
//! may see has `confidential-` in it. `MODEL` and `#SAY` are put in by the test.

macro_rules! cases {
    ($($name:literal,)*) => {
        /// Name and text of each file.
        pub const CASES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../tests/voice/", $name, ".json")))),*];
    };
}

cases! {
    "assemblyai/barge-in",
    "assemblyai/greeting",
    "assemblyai/instructed",
    "assemblyai/instructed-early",
    "assemblyai/tool-result",
    "assemblyai/turn",
    "vapi/destructured",
    "vapi/events",
    "vapi/function-role",
    "vapi/functions",
    "vapi/off",
    "vapi/tool-result",
    "vapi/variable",
}

/// The body of a case, for a model and with something said before the caller's last words.
pub fn body(text: &str, model: &str, said: &str) -> String {
    let case: serde_json::Value = serde_json::from_str(text).expect("a case is JSON");
    let body = case["body"].to_string();
    body.replace("\"MODEL\"", &format!("\"{model}\"")).replace("#SAY ", said)
}
