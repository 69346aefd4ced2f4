//! A transcript service in AssemblyAI's shape: *Get transcript* of its API reference. What it says of
//! a transcript stands in the id, before the first `-`.

use super::playback::{Playback, Step};
use super::reply::Reply;
use super::script::{Head, LONGEST_WAIT};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::json;
use std::time::Duration;

/// What comes before the id.
const PATH: &str = "/v2/transcript/";

/// The text of a transcript that is hard to put into JSON.
pub const TRICKY: &str = "a \"quote\", a \\ and {{ transcript }}\n\t\u{1f600} é \u{2028}\u{0}";

/// The answer to a request, if it is for a transcript.
pub fn reply(head: &Parts) -> Option<Reply> {
    let (_, id) = head.uri.path().split_once(PATH)?;
    if !head.headers.contains_key("authorization") {
        return Some(error(401, "Authentication error, API token missing/invalid"));
    }
    let (word, rest) = id.split_once('-').unwrap_or((id, ""));
    Some(match word {
        "queued" | "processing" => found(id, word, None),
        "error" => found(id, word, None),
        "silent" => found(id, "completed", None),
        "odd" => found(id, "perhaps", None),
        "tricky" => found(id, "completed", Some(TRICKY)),
        "size" => sized(id, rest, 1),
        "spoken" => sized(id, rest, usize::MAX),
        "deleted" => deleted(id),
        "missing" => error(404, "Transcript not found"),
        "unknown" => error(400, "Transcript lookup error, transcript id not found"),
        "status" => error(rest.parse().unwrap_or(500), "scripted error"),
        "html" => Reply::plain(StatusCode::OK, "text/html", "<html>It works!</html>"),
        "array" => Reply::plain(StatusCode::OK, "application/json", r#"["completed", "text"]"#),
        "short" => short(),
        "hang" => Reply { head: Head::Hangs, ..found(id, "completed", None) },
        "reset" => Reply { head: Head::Reset, ..found(id, "completed", None) },
        "late" => Reply { delay: Duration::from_millis(300), ..spoken(id) },
        _ => spoken(id),
    })
}

fn spoken(id: &str) -> Reply {
    found(id, "completed", Some(&format!("said in {id}")))
}

/// `size-2000000-…`: so many bytes of text, and so many of its words one by one.
fn sized(id: &str, rest: &str, words: usize) -> Reply {
    let size = rest.split('-').next().and_then(|size| size.parse().ok()).unwrap_or(0);
    let mut text = "word ".repeat(size / 5 + 1);
    text.truncate(size);
    completed(id, "completed", Some(&text), words.min(size / 5))
}

fn found(id: &str, status: &str, text: Option<&str>) -> Reply {
    completed(id, status, text, 1)
}

/// A transcript in the order of keys that the service has.
fn completed(id: &str, status: &str, text: Option<&str>, words: usize) -> Reply {
    let word = r#"{"text":"word","start":1200,"end":1440,"confidence":0.95,"speaker":null}"#;
    let words = vec![word; words].join(",");
    let (id, status, text) = (json!(id), json!(status), json!(text));
    let transcript = format!(
        r#"{{"id":{id},"language_code":"en_us","status":{status},"audio_url":"https://example.com/a",
        "text":{text},"words":[{words}],"utterances":null,"confidence":0.95,"audio_duration":281,
        "error":null,"webhook_auth":false}}"#
    );
    Reply::plain(StatusCode::OK, "application/json", transcript)
}

fn deleted(id: &str) -> Reply {
    let transcript = json!({"id": id, "status": "completed", "text": "Deleted by user.",
        "audio_url": "http://deleted_by_user", "words": null});
    Reply::plain(StatusCode::OK, "application/json", transcript.to_string())
}

/// More is promised than comes.
fn short() -> Reply {
    let steps = [Step::Send("{\"status\": ".into()), Step::Wait(LONGEST_WAIT / 300), Step::Abort];
    let mut reply = Reply::plain(StatusCode::OK, "application/json", "");
    *reply.response.body_mut() = Playback::new(steps, Some(1000));
    reply
}

fn error(status: u16, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply::plain(status, "application/json", json!({"error": message}).to_string())
}
