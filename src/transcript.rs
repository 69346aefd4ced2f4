//! Transcripts in prompts: where the tag stands, what the transcript service said, and the body that
//! has the one in the place of the other. LLM Gateway, *Chat completions*: transcripts.
//!
//! The body stays as it came but for the tags and the id: text is put in as the JSON it came as.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    chat::{
        error::{Error, Trouble},
        object::Object,
        parameter::{Parameter, Parameters},
        request_variant::RequestVariant,
        text::Text,
        transcript_id::TranscriptId,
    },
    http_call::CallResult,
};

/// What a transcript is put in the place of, spelled so and in no other way.
pub const TAG: &str = "{{ transcript }}";

/// What errors call the service.
pub const SERVICE: &str = "transcripts";

/// A transcript that a request's messages wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub id: TranscriptId,
    /// Where the id and the tags stand in the body, in order.
    places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The value of `transcript_id`.
    Id(Range<usize>),
    /// A tag.
    Tag(Range<usize>),
}

impl Place {
    fn range(&self) -> &Range<usize> {
        let (Self::Id(range) | Self::Tag(range)) = self;
        range
    }
}

impl Wanted {
    /// What the body of a checked request waits for. `is_planned` says whether a variant may be
    /// requested.
    pub fn of(
        body: &[u8],
        parameters: &Parameters<'_>,
        is_planned: impl Fn(RequestVariant) -> bool,
    ) -> Option<Self> {
        let raw = parameters.get(Parameter::TranscriptId)?;
        let id = serde_json::from_str(raw.get()).ok()?;
        let mut tags: Vec<&str> = Vec::new();
        tags.extend(tag(parameters));
        for (index, fallback) in fallbacks(parameters).enumerate() {
            if is_planned(RequestVariant::fallback(index)) {
                tags.extend(tag(&fallback));
            }
        }
        let places = tags.iter().filter_map(|tag| place(tag, body)).map(Place::Tag);
        let mut places: Vec<Place> = places.collect();
        if places.is_empty() {
            return None;
        }
        places.push(Place::Id(place(raw.get(), body)?));
        // A fallback names the id only if it is the same.
        let ids = fallbacks(parameters).filter_map(|own| own.get(Parameter::TranscriptId));
        places.extend(ids.filter_map(|raw| place(raw.get(), body)).map(Place::Id));
        places.sort_by_key(|place| place.range().start);
        Some(Self { id, places })
    }

    /// How long the body with the transcript is.
    pub fn length(&self, body: &[u8], text: &Text<'_>) -> usize {
        let tags = self.places.iter().filter(|place| matches!(place, Place::Tag(_))).count();
        body.len().saturating_add(tags.saturating_mul(text.escaped().len()))
    }

    /// The body with the transcript in it. The id, which has done what it can, is `null` there.
    pub fn insert(&self, body: &[u8], text: &Text<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.length(body, text));
        let mut done = 0;
        for place in &self.places {
            let Range { start, end } = *place.range();
            out.extend_from_slice(body.get(done..start).unwrap_or_default());
            out.extend_from_slice(match place {
                Place::Id(_) => b"null",
                Place::Tag(_) => text.escaped().as_bytes(),
            });
            done = end;
        }
        out.extend_from_slice(body.get(done..).unwrap_or_default());
        out
    }
}

/// A caller's key as the service wants it, without the `Bearer` of OpenAI's clients.
pub fn bare(key: &str) -> &str {
    key.strip_prefix("Bearer ").unwrap_or(key)
}

/// Whether a request's own messages hold the tag.
pub fn has_tag(parameters: &Parameters<'_>) -> bool {
    tag(parameters).is_some()
}

/// What the client's fallbacks say themselves.
fn fallbacks<'a>(parameters: &Parameters<'a>) -> impl Iterator<Item = Parameters<'a>> {
    let raw = parameters.get(Parameter::Fallbacks);
    let entries = raw.and_then(|raw| serde_json::from_str::<Vec<Parameters<'a>>>(raw.get()).ok());
    entries.into_iter().flatten()
}

