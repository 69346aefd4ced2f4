//! Guard: calls for a decision on a request or an answer, and the decisions.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    chat::error::Error,
    config::{Guard, GuardFailurePolicy, GuardStage},
    http_call::CallResult,
    json::{self, Object},
};

/// Subject of a call.
#[derive(Clone, Copy, Debug)]
pub struct GuardSubject<'s> {
    /// Id of the request.
    pub request_id: &'s str,
    /// Account of the caller.
    pub account: &'s str,
    /// Name of the requested model.
    pub model: &'s str,
    /// Name of the gateway's region.
    pub region: &'static str,
    /// Name of the API in which the client asks.
    pub api: &'static str,
    /// Request in the client's API, with its transcript.
    pub request: &'s [u8],
    /// Answer in the client's API. `None` before the first attempt.
    pub answer: Option<&'s [u8]>,
}

impl GuardSubject<'_> {
    /// Returns the body of the call.
    pub fn to_json(&self) -> Vec<u8> {
        let length = self.request.len() + self.answer.map_or(0, <[u8]>::len);
        let mut out = Vec::with_capacity(length + 256);
        let mut object = Object::open(&mut out);
        object
            .value("stage", self.stage().name())
            .value("request_id", self.request_id)
            .value("account", self.account)
            .value("model", self.model)
            .value("region", self.region)
            .value("api", self.api)
            .raw("request", self.request);
        if let Some(answer) = self.answer {
            object.raw("answer", answer);
        }
        object.close();
        out
    }

    fn stage(&self) -> GuardStage {
        if self.answer.is_some() { GuardStage::Answer } else { GuardStage::Request }
    }
}

/// Decision of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardDecision {
    /// The subject goes on as it is.
    Admit,
    /// The subject goes on as this, in the client's API.
    Replace(Vec<u8>),
    /// The client gets an error with this message.
    Refuse(Option<String>),
    /// The guard has not answered, or not as documented.
    Failed,
}

/// Body of a guard's response.
#[derive(Deserialize)]
struct Response<'r> {
    #[serde(borrow)]
    action: Cow<'r, str>,
    message: Option<String>,
    #[serde(borrow)]
    request: Option<&'r RawValue>,
    #[serde(borrow)]
    answer: Option<&'r RawValue>,
}

impl GuardDecision {
    /// Reads the result of a call.
    pub fn read(stage: GuardStage, result: &CallResult) -> Self {
        let CallResult::Response { status: 200, body, .. } = result else { return Self::Failed };
        let Ok(response) = json::read::<Response<'_>>(body) else {
            return Self::Failed;
        };
        match &*response.action {
            "admit" => Self::Admit,
            "refuse" => Self::Refuse(response.message.map(shortened)),
            "replace" => {
                let subject = match stage {
                    GuardStage::Request => response.request,
                    GuardStage::Answer => response.answer,
                };
                let object = subject.map(RawValue::get).filter(|text| text.starts_with('{'));
                object.map_or(Self::Failed, |text| Self::Replace(text.into()))
            }
            _ => Self::Failed,
        }
    }

    /// Returns the word for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Replace(_) => "replace",
            Self::Refuse(_) => "refuse",
            Self::Failed => "failed",
        }
    }

    /// Returns the replacement of the subject, if there is one, or the error that the client gets.
    pub fn apply(self, guard: &Guard, stage: GuardStage) -> Result<Option<Vec<u8>>, Error> {
        match (self, guard.on_error) {
            (Self::Admit, _) | (Self::Failed, GuardFailurePolicy::Admit) => Ok(None),
            (Self::Replace(subject), _) => Ok(Some(subject)),
            (Self::Refuse(message), _) => Err(Error::Guarded { subject: stage.name(), message }),
            (Self::Failed, GuardFailurePolicy::Refuse) => Err(Error::Unguarded),
        }
    }
}

/// Returns the beginning of a guard's message, as far as errors repeat messages.
fn shortened(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => message.get(..end).unwrap_or_default().to_owned(),
        None => message,
    }
}

/// Length of the longest message that a client gets, in characters.
const MAX_MESSAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> CallResult {
        CallResult::Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_subject_is_written_whole() {
        let mut subject = GuardSubject {
            request_id: "r-1",
            account: "acme",
            model: "gpt-5",
            region: "eu",
            api: "chat_completions",
            request: br#"{"model": "gpt-5"}"#,
            answer: None,
        };
        let text = |subject: &GuardSubject<'_>| String::from_utf8(subject.to_json()).unwrap();
        let head = r#""request_id":"r-1","account":"acme","model":"gpt-5","region":"eu","#;
        let tail = r#""api":"chat_completions","request":{"model": "gpt-5"}"#;
        assert_eq!(text(&subject), format!("{{\"stage\":\"request\",{head}{tail}}}"));
        subject.answer = Some(b"{}");
        let expected = format!("{{\"stage\":\"answer\",{head}{tail},\"answer\":{{}}}}");
        assert_eq!(text(&subject), expected);
    }

    #[test]
    fn a_decision_is_read_or_has_failed() {
        use GuardDecision::{Admit, Failed, Refuse, Replace};
        use GuardStage::{Answer, Request};
        let long = "é".repeat(600);
        let too_long = format!(r#"{{"action": "refuse", "message": "{long}"}}"#);
        let cases = [
            (Request, r#"{"action": "admit", "score": 0.1}"#, Admit),
            (Answer, r#"{"\u0061ction": "\u0061dmit"}"#, Admit),
            (Request, r#"{"action": "refuse"}"#, Refuse(None)),
            (
                Request,
                r#"{"action":"refuse","message":"no \"x\""}"#,
                Refuse(Some("no \"x\"".into())),
            ),
            (Answer, &too_long, Refuse(Some("é".repeat(500)))),
            (
                Request,
                r#"{"action": "replace", "request": {"a": 1}}"#,
                Replace(b"{\"a\": 1}".into()),
            ),
            (Answer, r#"{"action": "replace", "answer": {}}"#, Replace(b"{}".into())),
            (Answer, r#"{"action": "replace", "request": {}}"#, Failed),
            (Request, r#"{"action": "replace", "request": "x"}"#, Failed),
            (Request, r#"{"action": "replace"}"#, Failed),
            (Request, r#"{"action": "maybe"}"#, Failed),
            (Request, r#"{"action": 1}"#, Failed),
            (Request, r#"["admit"]"#, Failed),
            (Request, "", Failed),
        ];
        for (stage, body, expected) in cases {
            assert_eq!(GuardDecision::read(stage, &response(200, body)), expected, "{body}");
        }
        let admit = r#"{"action": "admit"}"#;
        for status in [201, 204, 302, 400, 500] {
            assert_eq!(GuardDecision::read(Request, &response(status, admit)), Failed, "{status}");
        }
        for result in [CallResult::Broken, CallResult::NotSent] {
            assert_eq!(GuardDecision::read(Request, &result), Failed);
        }
    }
}
