//! An answer in one piece, in the form that OpenAI's clients read.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::value::RawValue;

use super::{
    envelope::Envelope,
    finish::Finish,
    text::Text,
    tools::{CallForm, arguments_to_input},
    usage::Usage,
};
use crate::json::Object;

/// Answer of a provider.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    /// At least one.
    pub choices: Vec<Choice<'a>>,
    /// The tokens used, if the provider reports them.
    pub usage: Option<Usage>,
    /// `system_fingerprint`, unchanged.
    pub system_fingerprint: Option<&'a RawValue>,
    /// `service_tier`, unchanged.
    pub service_tier: Option<&'a RawValue>,
}

/// One of the answers that `n` requests.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The content.
    pub content: Option<Text<'a>>,
    /// The reason for a refusal.
    pub refusal: Option<Text<'a>>,
    /// The model's reasoning.
    pub reasoning: Option<Text<'a>>,
    /// Entries of `reasoning_details`, which the provider needs back on the next turn: objects in
    /// JSON with an `index`, without which OpenAI's SDK cannot join a stream.
    pub reasoning_details: Vec<String>,
    /// Images, each an object in JSON with an `index` like the entries above:
    /// `{"type": "image_url", "image_url": {"url": "data:…"}, "index": 0}`. OpenAI's own API has no
    /// field for images in an answer; the form is OpenRouter's (*Image generation*).
    pub images: Vec<String>,
    /// The tool calls.
    pub calls: Vec<Call<'a>>,
    /// The finish reason.
    pub finish: Finish,
    /// The provider's own finish reason.
    pub native_finish: Option<Text<'a>>,
    /// `logprobs`, unchanged or translated.
    pub logprobs: Option<Cow<'a, RawValue>>,
    /// `annotations`, unchanged.
    pub annotations: Option<&'a RawValue>,
    /// `audio`, unchanged.
    pub audio: Option<&'a RawValue>,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The provider's id, if it has one.
    pub id: Option<Text<'a>>,
    /// The function.
    pub name: Text<'a>,
    /// The arguments: JSON in a string.
    pub arguments: Text<'a>,
    /// `extra_content`, an object in JSON that the provider needs back with this call.
    pub extra_content: Option<String>,
}

/// Status and duration of the provider's response.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamResponse {
    /// The provider's status.
    pub status: u16,
    /// From the first byte sent to the last byte read, in nanoseconds.
    pub response_time: u64,
}

impl Answer<'_> {
    /// Returns `true` if the model has simply stopped, without any content in any choice.
    pub fn is_empty(&self) -> bool {
        self.choices.iter().all(Choice::is_empty)
    }

    /// Returns the body of the gateway's answer.
    pub fn to_json(&self, envelope: &Envelope, service: UpstreamResponse) -> Vec<u8> {
        let said: usize = self.choices.iter().map(Choice::length).sum();
        let mut out = Vec::with_capacity(said + envelope.request.len() + 1024);
        let mut body = Object::open(&mut out);
        body.value("id", &envelope.completion_id())
            .value("object", "chat.completion")
            .value("created", &envelope.created)
            .value("model", &envelope.model)
            .value("request_id", &envelope.request_id);
        self.write_choices(body.key("choices"), envelope);
        let usage = self.usage.as_ref();
        Usage::write(usage, envelope.cost(usage), body.key("usage"));
        for (key, raw) in
            [("system_fingerprint", self.system_fingerprint), ("service_tier", self.service_tier)]
        {
            raw.map(|raw| body.raw(key, raw.get()));
        }
        body.raw("request", &envelope.request)
            .value("http_status_code", &200)
            .value("llm_status_code", &service.status)
            .value("response_time", &service.response_time);
        body.close();
        out
    }

    fn write_choices(&self, out: &mut Vec<u8>, envelope: &Envelope) {
        out.push(b'[');
        for (index, choice) in self.choices.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            choice.write(out, index, envelope);
        }
        out.push(b']');
    }
}

impl Choice<'_> {
    /// Returns `true` for a choice without text, reasoning, calls and media that has simply stopped.
    fn is_empty(&self) -> bool {
        let texts = [&self.content, &self.refusal, &self.reasoning];
        let has_media = !self.images.is_empty() || self.audio.is_some();
        self.finish == Finish::Stop
            && self.calls.is_empty()
            && !has_media
            && texts.into_iter().flatten().all(Text::is_empty)
    }

    /// Returns the approximate length in JSON, in bytes.
    fn length(&self) -> usize {
        let texts = [&self.content, &self.refusal, &self.reasoning];
        let texts =
            texts.into_iter().flatten().chain(self.calls.iter().map(|call| &call.arguments));
        let images: usize = self.images.iter().map(String::len).sum();
        texts.map(|text| text.json().len()).sum::<usize>() + images
    }

    fn write(&self, out: &mut Vec<u8>, index: usize, envelope: &Envelope) {
        let mut choice = Object::open(out);
        choice.value("index", &index);
        choice.object("message", |message| {
            message.value("role", "assistant").value("content", &self.content);
            // OpenAI's specification requires the key.
            message.value("refusal", &self.refusal);
            if let Some(reasoning) = &self.reasoning {
                message.value("reasoning_content", reasoning);
            }
            if !self.reasoning_details.is_empty() {
                let details = self.reasoning_details.join(",");
                message.raw("reasoning_details", format!("[{details}]"));
            }
            if !self.images.is_empty() {
                message.raw("images", format!("[{}]", self.images.join(",")));
            }
            if !self.calls.is_empty() {
                self.write_calls(message, index, envelope);
            }
            self.annotations.map(|raw| message.raw("annotations", raw.get()));
            self.audio.map(|raw| message.raw("audio", raw.get()));
        });
        choice
            .value("logprobs", &self.logprobs)
            .value("finish_reason", self.finish.name_in(envelope.call_form));
        if let Some(native) = &self.native_finish {
            choice.value("native_finish_reason", native);
        }
        choice.close();
    }
}

impl Choice<'_> {
    /// Writes the calls in the client's form. The older form has one only.
    fn write_calls(&self, message: &mut Object<'_>, index: usize, envelope: &Envelope) {
        let first = self.calls.first().filter(|_| envelope.call_form == CallForm::Functions);
        let Some(call) = first else {
            return write_tool_calls(message.key("tool_calls"), &self.calls, index, envelope);
        };
        message.object("function_call", |function| {
            function.value("name", &call.name).value("arguments", &call.arguments);
        });
    }
}

/// Writes the tool calls. An id that occurs twice is replaced the second time, because clients
/// match results by it.
fn write_tool_calls(out: &mut Vec<u8>, calls: &[Call<'_>], choice: usize, envelope: &Envelope) {
    let mut given = BTreeSet::new();
    out.push(b'[');
    for (index, call) in calls.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut item = Object::open(out);
        match call.id.as_ref().filter(|id| given.insert(id.json())) {
            Some(id) => item.value("id", id),
            None => item.value("id", &envelope.call_id(choice, index)),
        };
        if envelope.is_custom(&call.name) {
            item.value("type", "custom").object("custom", |custom| {
                custom.value("name", &call.name);
                custom.value("input", &arguments_to_input(&call.arguments.decode_lossy()));
            });
        } else {
            item.value("type", "function").object("function", |function| {
                function.value("name", &call.name).value("arguments", &call.arguments);
            });
        }
        if let Some(extra) = &call.extra_content {
            item.raw("extra_content", extra);
        }
        item.close();
    }
    out.push(b']');
}
