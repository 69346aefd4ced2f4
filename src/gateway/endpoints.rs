//! The gateway's endpoints: paths, methods and content types.

use super::{Gateway, RequestHead};
use crate::{chat::error::Error, inlet::Inlet};

/// Endpoint of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Responses,
    Messages,
    Embeddings,
    /// Counts the tokens of a request of the Messages API.
    CountTokens,
    Models,
    /// One model, by the name in the path.
    Model(String),
    Health,
    /// The base URL itself, which Claude Code asks for before its first request.
    Root,
}

impl Endpoint {
    /// Returns `true` for an endpoint with requests that need a body and a key.
    pub(super) fn has_body(&self) -> bool {
        !matches!(self, Self::Models | Self::Model(_) | Self::Health | Self::Root)
    }
}

impl Gateway {
    /// Returns the endpoint of a request, or the error that is known before the body comes.
    pub(super) fn check_head(&self, head: &RequestHead) -> Result<Endpoint, Error> {
        let endpoint = endpoint(&head.method, &head.path)?;
        if !endpoint.has_body() {
            return Ok(endpoint);
        }
        let account = head.account.as_deref().ok_or(Error::NoAccount)?;
        if !self.config.has_access(account) {
            return Err(Error::NoAccess);
        }
        check_content_type(head.content_type.as_deref())?;
        check_content_encoding(head.content_encoding.as_deref())?;
        if head.end { Err(Error::NoBody) } else { Ok(endpoint) }
    }
}

/// Returns the API of a request: by its path, and for paths of more than one API by its headers.
pub(super) fn inlet(head: &RequestHead) -> Inlet {
    let below = head.path.strip_prefix("/v1").unwrap_or(&head.path);
    if below.starts_with("/embeddings") {
        return Inlet::Embeddings;
    }
    let is_messages = below.starts_with("/messages");
    if below.starts_with("/messages/count_tokens") {
        return Inlet::TokenCount(head.betas);
    }
    if is_messages || (below.starts_with("/models") && head.is_anthropic) {
        return Inlet::Messages(head.betas);
    }
    if below.starts_with("/responses") { Inlet::Responses } else { Inlet::Chat }
}

/// Returns the endpoint of a method and a path. Voice platforms append `/chat/completions` to any base
/// URL, so the path may be doubled.
pub(super) fn endpoint(method: &str, path: &str) -> Result<Endpoint, Error> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let below = path.strip_prefix("/v1").unwrap_or(path);
    let (page, allow) = match below {
        "/chat/completions" | "/chat/completions/chat/completions" => (Endpoint::Chat, "POST"),
        "/responses" => (Endpoint::Responses, "POST"),
        "/messages" => (Endpoint::Messages, "POST"),
        "/embeddings" => (Endpoint::Embeddings, "POST"),
        "/messages/count_tokens" => (Endpoint::CountTokens, "POST"),
        "/models" => (Endpoint::Models, READ),
        "/" if method == "HEAD" => (Endpoint::Root, READ),
        "/healthz" if path == below => (Endpoint::Health, READ),
        _ => (Endpoint::Model(model_in(below)?), READ),
    };
    let is_allowed = allow.split(", ").any(|allowed| allowed == method);
    if is_allowed { Ok(page) } else { Err(Error::Method { allow }) }
}

/// Returns the model that a path names. Its name may have slashes, as they are or percent-encoded.
fn model_in(path: &str) -> Result<String, Error> {
    let name = path.strip_prefix("/models/").filter(|name| !name.is_empty());
    name.map(percent_decoded).ok_or(Error::NoSuchPath)
}

/// Returns a text with its percent-encoded bytes decoded. RFC 3986, 2.1.
fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?));
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

/// Methods of an endpoint that is read. Envoy removes the body of an answer to HEAD.
const READ: &str = "GET, HEAD";

/// Checks the content type of a chat request. A request without one is taken for JSON.
pub(super) fn check_content_type(value: Option<&str>) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::ContentType { found: printable(kind) })
}

/// Checks the content encoding of a chat request. No body is decompressed.
pub(super) fn check_content_encoding(value: Option<&str>) -> Result<(), Error> {
    match value.map(str::trim) {
        None | Some("") => Ok(()),
        Some(coding) if coding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(coding) => Err(Error::ContentEncoding { found: printable(coding) }),
    }
}

