//! An answer in one piece: what a provider said, as OpenAI's clients read it.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::value::RawValue;

use super::{envelope::Envelope, finish::Finish, text::Text, usage::Usage};
use crate::json::Object;

/// What a provider answered.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    /// At least one.
    pub choices: Vec<Choice<'a>>,
    /// What it cost, if the provider says.
    pub usage: Option<Usage>,
    /// `system_fingerprint`, as it came.
    pub system_fingerprint: Option<&'a RawValue>,
    /// `service_tier`, as it came.
    pub service_tier: Option<&'a RawValue>,
}

/// One of the answers asked for with `n`.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// What the model says.
    pub content: Option<Text<'a>>,
    /// Why it does not.
    pub refusal: Option<Text<'a>>,
    /// What it thought.
    pub reasoning: Option<Text<'a>>,
    /// What the provider must get back on the next turn, each an object in JSON that holds its
    /// `index`: without one, OpenAI's SDK cannot join what is streamed.
    pub reasoning_details: Vec<String>,
    /// What it paints, each an object in JSON that holds its `index` like those above:
    /// `{"type": "image_url", "image_url": {"url": "data:…"}, "index": 0}`. OpenAI's own API has no
    /// place for pictures in an answer; this is OpenRouter's (*Image generation*).
    pub images: Vec<String>,
    /// What it calls.
    pub calls: Vec<Call<'a>>,
    /// Why it stopped.
    pub finish: Finish,
    /// The provider's own word for why.
    pub native_finish: Option<Text<'a>>,
    /// `logprobs`, as they came or as they were translated.
    pub logprobs: Option<Cow<'a, RawValue>>,
    /// `annotations`, as they came.
    pub annotations: Option<&'a RawValue>,
    /// `audio`, as it came.
    pub audio: Option<&'a RawValue>,
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// The provider's id, if it has one.
    pub id: Option<Text<'a>>,
    /// The function.
    pub name: Text<'a>,
    /// JSON in a string.
    pub arguments: Text<'a>,
    /// `extra_content`, an object in JSON: what the provider must get back with this call.
    pub extra_content: Option<String>,
}

/// How the provider's side of the exchange went.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamResponse {
    /// The provider's status.
    pub status: u16,
    /// From the first byte sent to the last byte read, in nanoseconds.
    pub response_time: u64,
}

impl Answer<'_> {
    /// The body of the gateway's answer.
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
        if let Some(usage) = &self.usage {
            usage.write(body.key("usage"));
        }
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
    /// About how many bytes it says.
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
                write_calls(message.key("tool_calls"), &self.calls, index, envelope);
            }
            self.annotations.map(|raw| message.raw("annotations", raw.get()));
            self.audio.map(|raw| message.raw("audio", raw.get()));
        });
        choice.value("logprobs", &self.logprobs).value("finish_reason", self.finish.name());
        if let Some(native) = &self.native_finish {
            choice.value("native_finish_reason", native);
        }
        choice.close();
    }
}

/// Ids that some providers give twice count the first time only: results are matched by them.
fn write_calls(out: &mut Vec<u8>, calls: &[Call<'_>], choice: usize, envelope: &Envelope) {
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
        item.value("type", "function").object("function", |function| {
            function.value("name", &call.name).value("arguments", &call.arguments);
        });
        if let Some(extra) = &call.extra_content {
            item.raw("extra_content", extra);
        }
        item.close();
    }
    out.push(b']');
}
