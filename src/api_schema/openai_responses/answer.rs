//! An answer in one piece.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    logprobs,
    wire::{OutputItem, WireResponse},
};
use crate::{
    api_schema::{
        openai::WireCall, origin::ResponseContext, tool_call_pieces::NO_NAME, tool_names::ToolNames,
    },
    chat::{
        answer::{Answer, Call, Choice},
        error::Error,
        text::Text,
    },
    json,
};

/// The text between two parts of reasoning, which are paragraphs.
pub(super) const PARAGRAPH: &str = "\n\n";

/// The problem of an answer that is no object.
const NO_RESPONSE: &str = "is not a response";

/// Translates an answer in one piece.
pub(super) fn read<'a>(
    body: &'a [u8],
    names: &ToolNames,
    origin: ResponseContext<'_>,
) -> Result<Answer<'a>, Error> {
    let raw: &'a RawValue =
        json::read(body).map_err(|error| origin.unreadable(&error, NO_RESPONSE))?;
    let response = WireResponse::read(raw).ok_or_else(|| origin.bad(NO_RESPONSE))?;
    let (finish, native_finish) = response.end(origin)?;
    let output = response.output().ok_or_else(|| origin.bad("has no output"))?;
    let mut parts = OutputParts::default();
    for item in output {
        parts.add(OutputItem::read(item, None, names), origin)?;
    }
    let is_silent = parts.calls.is_empty() && parts.refusals.is_empty();
    let choice = Choice {
        content: concat(&parts.texts).or_else(|| is_silent.then(|| Text::new(""))),
        refusal: concat(&parts.refusals),
        reasoning: join_paragraphs(&parts.reasoning),
        reasoning_details: parts.details,
        images: Vec::new(),
        finish: finish.with_calls(!parts.calls.is_empty()),
        calls: parts.calls,
        native_finish,
        logprobs: logprobs::translate(parts.logprobs).map(Cow::Owned),
        annotations: None,
        audio: None,
    };
    let (usage, service_tier) = (response.usage(), response.service_tier());
    Ok(Answer { choices: vec![choice], usage, system_fingerprint: None, service_tier })
}

/// The items of an output, sorted by the fields of the chat API.
#[derive(Default)]
struct OutputParts<'a> {
    texts: Vec<Text<'a>>,
    refusals: Vec<Text<'a>>,
    reasoning: Vec<Text<'a>>,
    /// `reasoning_details`.
    details: Vec<String>,
    calls: Vec<Call<'a>>,
    logprobs: Vec<&'a RawValue>,
}

impl<'a> OutputParts<'a> {
    fn add(&mut self, item: OutputItem<'a>, origin: ResponseContext<'_>) -> Result<(), Error> {
        match item {
            OutputItem::Message(parts) => {
                for part in parts {
                    self.texts.extend(part.text);
                    self.refusals.extend(part.refusal);
                    self.logprobs.extend(part.logprobs);
                }
            }
            OutputItem::Reasoning { texts, encrypted } => {
                self.reasoning.extend(texts);
                let index = self.details.len();
                self.details.extend(encrypted.map(|own| own.to_detail(index, origin.provider)));
            }
            OutputItem::Call(call) => self.calls.push(to_call(call, origin)?),
            OutputItem::Other => {}
        }
        Ok(())
    }
}

fn to_call<'a>(wire: WireCall<'a>, origin: ResponseContext<'_>) -> Result<Call<'a>, Error> {
    let id = wire.id.clone().filter(|id| !id.is_empty());
    let (name, arguments) = wire.into_function();
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| origin.bad(NO_NAME))?;
    let arguments = arguments.unwrap_or_else(|| Text::new("{}"));
    Ok(Call { id, name, arguments, extra_content: None })
}

fn concat<'a>(texts: &[Text<'a>]) -> Option<Text<'a>> {
    (!texts.is_empty()).then(|| Text::concat(texts))
}

/// Returns texts as one, each a paragraph.
fn join_paragraphs<'a>(texts: &[Text<'a>]) -> Option<Text<'a>> {
    let between = Text::new(PARAGRAPH);
    let mut texts = texts.iter();
    let mut all = vec![texts.next()?.clone()];
    texts.for_each(|text| all.extend([between.clone(), text.clone()]));
    concat(&all)
}
