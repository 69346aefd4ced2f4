//! A guard: the service that decides on requests and answers, at any path that ends in `/guard`. Its
//! decision stands in the request's text: `guard:STAGE:WORD`.

use super::reply::Reply;
use super::script::{Head, LONGEST_WAIT};
use hyper::StatusCode;
use serde_json::{Value, json};

/// End of the path.
pub const PATH: &str = "/guard";

/// The word that a guard replaces, and its replacement.
const MASKED: [&str; 2] = ["secret", "masked"];

/// The answer to a call.
pub fn reply(body: &[u8]) -> Reply {
    let call: Value = serde_json::from_slice(body).unwrap_or_default();
    let stage = call["stage"].as_str().unwrap_or("none");
    let request = call["request"].to_string();
    let directive = format!("guard:{stage}:");
    let word = request.split_once(&directive).map_or("", |(_, rest)| rest);
    let word: String = word.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    match &*word {
        "refuse" => decision(&json!({"action": "refuse", "message": "the guard says no"})),
        "mask" => {
            let subject = call[stage].to_string().replace(MASKED[0], MASKED[1]);
            let subject: Value = serde_json::from_str(&subject).unwrap_or_default();
            decision(&json!({"action": "replace", stage: subject}))
        }
        "hang" => Reply { head: Head::Hangs, ..decision(&json!({})) },
        "reset" => Reply { head: Head::Reset, ..decision(&json!({})) },
        "late" => Reply { delay: LONGEST_WAIT / 200, ..decision(&json!({"action": "admit"})) },
        "500" => plain(StatusCode::INTERNAL_SERVER_ERROR, "no"),
        "html" => plain(StatusCode::OK, "<html>"),
        _ => decision(&json!({"action": "admit"})),
    }
}

fn decision(body: &Value) -> Reply {
    plain(StatusCode::OK, &body.to_string())
}

fn plain(status: StatusCode, body: &str) -> Reply {
    Reply::plain(status, "application/json", body.to_owned())
}
