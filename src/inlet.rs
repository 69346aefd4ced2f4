//! Inlets: the APIs in which a client may ask. Each reads its requests into chat requests, and writes
//! what the chat API says in its own form; between the two, all inlets are the same.

use std::{borrow::Cow, rc::Rc};

use crate::{
    chat::{
        answer::{Answer, UpstreamResponse},
        attempt_log::AttemptLog,
        delta::Delta,
        envelope::Envelope,
        error::Error,
        finish::Finish,
        parameter::{ClientApi, MissingLimit, OriginalRequest, Parameters},
        request::{self, Request},
        stream_writer::StreamWriter,
        usage::Usage,
    },
    client_api::chat_body::ChatBody,
    embeddings,
    json::{self, replace_lone_surrogates},
    messages::{self, betas::Betas, relay::RelayedValues, stream_writer::MessagesStreamWriter},
    quota::{Counted, LimitStatus},
    responses::{self, stream_writer::ResponsesStreamWriter},
    time::Timestamp,
};

/// API in which a client asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inlet {
    /// The chat API.
    #[default]
    Chat,
    /// The Responses API.
    Responses,
    /// The Messages API, with the features that the client asks for.
    Messages(Betas),
    /// The count of tokens of the Messages API, whose requests are the same but for fields of the
    /// answer.
    TokenCount(Betas),
    /// The API of embeddings.
    Embeddings,
}

/// Body of a request, read as a chat request.
#[derive(Debug)]
pub struct InletBody<'b> {
    /// Body, in which lone surrogates are replaced: owned if there were any.
    body: Cow<'b, [u8]>,
    /// Chat request that the body was translated into, with the API of the body. `None`: it was one.
    translated: Option<(ChatBody, ClientApi)>,
    inlet: Inlet,
}

impl InletBody<'_> {
    /// Returns the parameters of the chat request.
    pub fn parameters(&self) -> Result<Parameters<'_>, Error> {
        let mut parameters = match &self.translated {
            None => request::checked_parameters(&self.body)?,
            Some((chat, api)) => self.translated_parameters(chat, *api)?,
        };
        parameters.replaces_surrogates = matches!(self.body, Cow::Owned(_));
        Ok(match self.inlet {
            Inlet::Embeddings => embeddings::request::adapt(parameters),
            _ => parameters,
        })
    }

    fn translated_parameters<'p>(
        &'p self,
        chat: &'p ChatBody,
        api: ClientApi,
    ) -> Result<Parameters<'p>, Error> {
        let mut parameters = chat.parameters()?;
        let fields = json::read(&self.body).ok();
        let body = Some(&*self.body);
        let original = fields.map(|fields| OriginalRequest { api, body, fields });
        parameters.original = original.map(Rc::new);
        if api == ClientApi::Responses {
            parameters.missing_limit = MissingLimit::Unlimited;
        }
        Ok(parameters)
    }
}

