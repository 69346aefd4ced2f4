//! The wire formats, told apart by the path. What they look like is in the vendors' files.

use super::answer::{Answer, token};
use super::events::Events;
use super::request::Asked;
use super::{anthropic, bedrock_converse, embeddings, gemini, openai, openai_responses};
use attache::event_stream::AWS_EVENT_STREAM;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

/// Wire format of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiSchema {
    /// Chat completions.
    OpenAi,
    /// Responses.
    OpenAiResponses,
    /// Messages, Vertex AI's spelling of the path included.
    Anthropic,
    /// `generateContent`.
    Gemini,
    /// Converse.
    BedrockConverse,
}

/// An error to be put into a vendor's shape.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The status of the answer, or the one its content claims.
    pub status: StatusCode,
    /// What a person would read.
    pub message: String,
    /// In seconds.
    pub retry_after: Option<u32>,
}

impl Fault {
    /// The error a script asks for.
    pub fn scripted(status: StatusCode) -> Self {
        let message = format!("scripted error {}", status.as_u16());
        Self { status, message, retry_after: None }
    }
}

impl ApiSchema {
    /// The schema spoken at `path`, which is without its query.
    pub fn at(path: &str) -> Option<Self> {
        if let Some(schema) = embeddings::schema_at(path) {
            return Some(schema);
        }
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| path.ends_with(suffix));
        if ends(&["/chat/completions"]) {
            Some(Self::OpenAi)
        } else if ends(&["/responses"]) {
            Some(Self::OpenAiResponses)
        } else if ends(&["/messages", ":rawPredict", ":streamRawPredict"]) {
            Some(Self::Anthropic)
        } else if ends(&[":generateContent", ":streamGenerateContent"]) {
            Some(Self::Gemini)
        } else if ends(&["/converse", "/converse-stream"]) {
            Some(Self::BedrockConverse)
        } else {
            None
        }
    }

    /// Reads a request.
    pub fn read<'a>(self, path: &'a str, body: &'a [u8]) -> serde_json::Result<Asked<'a>> {
        if embeddings::schema_at(path).is_some() {
            return embeddings::read(path, body);
        }
        match self {
            Self::OpenAi => openai::read(body),
            Self::OpenAiResponses => openai_responses::read(body),
            Self::Anthropic => anthropic::read(path, body),
            Self::Gemini => gemini::read(path, body),
            Self::BedrockConverse => bedrock_converse::read(path, body),
        }
    }

    /// The answer as one document.
    pub fn whole(self, answer: &Answer) -> Vec<u8> {
        if let Some(document) = embeddings::whole(self, answer) {
            return document;
        }
        match self {
            Self::OpenAi => openai::whole(answer),
            Self::OpenAiResponses => openai_responses::whole(answer),
            Self::Anthropic => anthropic::whole(answer),
            Self::Gemini => gemini::whole(answer),
            Self::BedrockConverse => bedrock_converse::whole(answer),
        }
    }

    /// The answer as events.
    pub fn stream(self, answer: &Answer, events: &mut Events) {
        match self {
            Self::OpenAi => openai::stream(answer, events),
            Self::OpenAiResponses => openai_responses::stream(answer, events),
            Self::Anthropic => anthropic::stream(answer, events),
            Self::Gemini => gemini::stream(answer, events),
            Self::BedrockConverse => bedrock_converse::stream(answer, events),
        }
    }

    /// The body of an error.
    pub fn error(self, fault: &Fault) -> Vec<u8> {
        match self {
            Self::OpenAi | Self::OpenAiResponses => openai::error(fault),
            Self::Anthropic => anthropic::error(fault),
            Self::Gemini => gemini::error(fault),
            Self::BedrockConverse => bedrock_converse::error(fault),
        }
    }

    /// An error after the head, in a stream or instead of an answer: the vendor's own way to say
    /// that something went wrong at its side.
    pub fn late_fault(self) -> Fault {
        Fault::scripted(match self {
            Self::OpenAi | Self::OpenAiResponses => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Anthropic => anthropic::OVERLOADED,
            Self::Gemini | Self::BedrockConverse => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    /// An event that tells of an error.
    pub fn error_event(self, fault: &Fault, events: &mut Events) {
        match self {
            Self::OpenAi => openai::error_event(fault, events),
            Self::OpenAiResponses => openai_responses::error_event(fault, events),
            Self::Anthropic => anthropic::error_event(fault, events),
            Self::Gemini => gemini::error_event(fault, events),
            Self::BedrockConverse => bedrock_converse::error_event(fault, events),
        }
    }

    /// An event that says nothing: `ping`, or a comment where that is possible.
    pub fn ping(self, events: &mut Events) {
        match self {
            Self::Anthropic => anthropic::ping(events),
            Self::BedrockConverse => events.message("ping", &()),
            Self::OpenAi | Self::OpenAiResponses | Self::Gemini => events.line(": ping"),
        }
    }

    /// What ends a line if the script does not say: Google sends `\r\n`, the others `\n`.
    pub fn line_end(self) -> &'static str {
        match self {
            Self::Gemini => "\r\n",
            Self::OpenAi | Self::OpenAiResponses | Self::Anthropic | Self::BedrockConverse => "\n",
        }
    }

    /// The media type of a stream.
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::BedrockConverse => AWS_EVENT_STREAM,
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// Headers only this vendor sends.
    pub fn headers(self, serial: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name, value| headers.insert(HeaderName::from_static(name), value);
        match self {
            Self::OpenAi | Self::OpenAiResponses => {
                set("x-request-id", request_id(serial, "req_", 32));
                set("openai-version", HeaderValue::from_static("2020-10-01"));
                set("x-ratelimit-remaining-requests", HeaderValue::from_static("9999"));
            }
            Self::Anthropic => {
                set("request-id", request_id(serial, "req_011C", 20));
                set("anthropic-ratelimit-requests-remaining", HeaderValue::from_static("999"));
            }
            Self::Gemini => {}
            Self::BedrockConverse => {
                set("x-amzn-requestid", request_id(serial, "", 32));
            }
        }
        headers
    }
}

fn request_id(serial: u64, prefix: &str, letters: usize) -> HeaderValue {
    HeaderValue::try_from(token(serial, prefix, letters)).expect("letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_schema() {
        for (path, schema) in [
            ("/v1/chat/completions", Some(ApiSchema::OpenAi)),
            ("/v1/responses", Some(ApiSchema::OpenAiResponses)),
            ("/v1/messages", Some(ApiSchema::Anthropic)),
            (
                "/v1/publishers/anthropic/models/claude@1:streamRawPredict",
                Some(ApiSchema::Anthropic),
            ),
            ("/v1beta/models/gemini-2.5-pro:generateContent", Some(ApiSchema::Gemini)),
            ("/v1/embeddings", Some(ApiSchema::OpenAi)),
            ("/v1beta/models/m:embedContent", Some(ApiSchema::Gemini)),
            ("/model/m%3A0/converse-stream", Some(ApiSchema::BedrockConverse)),
            ("/v1/images", None),
        ] {
            assert_eq!(ApiSchema::at(path), schema, "{path}");
        }
    }
}