/// The first tag of the first message that has one.
fn tag<'a>(parameters: &Parameters<'a>) -> Option<&'a str> {
    if let Some(prompt) = parameters.get(Parameter::Prompt) {
        return find(prompt.get());
    }
    let messages = parameters.get(Parameter::Messages)?;
    // Most requests have none, and need not be read again to see that.
    let may_have = |json: &str| json.contains(TAG) || json.contains("\\u");
    let messages = Some(messages).filter(|messages| may_have(messages.get()))?;
    let messages: Vec<Object<Said<'a>>> = serde_json::from_str(messages.get()).ok()?;
    messages.into_iter().find_map(|Object(said)| said.content.and_then(in_content))
}

/// A message, as far as it speaks.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

fn in_content(content: &RawValue) -> Option<&str> {
    /// A part, as far as it is text.
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        text: Option<&'a RawValue>,
    }
    if !content.get().starts_with('[') {
        return find(content.get());
    }
    let parts: Vec<Object<Part<'_>>> = serde_json::from_str(content.get()).ok()?;
    parts.into_iter().filter_map(|Object(part)| part.text).find_map(|text| find(text.get()))
}

/// The first tag in a JSON string, as it is written there: its characters may be escaped.
fn find(json: &str) -> Option<&str> {
    if !json.starts_with('"') {
        return None;
    }
    if !json.contains("\\u") {
        return json.find(TAG).and_then(|start| json.get(start..start + TAG.len()));
    }
    let mut start = 0;
    while let Some(rest) = json.get(start..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = spelled(rest) {
            return rest.get(..length);
        }
        start += unit(rest);
    }
    None
}

/// How many bytes spell the tag at the beginning of `json`, if it stands there.
fn spelled(json: &str) -> Option<usize> {
    let mut length = 0;
    for expected in TAG.bytes() {
        let rest = json.get(length..)?;
        let unit = unit(rest);
        let is_expected = match rest.get(..unit)?.as_bytes() {
            [b'\\', b'u', digits @ ..] => {
                let digits = std::str::from_utf8(digits).ok()?;
                u32::from_str_radix(digits, 16).ok() == Some(u32::from(expected))
            }
            [byte] => *byte == expected,
            _ => false,
        };
        is_expected.then_some(())?;
        length += unit;
    }
    Some(length)
}

/// How many bytes stand for the first character of a JSON string's content.
fn unit(json: &str) -> usize {
    match json.as_bytes() {
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        _ => json.chars().next().map_or(1, char::len_utf8),
    }
}

/// Where a part of the body stands in it.
fn place(part: &str, body: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let place = start..start + part.len();
    (body.get(place.clone()) == Some(part.as_bytes())).then_some(place)
}

/// The text of a transcript, out of what came of the call for it. AssemblyAI, *Get transcript*.
pub fn read(called: &CallResult) -> Result<Text<'_>, Error> {
    let provider = || SERVICE.to_owned();
    let (status, headers, body) = match called {
        CallResult::Response { status, headers, body } => (*status, headers, body),
        CallResult::Broken => {
            return Err(Error::BadAnswer { provider: provider(), problem: "broke off" });
        }
        CallResult::NotSent => return Err(Error::Unreachable { provider: provider() }),
    };
    // Envoy puts it on whatever comes from the service, and on nothing of its own.
    let is_own = headers.iter().all(|(name, _)| name != "x-envoy-upstream-service-time");
    match status {
        200 => parse(body),
        // The service has said 400 of an id it does not know, too.
        400 | 404 => Err(Error::Transcript(Trouble::NotFound)),
        401 | 403 => Err(Error::Refused { provider: provider(), status }),
        504 => Err(Error::Timeout { provider: provider() }),
        _ if is_own => Err(Error::Unreachable { provider: provider() }),
        _ => Err(Error::Failed { provider: provider(), status }),
    }
}

