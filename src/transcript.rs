//! Transcripts in prompts: finds the tag in a body, reads the answer of the transcript service, and
//! replaces the tag with the text. LLM Gateway, *Chat completions*: transcripts.
//!
//! The rest of the body is unchanged, byte for byte, and the text is inserted as a JSON token.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    chat::{
        error::{Error, TranscriptProblem},
        object::JsonObject,
        parameter::{Parameter, Parameters},
        request_variant::RequestVariant,
        text::Text,
        transcript_id::TranscriptId,
    },
    http_call::CallResult,
    json::range_within,
};

/// The tag, which a transcript replaces. Other spellings are plain text.
pub const TAG: &str = "{{ transcript }}";

/// The service's name in errors.
pub const SERVICE: &str = "transcripts";

/// Transcript that a request refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptRequest {
    /// The transcript's id.
    pub id: TranscriptId,
    /// The ranges of the id and of the tags in the body, in order.
    places: Vec<InsertionPoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum InsertionPoint {
    /// The value of `transcript_id`.
    Id(Range<usize>),
    /// A tag.
    Tag(Range<usize>),
}

impl InsertionPoint {
    fn range(&self) -> &Range<usize> {
        let (Self::Id(range) | Self::Tag(range)) = self;
        range
    }
}

impl TranscriptRequest {
    /// Finds the transcript that a validated request refers to, if any. `is_planned` returns true for
    /// the variants that the plan may request, `prompt_fields` are those of the inlet.
    pub fn find(
        body: &[u8],
        parameters: &Parameters<'_>,
        prompt_fields: &[&str],
        is_planned: impl Fn(RequestVariant) -> bool,
    ) -> Option<Self> {
        let raw = parameters.get(Parameter::TranscriptId)?;
        let id = serde_json::from_str(raw.get()).ok()?;
        let mut tags: Vec<&str> = Vec::new();
        tags.extend(first_tag(parameters, prompt_fields));
        for (index, fallback) in fallback_entries(parameters).enumerate() {
            if is_planned(RequestVariant::fallback(index)) {
                tags.extend(first_tag(&fallback, prompt_fields));
            }
        }
        let places = tags.iter().filter_map(|tag| range_within(tag, body)).map(InsertionPoint::Tag);
        let mut places: Vec<InsertionPoint> = places.collect();
        if places.is_empty() {
            return None;
        }
        places.push(InsertionPoint::Id(range_within(raw.get(), body)?));
        // A fallback may only repeat the id.
        let ids = fallback_entries(parameters).filter_map(|own| own.get(Parameter::TranscriptId));
        places.extend(ids.filter_map(|raw| range_within(raw.get(), body)).map(InsertionPoint::Id));
        places.sort_by_key(|place| place.range().start);
        Some(Self { id, places })
    }

    /// Returns the length of the body with the transcript.
    pub fn inserted_length(&self, body: &[u8], text: &Text<'_>) -> usize {
        let tags =
            self.places.iter().filter(|place| matches!(place, InsertionPoint::Tag(_))).count();
        body.len().saturating_add(tags.saturating_mul(text.escaped().len()))
    }

    /// Returns the body with the transcript. The id, which is no longer needed, becomes `null`.
    pub fn insert(&self, body: &[u8], text: &Text<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.inserted_length(body, text));
        let mut done = 0;
        for place in &self.places {
            let Range { start, end } = *place.range();
            out.extend_from_slice(body.get(done..start).unwrap_or_default());
            out.extend_from_slice(match place {
                InsertionPoint::Id(_) => b"null",
                InsertionPoint::Tag(_) => text.escaped().as_bytes(),
            });
            done = end;
        }
        out.extend_from_slice(body.get(done..).unwrap_or_default());
        out
    }
}

/// Returns a caller's key in the form of the service: without the `Bearer` of OpenAI's clients.
pub fn without_bearer(key: &str) -> &str {
    key.strip_prefix("Bearer ").unwrap_or(key)
}

/// Returns true if the request's own messages contain the tag.
pub fn has_tag(parameters: &Parameters<'_>) -> bool {
    first_tag(parameters, &[]).is_some()
}

