//! What a request asks the provider to do, in words: the directive `#script` in the text of its
//! last user message, up to the end of the line. `#script status=503 retry-after=2 | text=fine` is
//! an overloaded provider at the first attempt and a good one at every later one.
//!
//! What counts (`cut`, `end`, `hang`) counts events if the answer is a stream, and bytes if not.
//! Text is one word: an underscore stands for a space, and `text64` takes anything.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt;
use std::time::Duration;

/// What begins a directive.
const DIRECTIVE: &str = "#script ";

/// No answer waits longer than this: a test that forgot to stop ends by itself.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What to do with one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// `status=N`. From 400 on the body is an error of the vendor's shape.
    pub status: Option<StatusCode>,
    /// `retry-after=N`, in seconds: a header, or with Gemini the error's `retryDelay`.
    pub retry_after: Option<u32>,
    /// `header=name:value`, any number of times.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `content-type=…`, instead of the one that fits the body.
    pub content_type: Option<HeaderValue>,
    /// `body=…`, `sse=…` or `endless=N`, instead of an answer.
    pub verbatim: Option<Verbatim>,
    /// `text=a_few_words`, or `text64=…`.
    pub text: Option<String>,
    /// `events=N`: in how many events the text is streamed.
    pub events: Option<usize>,
    /// `size=N`: the text has so many bytes.
    pub size: Option<usize>,
    /// `reasoning=a_few_words`: thoughts before the text.
    pub reasoning: Option<String>,
    /// `tool` for one, or `tools=N`: tool calls, even if no tool is offered.
    pub calls: Option<usize>,
    /// `call=NAME:ARGUMENTS`, the latter in base64url: a call of this tool where it is offered, until a
    /// tool has spoken.
    pub call: Option<ScriptedCall>,
    /// `empty`: no text and no calls, only the finish.
    pub empty: bool,
    /// `cache=NAME`: the request begins with the prompt of that name, which is cached for its key and
    /// model. The answer's usage counts the words that were cached before.
    pub cache: Option<String>,
    /// Words that were cached before: the provider's own knowledge, and no word of a script.
    pub cached: usize,
    /// `finish=reason`, in the vendor's words.
    pub finish: Option<String>,
    /// `head-delay=MS`: how long the head waits.
    pub head_delay: Duration,
    /// `hang-head` or `reset`.
    pub head: Head,
    /// `delay=MS` between events, or between frames with `chunk`.
    pub delay: Duration,
    /// `chunk=N`: the body is written in frames of so many bytes, whatever its events are.
    pub chunk: Option<usize>,
    /// `cut=N`, `end=N`, `hang=N`, `error-after=N`, or `error-first`.
    pub ending: Option<(usize, Ending)>,
    /// `ping` around every event; a comment where the vendor has none.
    pub ping: bool,
    /// `crlf`: lines end with `\r\n`. Gemini's always do.
    pub crlf: bool,
    /// `gzip`: the body is compressed, asked for or not.
    pub gzip: bool,
}

/// A tool call given by the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptedCall {
    /// Name of the tool.
    pub tool: String,
    /// Arguments, in JSON.
    pub arguments: String,
}

/// A body given by the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verbatim {
    /// `body=<base64url>`, `application/json` unless the script says otherwise.
    Body(Vec<u8>),
    /// `sse=<base64url>`, `text/event-stream`.
    Sse(Vec<u8>),
    /// `endless=N`: so many bytes of a line that never ends.
    Endless(usize),
}

/// What becomes of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// It is sent.
    #[default]
    Sent,
    /// It is not, and the connection stays open.
    Hangs,
    /// It is not, and the connection is aborted.
    Reset,
}

/// How an answer ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The connection is aborted.
    Cut,
    /// It ends as if that were all.
    Early,
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// An error of the vendor's shape, and the end.
    Error,
}

/// A word that means nothing, or whose value does.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "script: cannot read the word `{}`", self.0)
    }
}

/// The directive in `text`, if it has one: the rest of the line after `#script`.
pub fn directive(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(DIRECTIVE)?;
    rest.lines().next()
}

/// Reads a directive: one script per attempt, at least one.
pub fn parse(directive: &str) -> Result<Vec<Script>, Unreadable> {
    let words: Vec<&str> = directive.split_whitespace().collect();
    words.split(|word| *word == "|").map(Script::parse).collect()
}

impl Script {
    fn parse(words: &[&str]) -> Result<Self, Unreadable> {
        let mut script = Self::default();
        for word in words {
            let read = match word.split_once('=') {
                Some((name, value)) => script.set(name, value),
                None => script.switch(word),
            };
            read.ok_or_else(|| Unreadable((*word).to_owned()))?;
        }
        Ok(script)
    }

    /// Takes in a word without a value; `None` if there is no such word.
    fn switch(&mut self, name: &str) -> Option<()> {
        match name {
            "tool" => self.calls = Some(1),
            "empty" => self.empty = true,
            "hang-head" => self.head = Head::Hangs,
            "reset" => self.head = Head::Reset,
            "error-first" => self.ending = Some((0, Ending::Error)),
            "ping" => self.ping = true,
            "crlf" => self.crlf = true,
            "gzip" => self.gzip = true,
            _ => return None,
        }
        Some(())
    }