/// Returns the beginning of a client's text, as far as an error may repeat it.
pub(super) fn printable(text: &str) -> String {
    let is_printable = |c: &char| c.is_ascii_graphic() || *c == ' ';
    text.chars().filter(is_printable).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods() {
        let method = |allow| Err(Error::Method { allow });
        let model = |name: &str| Ok(Endpoint::Model(name.to_owned()));
        let cases = [
            ("POST", "/v1/chat/completions", Ok(Endpoint::Chat)),
            ("POST", "/chat/completions", Ok(Endpoint::Chat)),
            ("POST", "/chat/completions/chat/completions", Ok(Endpoint::Chat)),
            ("POST", "/v1/chat/completions/chat/completions?x=1", Ok(Endpoint::Chat)),
            ("POST", "/v1/embeddings", Ok(Endpoint::Embeddings)),
            ("POST", "/embeddings?x=1", Ok(Endpoint::Embeddings)),
            ("GET", "/v1/embeddings", method("POST")),
            ("POST", "/v1/embeddings/", Err(Error::NoSuchPath)),
            ("GET", "/v1/models", Ok(Endpoint::Models)),
            ("GET", "/healthz", Ok(Endpoint::Health)),
            ("HEAD", "/healthz", Ok(Endpoint::Health)),
            ("HEAD", "/v1/models", Ok(Endpoint::Models)),
            ("POST", "/v1/messages?beta=true", Ok(Endpoint::Messages)),
            ("POST", "/messages", Ok(Endpoint::Messages)),
            ("POST", "/v1/responses?x=1", Ok(Endpoint::Responses)),
            ("POST", "/responses", Ok(Endpoint::Responses)),
            ("GET", "/v1/responses", method("POST")),
            ("GET", "/v1/responses/resp_1", Err(Error::NoSuchPath)),
            ("POST", "/v1/messages/count_tokens?beta=true", Ok(Endpoint::CountTokens)),
            ("GET", "/v1/messages", method("POST")),
            ("HEAD", "/", Ok(Endpoint::Root)),
            ("GET", "/", Err(Error::NoSuchPath)),
            ("POST", "/v1/messages/batches", Err(Error::NoSuchPath)),
            ("GET", "/v1/chat/completions", method("POST")),
            ("HEAD", "/v1/chat/completions", method("POST")),
            ("POST", "/v1/models", method("GET, HEAD")),
            ("GET", "/v1/models/gpt-5", model("gpt-5")),
            ("HEAD", "/models/gpt-5?x=1", model("gpt-5")),
            ("GET", "/v1/models/qwen/qwen3-32b", model("qwen/qwen3-32b")),
            ("GET", "/v1/models/qwen%2Fqwen3-32b", model("qwen/qwen3-32b")),
            ("GET", "/v1/models/%C3%a9%20%zz%2", model("é %zz%2")),
            ("GET", "/v1/models/..%2Fchat%2fcompletions", model("../chat/completions")),
            ("DELETE", "/v1/models/gpt-5", method("GET, HEAD")),
            ("GET", "/v1/models/", Err(Error::NoSuchPath)),
            ("POST", "/v1/understanding", Err(Error::NoSuchPath)),
            ("POST", "/v1/completions", Err(Error::NoSuchPath)),
            ("POST", "/v1/v1/chat/completions", Err(Error::NoSuchPath)),
            ("POST", "/v1/chat/completions/", Err(Error::NoSuchPath)),
            ("GET", "/v1/healthz", Err(Error::NoSuchPath)),
            ("", "", Err(Error::NoSuchPath)),
        ];
        for (verb, path, expected) in cases {
            assert_eq!(endpoint(verb, path), expected, "{verb} {path}");
        }
    }

    #[test]
    fn json_by_any_other_name_is_refused() {
        for value in [None, Some("application/json"), Some("Application/JSON ; charset=utf-8")] {
            assert_eq!(check_content_type(value), Ok(()), "{value:?}");
        }
        for value in ["text/plain", "", "application/jsonx", "application/x-www-form-urlencoded"] {
            assert!(check_content_type(Some(value)).is_err(), "{value}");
        }
    }

    #[test]
    fn a_packed_body_is_refused() {
        for value in [None, Some(""), Some("identity"), Some(" Identity ")] {
            assert_eq!(check_content_encoding(value), Ok(()), "{value:?}");
        }
        for value in ["gzip", "GZIP", "gzip, identity", "br"] {
            assert!(check_content_encoding(Some(value)).is_err(), "{value}");
        }
    }
}
