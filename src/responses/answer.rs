//! An answer in one piece. OpenAI's API reference, *The response object*.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{
    namespaces::NamespacedTools,
    output::{
        ItemStatus, OutputCall, OutputItem, ResponseObject, ResponseOutcome, image_data,
        text_fields, write_text_part,
    },
};
use crate::{
    chat::{
        answer::{Answer, Call, Choice},
        envelope::Envelope,
        finish::Finish,
        object::ObjectFields,
    },
    client_api::{
        carried::{CarriedData, joined_details},
        chat_messages::separate,
    },
    json::{Object, list, put_on_one_line},
};

/// Returns the body of an answer: of its first choice.
pub fn to_json(answer: &Answer<'_>, envelope: &Envelope) -> Vec<u8> {
    let choice = answer.choices.first();
    let finish = choice.map_or(Finish::Stop, |choice| choice.finish);
    let mut output = Output { items: Vec::new(), count: 0, envelope, finish };
    if let Some(choice) = choice {
        output.add_choice(choice);
    }
    let outcome = ResponseOutcome::Finished(finish);
    let response = ResponseObject { envelope, outcome, output: &output.items, usage: answer.usage };
    let mut out = Vec::with_capacity(output.items.len() + envelope.request.len() + 1024);
    response.write(&mut out);
    out
}

/// Output of a response in progress.
struct Output<'e> {
    /// Items in JSON, separated by commas.
    items: Vec<u8>,
    count: usize,
    envelope: &'e Envelope,
    finish: Finish,
}

impl Output<'_> {
    fn add(&mut self, item: &OutputItem<'_>, status: ItemStatus) {
        let id = item.id(self.envelope, self.count);
        self.count += 1;
        separate(&mut self.items);
        item.write(&mut self.items, &id, status);
    }

    fn add_choice(&mut self, choice: &Choice<'_>) {
        self.add_reasoning(choice);
        self.add_message(choice);
        for data in choice.images.iter().filter_map(|json| image_data(json)) {
            self.add(&OutputItem::Image { data: &data }, ItemStatus::Completed);
        }
        let namespaced = match choice.calls.is_empty() {
            true => NamespacedTools::default(),
            false => NamespacedTools::read(&self.envelope.request),
        };
        let mut given = BTreeSet::new();
        for (index, call) in choice.calls.iter().enumerate() {
            let own_id = self.envelope.call_id(0, index);
            let id = call.id.as_ref().map(|id| id.decode().into_owned());
            let id = id.filter(|id| !id.is_empty() && given.insert(id.clone()));
            self.add_call(call, id.unwrap_or(own_id), &namespaced);
        }
    }

    fn add_reasoning(&mut self, choice: &Choice<'_>) {
        let summary = choice.reasoning.as_ref().filter(|text| !text.is_empty());
        let carries = self.envelope.carries_reasoning && !choice.reasoning_details.is_empty();
        let carried = carries
            .then(|| CarriedData::Details(&joined_details(&choice.reasoning_details)).to_data());
        if summary.is_some() || carried.is_some() {
            let carried = carried.as_deref();
            self.add(&OutputItem::Reasoning { summary, carried }, ItemStatus::Completed);
        }
    }

    fn add_message(&mut self, choice: &Choice<'_>) {
        let mut parts = Vec::new();
        if let Some(text) = choice.content.as_ref().filter(|text| !text.is_empty()) {
            let logprobs = choice.logprobs.as_deref().map(RawValue::get);
            let tokens = logprobs.map(token_logprobs).unwrap_or_default();
            let fields = text_fields(&annotations(choice.annotations), &tokens);
            write_text_part(&mut parts, "output_text", "text", text, &fields);
        }
        if let Some(text) = choice.refusal.as_ref().filter(|text| !text.is_empty()) {
            separate(&mut parts);
            write_text_part(&mut parts, "refusal", "refusal", text, "");
        }
        if !parts.is_empty() {
            let status = match choice.calls.is_empty() {
                true => ItemStatus::of_last(self.finish),
                false => ItemStatus::Completed,
            };
            self.add(&OutputItem::Message { parts: &parts }, status);
        }
    }

    fn add_call(&mut self, call: &Call<'_>, id: String, namespaced: &NamespacedTools) {
        let extra = call.extra_content.as_deref().filter(|_| self.envelope.carries_reasoning);
        if let Some(extra) = extra {
            let data = CarriedData::ExtraContent(extra).to_data();
            let item = OutputItem::Reasoning { summary: None, carried: Some(&data) };
            self.add(&item, ItemStatus::Completed);
        }
        let own = OutputCall::new(id, &call.name, self.envelope, namespaced);
        let text = own.text_of(&call.arguments);
        self.add(&OutputItem::Call { call: &own, text: &text }, ItemStatus::of_last(self.finish));
    }
}

/// Returns the log probabilities of the content's tokens from `logprobs` of a choice, in JSON on one
/// line, separated by commas.
pub(super) fn token_logprobs(json: &str) -> String {
    let fields: ObjectFields<'_> = serde_json::from_str(json).unwrap_or_default();
    let tokens = fields.get("content").map(RawValue::get);
    let tokens = tokens.and_then(|json| json.strip_prefix('[')?.strip_suffix(']'));
    let mut line = tokens.unwrap_or_default().trim().as_bytes().to_vec();
    put_on_one_line(&mut line);
    String::from_utf8(line).unwrap_or_default()
}

/// Returns the annotations of a text, an array. Those of the chat API have their fields in an object.
fn annotations(raw: Option<&RawValue>) -> String {
    let all: Vec<ObjectFields<'_>> =
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let mut out = Vec::new();
    let citations = all.iter().filter_map(|annotation| annotation.object("url_citation"));
    list(&mut out, citations, |out, citation| {
        let mut object = Object::open(out);
        object.value("type", "url_citation");
        for key in ["start_index", "end_index", "url", "title"] {
            citation.get(key).map(|raw| object.raw(key, raw.get()));
        }
        object.close();
    });
    String::from_utf8(out).unwrap_or_default()
}