impl Inlet {
    /// Reads a client's body.
    pub fn read<'b>(&self, body: &'b [u8]) -> Result<InletBody<'b>, Error> {
        request::check_depth(body)?;
        self.reread(body)
    }

    /// Reads a body that was read before.
    pub fn reread<'b>(&self, body: &'b [u8]) -> Result<InletBody<'b>, Error> {
        let body = replace_lone_surrogates(body).map_or(Cow::Borrowed(body), Cow::Owned);
        let translated = match self {
            Self::Chat | Self::Embeddings => None,
            Self::Responses => Some((responses::request::to_chat(&body)?, ClientApi::Responses)),
            Self::Messages(_) | Self::TokenCount(_) => {
                let is_count = self.counts_tokens();
                let required: &[_] =
                    if is_count { &["messages"] } else { &["max_tokens", "messages"] };
                Some((messages::request::to_chat(&body, required)?, ClientApi::Messages))
            }
        };
        Ok(InletBody { body, translated, inlet: *self })
    }

    /// Returns the body of an answer.
    pub fn answer(
        &self,
        answer: &Answer<'_>,
        envelope: &Envelope,
        service: UpstreamResponse,
    ) -> Vec<u8> {
        match self {
            Self::Chat | Self::Embeddings => answer.to_json(envelope, service),
            Self::Responses => responses::answer::to_json(answer, envelope),
            Self::Messages(_) | Self::TokenCount(_) => messages::answer::to_json(answer, envelope),
        }
    }

    /// Returns the body of an answer that came in the inlet's own API, with this usage.
    pub fn relay(&self, body: &[u8], envelope: &Envelope, usage: Option<&Usage>) -> Vec<u8> {
        match self {
            Self::Chat | Self::Responses | Self::Embeddings => body.to_vec(),
            Self::Messages(_) | Self::TokenCount(_) => {
                let (model, cost) = (&envelope.model, envelope.cost(usage));
                messages::relay::answer(body, RelayedValues { model, cost })
            }
        }
    }

    /// Returns the body of an error.
    pub fn error(&self, error: &Error, request_id: &str, log: &AttemptLog) -> Vec<u8> {
        match self {
            Self::Chat | Self::Responses | Self::Embeddings => error.to_json(request_id, log),
            Self::Messages(_) | Self::TokenCount(_) => {
                messages::failure::to_json(error, request_id, log)
            }
        }
    }

    /// Returns the writer of a stream.
    pub fn stream(&self, envelope: Envelope) -> InletStream {
        match self {
            Self::Chat | Self::Embeddings => InletStream::Chat(StreamWriter::new(envelope)),
            Self::Responses => InletStream::Responses(ResponsesStreamWriter::new(envelope)),
            Self::Messages(_) | Self::TokenCount(_) => {
                InletStream::Messages(MessagesStreamWriter::new(envelope))
            }
        }
    }

    /// Returns the headers of every response about its request.
    pub fn id_header(&self, request_id: &str) -> Option<(&'static str, String)> {
        match self {
            Self::Chat | Self::Responses | Self::Embeddings => None,
            Self::Messages(_) | Self::TokenCount(_) => Some((REQUEST_ID, request_id.to_owned())),
        }
    }

    /// Returns the headers about an account's limit for a model.
    pub fn limit_headers(
        self,
        status: &LimitStatus,
        counted: Counted,
        model: &str,
        now: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let mut headers = Vec::from(status.headers(model, now));
        headers.extend(self.further_limit_headers(status, counted, now));
        headers
    }

    /// Returns the headers that the inlet's own API has about a limit. Claude API, *Rate limits*,
    /// "Response headers".
    pub fn further_limit_headers(
        self,
        status: &LimitStatus,
        counted: Counted,
        now: Timestamp,
    ) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let names = match (self, counted) {
            (Self::Chat | Self::Responses | Self::Embeddings, _) | (_, Counted::Cost) => None,
            (_, Counted::Requests) => Some([
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
                "anthropic-ratelimit-requests-reset",
            ]),
            (_, Counted::Tokens) => Some([
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ]),
        };
        let LimitStatus { limit, remaining, .. } = *status;
        let until = now.plus(status.left(now));
        let values = names.map(|names| {
            let reset = until.to_rfc3339();
            names.into_iter().zip([limit.to_string(), remaining.to_string(), reset])
        });
        values.into_iter().flatten()
    }

    /// Returns `true` if answers tell of the limit of tokens.
    pub fn tells_token_limit(self) -> bool {
        matches!(self, Self::Messages(_) | Self::TokenCount(_))
    }

    /// Returns the fields, besides those of the chat API, in which a transcript may be put. They come
    /// before the messages.
    pub fn prompt_fields(self) -> &'static [&'static str] {
        match self {
            Self::Chat | Self::Embeddings => &[],
            Self::Responses => &["instructions", "input"],
            Self::Messages(_) | Self::TokenCount(_) => &["system"],
        }
    }

    /// Returns the features of the Messages API that the client asks for.
    pub fn betas(self) -> Betas {
        match self {
            Self::Chat | Self::Responses | Self::Embeddings => Betas::default(),
            Self::Messages(betas) | Self::TokenCount(betas) => betas,
        }
    }

    /// Returns the name of the API.
    pub fn api(self) -> &'static str {
        match self {
            Self::Chat => "chat_completions",
            Self::Responses => "responses",
            Self::Messages(_) | Self::TokenCount(_) => "messages",
            Self::Embeddings => "embeddings",
        }
    }

    /// Returns `true` if answers are texts of a model.
    pub fn answers_in_text(self) -> bool {
        !matches!(self, Self::TokenCount(_) | Self::Embeddings)
    }

    /// Returns `true` if an answer is a count of the request's tokens.
    pub fn counts_tokens(self) -> bool {
        matches!(self, Self::TokenCount(_))
    }

    /// Reads the word that [`Self::to_text`] wrote. No word: the chat API.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self::Chat) };
        match text.split_at_checked(1)? {
            ("e", "") => Some(Self::Embeddings),
            ("r", "") => Some(Self::Responses),
            ("m", betas) => Some(Self::Messages(Betas::parse(betas))),
            ("t", betas) => Some(Self::TokenCount(Betas::parse(betas))),
            _ => None,
        }
    }

    /// Returns a word for tickets. `None` for the chat API.
    pub fn to_text(self) -> Option<String> {
        match self {
            Self::Chat => None,
            Self::Embeddings => Some("e".to_owned()),
            Self::Responses => Some("r".to_owned()),
            Self::Messages(betas) => Some(format!("m{betas}")),
            Self::TokenCount(betas) => Some(format!("t{betas}")),
        }
    }
}

