//! A response as OpenAI writes it. OpenAI's API reference, *The response object*.

use serde_json::value::RawValue;

use super::{error::classify_failure, reasoning::EncryptedReasoning};
use crate::{
    api_schema::{
        openai::{WireCall, WireCustomCall, WireFunction},
        origin::ResponseContext,
        raw_items::raw_items,
        tool_names::ToolNames,
    },
    chat::{error::Error, finish::Finish, object::ObjectFields, text::Text, usage::Usage},
};

/// Response in one piece, or at the end of a stream.
pub(super) struct WireResponse<'a>(ObjectFields<'a>);

/// Item of the output, by its type.
pub(super) enum OutputItem<'a> {
    Message(Vec<OutputPart<'a>>),
    Reasoning {
        /// The parts of the summary, then those of the text.
        texts: Vec<Text<'a>>,
        encrypted: Option<EncryptedReasoning<'a>>,
    },
    Call(WireCall<'a>),
    /// An item that no client requested: of a tool that OpenAI runs, or of a later version.
    Other,
}

/// Part of a message.
pub(super) struct OutputPart<'a> {
    pub(super) text: Option<Text<'a>>,
    pub(super) refusal: Option<Text<'a>>,
    pub(super) logprobs: Option<&'a RawValue>,
}

impl<'a> WireResponse<'a> {
    /// Reads a response. `None` for any value but an object.
    pub(super) fn read(raw: &'a RawValue) -> Option<Self> {
        ObjectFields::read(raw).map(Self)
    }

    /// Returns the items of the output, unread, if there is an output.
    pub(super) fn output(&self) -> Option<impl Iterator<Item = &'a RawValue> + use<'a>> {
        Some(raw_items(Some(self.0.get("output")?)))
    }

    /// Returns the tokens used, if they are known.
    pub(super) fn usage(&self) -> Option<Usage> {
        let json = self.0.get("usage")?.get();
        Usage::read(&mut serde_json::Deserializer::from_str(json)).ok()?
    }

    /// Returns `service_tier`.
    pub(super) fn service_tier(&self) -> Option<&'a RawValue> {
        self.0.get("service_tier")
    }

    /// Returns the reason why the response ended, and OpenAI's word for it. A response that has
    /// failed or that has not ended is an error.
    pub(super) fn end(
        &self,
        origin: ResponseContext<'_>,
    ) -> Result<(Finish, Option<Text<'a>>), Error> {
        if let Some(error) = self.0.get("error") {
            return Err(classify_failure(error, origin));
        }
        let status = self.0.text("status");
        match status.as_ref().map(Text::decode).as_deref() {
            Some("completed") | None => Ok((Finish::Stop, status.clone())),
            Some("incomplete") => {
                let reason = self.0.object("incomplete_details");
                let reason = reason.and_then(|details| details.text("reason"));
                let is_filtered =
                    reason.as_ref().is_some_and(|reason| reason.decode() == "content_filter");
                let finish = if is_filtered { Finish::ContentFilter } else { Finish::Length };
                Ok((finish, reason.or_else(|| status.clone())))
            }
            Some("failed") => Err(origin.bad("ended in an error it does not name")),
            Some(_) => Err(origin.bad("is not complete")),
        }
    }
}

impl<'a> OutputItem<'a> {
    /// Reads an item, with the client's name of a tool. `number` is the place in the output.
    pub(super) fn read(raw: &'a RawValue, number: Option<u64>, names: &ToolNames) -> Self {
        let Some(item) = ObjectFields::read(raw) else { return Self::Other };
        match item.text("type").as_ref().map(Text::decode).unwrap_or_default().as_ref() {
            "message" => Self::Message(parts(item.get("content")).collect()),
            "reasoning" => {
                let all = parts(item.get("summary")).chain(parts(item.get("content")));
                let texts = all.filter_map(|part| part.text).filter(|text| !text.is_empty());
                let data = item.text("encrypted_content").filter(|data| !data.is_empty());
                let encrypted = data.map(|data| EncryptedReasoning { id: item.text("id"), data });
                Self::Reasoning { texts: texts.collect(), encrypted }
            }
            "function_call" => {
                let arguments = item.get("arguments");
                let function = Some(WireFunction { name: name_in(&item, names), arguments });
                Self::Call(WireCall { function, ..empty_call(&item, number) })
            }
            "custom_tool_call" => {
                let input = item.text("input");
                let custom = Some(WireCustomCall { name: name_in(&item, names), input });
                Self::Call(WireCall { custom, ..empty_call(&item, number) })
            }
            _ => Self::Other,
        }
    }
}

/// Returns a call with the id of an item.
fn empty_call<'a>(item: &ObjectFields<'a>, index: Option<u64>) -> WireCall<'a> {
    WireCall { index, id: item.text("call_id"), function: None, custom: None }
}

/// Returns the client's name of the tool that an item calls.
fn name_in<'a>(item: &ObjectFields<'a>, names: &ToolNames) -> Option<Text<'a>> {
    item.text("name").map(|name| names.received(&name))
}

fn parts(raw: Option<&RawValue>) -> impl Iterator<Item = OutputPart<'_>> {
    raw_items(raw).filter_map(ObjectFields::read).map(|part| OutputPart {
        text: part.text("text"),
        refusal: part.text("refusal"),
        logprobs: part.get("logprobs"),
    })
}