/// Returns the client's fallbacks, before they are merged with the request.
fn fallback_entries<'a>(parameters: &Parameters<'a>) -> impl Iterator<Item = Parameters<'a>> {
    let raw = parameters.get(Parameter::Fallbacks);
    let entries = raw.and_then(|raw| serde_json::from_str::<Vec<Parameters<'a>>>(raw.get()).ok());
    entries.into_iter().flatten()
}

/// Returns the first tag of the first prompt or message that contains one.
fn first_tag<'a>(parameters: &Parameters<'a>, prompt_fields: &[&str]) -> Option<&'a str> {
    let mut unknown = parameters.unknown.iter();
    let prompt = unknown.find_map(|(key, raw)| {
        if prompt_fields.contains(&key.as_ref()) { find_in_prompt(raw) } else { None }
    });
    if prompt.is_some() {
        return prompt;
    }
    if let Some(prompt) = parameters.get(Parameter::Prompt) {
        return find(prompt.get());
    }
    find_in_prompt(parameters.get(Parameter::Messages)?)
}

/// Message with content, or part with a text.
#[derive(Deserialize)]
struct PromptFields<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// Returns the first tag in a text, in messages, or in parts.
fn find_in_prompt(prompt: &RawValue) -> Option<&str> {
    find_in_items(prompt, |PromptFields { content, text }| {
        content.and_then(find_in_content).or_else(|| find(text?.get()))
    })
}

/// Returns the first tag in a text, or in parts.
fn find_in_content(content: &RawValue) -> Option<&str> {
    find_in_items(content, |PromptFields { text, .. }| find(text?.get()))
}

fn find_in_items<'a>(
    raw: &'a RawValue,
    find_in_item: fn(PromptFields<'a>) -> Option<&'a str>,
) -> Option<&'a str> {
    if !raw.get().starts_with('[') {
        return find(raw.get());
    }
    // A shortcut: most requests have no tag.
    if !raw.get().contains(TAG) && !raw.get().contains("\\u") {
        return None;
    }
    let items: Vec<JsonObject<PromptFields<'a>>> = serde_json::from_str(raw.get()).ok()?;
    items.into_iter().find_map(|JsonObject(item)| find_in_item(item))
}

/// Returns the first tag in a JSON string. Its characters may be escaped.
fn find(json: &str) -> Option<&str> {
    if !json.starts_with('"') {
        return None;
    }
    if !json.contains("\\u") {
        return json.find(TAG).and_then(|start| json.get(start..start + TAG.len()));
    }
    let mut start = 0;
    while let Some(rest) = json.get(start..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = spelled_tag_length(rest) {
            return rest.get(..length);
        }
        start += character_length(rest);
    }
    None
}

/// Returns the length of the tag, escapes included, if `json` begins with the tag.
fn spelled_tag_length(json: &str) -> Option<usize> {
    let mut length = 0;
    for expected in TAG.bytes() {
        let rest = json.get(length..)?;
        let unit = character_length(rest);
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

/// Returns the length of the first character in the content of a JSON string, escapes included.
fn character_length(json: &str) -> usize {
    match json.as_bytes() {
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        _ => json.chars().next().map_or(1, char::len_utf8),
    }
}

/// Returns the text of a transcript from the result of its call. AssemblyAI, *Get transcript*.
pub fn text_from_call(called: &CallResult) -> Result<Text<'_>, Error> {
    let provider = || SERVICE.to_owned();
    let (status, headers, body) = match called {
        CallResult::Response { status, headers, body } => (*status, headers, body),
        CallResult::Broken => {
            return Err(Error::BadAnswer { provider: provider(), problem: "broke off" });
        }
        CallResult::NotSent => return Err(Error::Unreachable { provider: provider() }),
    };
    // Envoy adds this header to answers of the service, and not to its own.
    let is_own = headers.iter().all(|(name, _)| name != "x-envoy-upstream-service-time");
    match status {
        200 => text_from_body(body),
        // The service has answered 400 to an unknown id, too.
        400 | 404 => Err(Error::Transcript(TranscriptProblem::NotFound)),
        401 | 403 => Err(Error::Refused { provider: provider(), status }),
        504 => Err(Error::Timeout { provider: provider() }),
        _ if is_own => Err(Error::Unreachable { provider: provider() }),
        _ => Err(Error::Failed { provider: provider(), status }),
    }
}

/// Fields of a transcript that the gateway uses. The list of words with their times, which is
/// twenty times as long and usually follows them, is not read.
#[derive(Default)]
struct TranscriptFields<'a> {
    status: Option<String>,
    text: Option<Option<Text<'a>>>,
    audio_url: Option<Option<String>>,
}