/// Returns the fields of a request that its answer repeats, if they are not those of the chat API.
pub fn echo(request: &Request<'_>) -> Option<Vec<u8>> {
    let original = request.parameters.original_in(ClientApi::Responses)?;
    Some(responses::echo::to_json(&original.fields))
}

/// Returns `true` if the client carries reasoning to the next turn.
pub fn carries_reasoning(request: &Request<'_>) -> bool {
    let original = request.parameters.original_in(ClientApi::Responses);
    original.is_some_and(|original| responses::echo::carries_reasoning(&original.fields))
}

/// Header with the id of a request. Claude API, *Errors*, "Request id".
pub const REQUEST_ID: &str = "request-id";

/// Writer of a stream, in the API of an inlet.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are those of the inlets")]
pub enum InletStream {
    Chat(StreamWriter),
    Messages(MessagesStreamWriter),
    Responses(ResponsesStreamWriter),
}

/// Calls a method that all writers have.
macro_rules! each {
    ($stream:expr, $writer:ident => $call:expr) => {
        match $stream {
            Self::Chat($writer) => $call,
            Self::Messages($writer) => $call,
            Self::Responses($writer) => $call,
        }
    };
}

/// Asks the writer of the chat API, or the state of another writer.
macro_rules! state {
    ($stream:expr, $writer:ident => $chat:expr, $state:ident => $other:expr) => {
        match $stream {
            Self::Chat($writer) => $chat,
            Self::Messages(other) => {
                let $state = other.state();
                $other
            }
            Self::Responses(other) => {
                let $state = other.state();
                $other
            }
        }
    };
}

impl InletStream {
    /// Returns `true` once a client would notice the stream.
    pub fn has_begun(&self) -> bool {
        state!(self, writer => writer.has_begun(), state => state.has_begun())
    }

    /// Returns `true` if nothing of the answer is missing but its end.
    pub fn is_finished(&self) -> bool {
        state!(self, writer => writer.is_finished(), state => state.finish.is_some())
    }

    /// Returns `true` once the stream has ended.
    pub fn has_ended(&self) -> bool {
        state!(self, writer => writer.has_ended(), state => state.ended)
    }

    /// Returns `true` if the answer is longer than the stream can hold.
    pub fn is_too_long(&self) -> bool {
        match self {
            Self::Chat(_) | Self::Messages(_) => false,
            Self::Responses(writer) => writer.is_too_long(),
        }
    }

    /// Returns the last count of tokens, if there was one.
    pub fn usage(&self) -> Option<Usage> {
        state!(self, writer => writer.usage(), state => state.usage)
    }

    /// Returns the finish reason, once there is one.
    pub fn finish_reason(&self) -> Option<Finish> {
        state!(self, writer => writer.finish_reason(), state => state.finish)
    }

    /// Returns the bytes written since the last call.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        each!(self, writer => writer.take_bytes())
    }

    /// Writes the events of a delta.
    pub fn write(&mut self, delta: &Delta<'_>) {
        each!(self, writer => writer.write(delta));
    }

    /// Ends an interrupted stream with an error.
    pub fn fail(&mut self, error: &Error) {
        each!(self, writer => writer.fail(error));
    }

    /// Writes an event of the provider, whose deltas these are, as it is.
    pub fn relay(&mut self, data: &[u8], deltas: &[Delta<'_>]) {
        match self {
            Self::Messages(writer) => writer.relay(data, deltas),
            Self::Chat(_) | Self::Responses(_) => deltas.iter().for_each(|delta| self.write(delta)),
        }
    }
}
