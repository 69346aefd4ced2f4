//! Errors in the form of the Messages API. Claude API, *Errors*.

use super::request::THREAD;
use crate::{
    chat::{attempt_log::AttemptLog, error::Error},
    json::Object,
};

/// Returns the body of an error.
pub fn to_json(error: &Error, request_id: &str, log: &AttemptLog) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut body = Object::open(&mut out);
    write(&mut body, error, request_id, log);
    body.close();
    out
}

/// Writes the keys of an error's body into an object.
pub fn write(body: &mut Object<'_>, error: &Error, request_id: &str, log: &AttemptLog) {
    body.value("type", "error")
        .object("error", |fields| {
            fields.value("type", kind(error)).value("message", &error.to_string());
            // By this code, clients learn that they have to send whole conversations.
            if is_about_thread(error) {
                fields.object("details", |details| {
                    details.value("error_code", "thread_unsupported_request");
                });
            }
        })
        .value("request_id", request_id)
        .raw("metadata", error.metadata(log));
}

fn is_about_thread(error: &Error) -> bool {
    let Error::Invalid(mistakes) = error else { return false };
    mistakes.iter().any(|mistake| mistake.param == THREAD)
}

/// Returns `error.type`.
fn kind(error: &Error) -> &'static str {
    match (error, error.status()) {
        (Error::Overloaded { .. } | Error::Full, _) => "overloaded_error",
        (_, 401) => "authentication_error",
        (_, 403) => "permission_error",
        (_, 404 | 410) => "not_found_error",
        (_, 413) => "request_too_large",
        (_, 429) => "rate_limit_error",
        (_, 504) => "timeout_error",
        (_, 500..) => "api_error",
        _ => "invalid_request_error",
    }
}