/// What is wanted of a transcript, as far as it has come. After it comes every word with its time,
/// which is twenty times as long, and which nobody reads.
#[derive(Default)]
struct Transcript<'a> {
    status: Option<String>,
    text: Option<Option<Text<'a>>>,
    audio_url: Option<Option<String>>,
}

impl<'a> Transcript<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut transcript = Self::default();
        let mut json = serde_json::Deserializer::from_slice(body);
        let read = json.deserialize_map(&mut transcript).and_then(|()| json.end());
        (read.is_ok() || transcript.is_whole()).then_some(transcript)
    }

    fn is_whole(&self) -> bool {
        self.status.is_some() && self.text.is_some() && self.audio_url.is_some()
    }
}

impl<'a> Visitor<'a> for &mut Transcript<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while !self.is_whole()
            && let Some(key) = map.next_key::<Cow<'_, str>>()?
        {
            match key.as_ref() {
                "status" => self.status = Some(map.next_value()?),
                "text" => self.text = Some(map.next_value()?),
                "audio_url" => self.audio_url = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

fn parse(body: &[u8]) -> Result<Text<'_>, Error> {
    let bad = |problem| Error::BadAnswer { provider: SERVICE.to_owned(), problem };
    let Some(Transcript { status: Some(status), text, audio_url }) = Transcript::read(body) else {
        return Err(bad("is not a transcript"));
    };
    match status.as_str() {
        // What is left of a transcript after `DELETE` of it.
        "completed" if audio_url.flatten().as_deref() == Some("http://deleted_by_user") => {
            Err(Error::Transcript(Trouble::Deleted))
        }
        // Where nobody speaks there is no text.
        "completed" => Ok(text.flatten().unwrap_or_else(|| Text::new(""))),
        "queued" | "processing" => Err(Error::Transcript(Trouble::NotReady)),
        "error" => Err(Error::Transcript(Trouble::Failed)),
        _ => Err(bad("has an unknown status")),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use serde_json::{Value, json};

    use super::*;
    use crate::chat::request::parameters;

    /// The body after the transcript `[T]` was put in, if one was wanted.
    fn inserted(body: &str) -> Option<String> {
        let parameters = parameters(body.as_bytes()).unwrap();
        let wanted = Wanted::of(body.as_bytes(), &parameters, |variant| {
            variant < RequestVariant::fallback(2)
        })?;
        let new = wanted.insert(body.as_bytes(), &Text::new("[\"T\"]"));
        let value: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(value["transcript_id"], Value::Null);
        Some(String::from_utf8(new).unwrap())
    }

    fn request(rest: &str) -> String {
        format!(r#"{{"transcript_id": "id-1", {rest}, "model": "m"}}"#)
    }

    #[test]
    fn the_first_tag_of_the_first_message_that_has_one_is_replaced() {
        let cases = [
            (r#""prompt":"a {{ transcript }} {{ transcript }}""#, "a [T] {{ transcript }}"),
            (r#""prompt":"{{ transcript }}""#, "[T]"),
            (r#""prompt":"{{{ transcript }}}""#, "{[T]}"),
            (r#""prompt":"{{ {{ transcript }} }}""#, "{{ [T] }}"),
            (r#""prompt":"\\{{ transcript }}\n""#, "\\[T]\n"),
            (r#""prompt":"\u007B{ transcript\u0020\u007d}\\u007b""#, "[T]\\u007b"),
            (r#""prompt":"\ud83d\ude00 {{ transcript }} é""#, "😀 [T] é"),
            (r#""prompt":"\\u007b{ transcript }} {{ transcript }}""#, "\\u007b{ transcript }} [T]"),
        ];
        for (rest, expected) in cases {
            let new: Value = serde_json::from_str(&inserted(&request(rest)).unwrap()).unwrap();
            assert_eq!(new["prompt"], expected.replace("[T]", "[\"T\"]"), "{rest}");
        }
    }

    #[test]
    fn a_tag_in_another_spelling_is_text() {
        let tags =
            ["{{transcript}}", "{{ TRANSCRIPT }}", "{{  transcript }}", "{{\\ttranscript }}"];
        for tag in tags.into_iter().chain(["{ { transcript } }", "\\u007b{ transcript }"]) {
            assert_eq!(inserted(&request(&format!(r#""prompt":"{tag}""#))), None, "{tag}");
        }
        let elsewhere = r#""messages":[{"role":"user","content":"x","name":"{{ transcript }}"}],
            "user":"{{ transcript }}", "stop":["{{ transcript }}"]"#;
        assert_eq!(inserted(&request(elsewhere)), None);
        assert_eq!(inserted(r#"{"prompt": "{{ transcript }}"}"#), None);
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        let rest = r#""messages":[{"role" : "system","content":null}, {"role":"user",
            "content":[{"type":"text","text":"no"},{"type":"text","text":"{{ transcript }}"},
            {"type":"text","text":"{{ transcript }}"}]},{"role":"user","content":"{{ transcript }}"}],
            "call":{"content":"{{ transcript }}"},"fallbacks":[{"model":"a"},
            {"model":"b","transcript_id":"id-1","messages":[{"content":"1 {{ transcript }}"}]},
            {"model":"c","prompt":"beyond the plan {{ transcript }}"}]"#;
        let text = r#"[\"T\"]"#;
        let expected = request(rest)
            .replace("\"id-1\"", "null")
            .replacen("{{ transcript }}", text, 1)
            .replace("1 {{ transcript }}", &format!("1 {text}"));
        assert_eq!(inserted(&request(rest)).as_deref(), Some(expected.as_str()));
    }

    #[test]
    fn an_answer_of_the_service_is_a_text_or_an_error() {
        let says = |status: u16, body: Value, headers: &[&str]| {
            let header = |name: &&str| ((*name).to_owned(), "1".to_owned());
            let headers = headers.iter().map(header).collect();
            let called =
                CallResult::Response { status, headers, body: body.to_string().into_bytes() };
            read(&called).map(|text| text.decode().into_owned()).map_err(|error| error.status())
        };
        let of_service = ["x-envoy-upstream-service-time"];
        let status = |status: &str| json!({"status": status, "text": "a \"b\"", "audio_url": null});
        assert_eq!(says(200, status("completed"), &of_service), Ok("a \"b\"".to_owned()));
        assert_eq!(says(200, json!({"status": "completed"}), &of_service), Ok(String::new()));
        for (code, body, expected) in [
            (200, status("queued"), 400),
            (200, status("error"), 400),
            (200, status("Completed"), 502),
            (200, json!(["completed", "text"]), 502),
            (200, json!({"status": "completed", "text": 7}), 502),
            (404, json!({}), 404),
            (400, json!({}), 404),
            (401, json!({}), 502),
            (504, json!({}), 504),
            (503, json!({}), 502),
        ] {
            assert_eq!(says(code, body.clone(), &of_service), Err(expected), "{code} {body}");
        }
        let said = |body: &str| {
            let text = Transcript::read(body.as_bytes()).and_then(|own| own.text).flatten();
            text.map(|text| text.decode().into_owned())
        };
        let wanted = r#""status":"completed","audio_url":"u","text":"a""#;
        for body in [
            format!(r#"{{"id":"i",{wanted},"words":[{{"text":"b"}}],"text":"c"}}"#),
            format!(r#"{{{wanted},"words":[{{"text": nobody gets so far"#),
            format!(r#"{{"words":[{{"text":"b"}}],{wanted}}}"#),
        ] {
            assert_eq!(said(&body), Some("a".to_owned()), "{body}");
        }
        for body in [r#"{"text":"a","words":["#, r#"{"text":"a"} and more"#, r#"{"text":"a""#, ""] {
            assert_eq!(said(body), None, "{body}");
        }
        assert!(matches!(read(&CallResult::Broken), Err(Error::BadAnswer { .. })));
        assert!(matches!(read(&CallResult::NotSent), Err(Error::Unreachable { .. })));
    }
}