    /// Takes in a word with a value; `None` if there is no such word, or it takes no such value.
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "status" => self.status = Some(status(value)?),
            "retry-after" => self.retry_after = Some(value.parse().ok()?),
            "header" => self.headers.push(header(value)?),
            "content-type" => self.content_type = Some(value.parse().ok()?),
            "body" => self.verbatim = Some(Verbatim::Body(base64url(value)?)),
            "sse" => self.verbatim = Some(Verbatim::Sse(base64url(value)?)),
            "endless" => self.verbatim = Some(Verbatim::Endless(value.parse().ok()?)),
            "text" => self.text = Some(spaced(value)),
            "text64" => self.text = Some(String::from_utf8(base64url(value)?).ok()?),
            "events" => self.events = Some(positive(value)?),
            "size" => self.size = Some(value.parse().ok()?),
            "reasoning" => self.reasoning = Some(spaced(value)),
            "tools" => self.calls = Some(value.parse().ok()?),
            "call" => self.call = Some(scripted_call(value)?),
            "cache" => self.cache = Some(value.to_owned()),
            "finish" => self.finish = Some(value.to_owned()),
            "head-delay" => self.head_delay = milliseconds(value)?,
            "delay" => self.delay = milliseconds(value)?,
            "chunk" => self.chunk = Some(positive(value)?),
            "cut" => self.ending = Some((value.parse().ok()?, Ending::Cut)),
            "end" => self.ending = Some((value.parse().ok()?, Ending::Early)),
            "hang" => self.ending = Some((value.parse().ok()?, Ending::Hang)),
            "error-after" => self.ending = Some((value.parse().ok()?, Ending::Error)),
            _ => return None,
        }
        Some(())
    }
}

/// A final status; hyper refuses to send 1xx from a service.
fn status(value: &str) -> Option<StatusCode> {
    value.parse().ok().filter(|status: &StatusCode| !status.is_informational())
}

fn header(value: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = value.split_once(':')?;
    Some((name.parse().ok()?, value.parse().ok()?))
}

fn scripted_call(value: &str) -> Option<ScriptedCall> {
    let (tool, arguments) = value.split_once(':')?;
    let arguments = String::from_utf8(base64url(arguments)?).ok()?;
    serde_json::from_str::<serde_json::Value>(&arguments).ok()?;
    Some(ScriptedCall { tool: tool.to_owned(), arguments })
}

fn spaced(value: &str) -> String {
    value.replace('_', " ")
}

fn positive(value: &str) -> Option<usize> {
    value.parse().ok().filter(|number| *number > 0)
}

fn milliseconds(value: &str) -> Option<Duration> {
    Some(Duration::from_millis(value.parse().ok()?).min(LONGEST_WAIT))
}

/// Decodes base64url, padded or not: RFC 4648, 5. Bits that fill no byte are dropped.
fn base64url(value: &str) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::with_capacity(value.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in value.trim_end_matches('=').bytes() {
        let sextet = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6) | u32::try_from(sextet).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directive_is_the_rest_of_its_line() {
        let text = "marker 17 #script status=503\r\nand more";
        assert_eq!(directive(text), Some("status=503"));
        assert_eq!(directive("#scripted"), None);
    }

    #[test]
    fn each_alternative_is_a_script() {
        let scripts = parse("status=503 retry-after=2 | reset | text=all_is_well").unwrap();
        let overloaded =
            Script { status: "503".parse().ok(), retry_after: Some(2), ..Script::default() };
        let reset = Script { head: Head::Reset, ..Script::default() };
        let fine = Script { text: Some("all is well".to_owned()), ..Script::default() };
        assert_eq!(scripts, [overloaded, reset, fine]);
        assert_eq!(parse("cut=3 |").unwrap()[1], Script::default());
    }

    #[test]
    fn headers_add_up_and_the_last_ending_wins() {
        let script = parse("header=a:1 header=b:2:3 cut=1 hang=2").unwrap().remove(0);
        assert_eq!(script.headers[1], header("b:2:3").unwrap());
        assert_eq!(script.headers.len(), 2);
        assert_eq!(script.ending, Some((2, Ending::Hang)));
    }

    #[test]
    fn a_word_that_means_nothing_is_named() {
        for word in
            ["explode", "cut", "cut=x", "chunk=0", "status=99", "status=100", "sse=+", "call=a:YQ"]
        {
            let unreadable = parse(&format!("ping {word} gzip")).unwrap_err();
            assert_eq!(unreadable, Unreadable(word.to_owned()));
        }
    }

    #[test]
    fn waits_have_a_limit() {
        assert_eq!(parse("delay=99999999").unwrap()[0].delay, LONGEST_WAIT);
    }

    #[test]
    fn base64url_needs_no_padding() {
        for (encoded, decoded) in
            [("", ""), ("YQ", "a"), ("YQ==", "a"), ("YWI", "ab"), ("Pz8_", "???")]
        {
            assert_eq!(base64url(encoded).unwrap(), decoded.as_bytes(), "{encoded}");
        }
    }
}