impl<'a> TranscriptFields<'a> {
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

impl<'a> Visitor<'a> for &mut TranscriptFields<'a> {
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

fn text_from_body(body: &[u8]) -> Result<Text<'_>, Error> {
    let bad = |problem| Error::BadAnswer { provider: SERVICE.to_owned(), problem };
    let Some(TranscriptFields { status: Some(status), text, audio_url }) =
        TranscriptFields::read(body)
    else {
        return Err(bad("is not a transcript"));
    };
    match status.as_str() {
        // The state of a transcript after `DELETE`.
        "completed" if audio_url.flatten().as_deref() == Some("http://deleted_by_user") => {
            Err(Error::Transcript(TranscriptProblem::Deleted))
        }
        // A recording without speech has no text.
        "completed" => Ok(text.flatten().unwrap_or_else(|| Text::new(""))),
        "queued" | "processing" => Err(Error::Transcript(TranscriptProblem::NotReady)),
        "error" => Err(Error::Transcript(TranscriptProblem::Failed)),
        _ => Err(bad("has an unknown status")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::request::parameters;

    /// The fields of all inlets.
    const PROMPTS: &[&str] = &["system", "instructions", "input"];

    /// The body after the transcript `[T]` was put in, if one was wanted.
    fn inserted(body: &str) -> Option<String> {
        let parameters = parameters(body.as_bytes()).unwrap();
        let wanted = TranscriptRequest::find(body.as_bytes(), &parameters, PROMPTS, |variant| {
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
    fn a_prompt_of_the_inlet_comes_before_the_messages() {
        let messages = r#""messages":[{"role":"user","content":"{{ transcript }}"}]"#;
        for system in [r#""a {{ transcript }}""#, r#"[{"type":"text","text":"{{ transcript }}"}]"#]
        {
            let body = request(&format!(r#"{messages},"system":{system}"#));
            let expected = format!(r#""system":{}"#, system.replace(TAG, r#"[\"T\"]"#));
            let new = inserted(&body).unwrap();
            assert!(new.contains(&expected) && new.contains(messages), "{new}");
        }
        let body = request(&format!(r#"{messages},"system":"none","other":"{TAG}""#));
        assert!(inserted(&body).unwrap().contains(r#""content":"[\"T\"]""#));
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
    fn a_tag_is_found_in_the_texts_of_the_responses_api() {
        let text = r#"[\"T\"]"#;
        for rest in [
            r#""input":"a {{ transcript }}""#,
            r#""instructions":"a {{ transcript }}","input":"b {{ transcript }}""#,
            r#""input":[{"type":"reasoning"},{"role":"user","content":"a {{ transcript }}"}]"#,
            r#""input":[{"content":[{"type":"input_text","text":"a {{ transcript }}"}]}]"#,
        ] {
            let expected =
                request(rest).replace("\"id-1\"", "null").replacen("{{ transcript }}", text, 1);
            assert_eq!(inserted(&request(rest)).as_deref(), Some(expected.as_str()), "{rest}");
        }
    }

    #[test]
    fn an_answer_of_the_service_is_a_text_or_an_error() {
        let says = |status: u16, body: Value, headers: &[&str]| {
            let header = |name: &&str| ((*name).to_owned(), "1".to_owned());
            let headers = headers.iter().map(header).collect();
            let called =
                CallResult::Response { status, headers, body: body.to_string().into_bytes() };
            text_from_call(&called)
                .map(|text| text.decode().into_owned())
                .map_err(|error| error.status())
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
            let text = TranscriptFields::read(body.as_bytes()).and_then(|own| own.text).flatten();
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
        assert!(matches!(text_from_call(&CallResult::Broken), Err(Error::BadAnswer { .. })));
        assert!(matches!(text_from_call(&CallResult::NotSent), Err(Error::Unreachable { .. })));
    }
}
