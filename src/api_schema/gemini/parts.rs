//! Parts of a candidate's content, as an answer in one piece and a stream both need them: text,
//! thoughts, tool calls, images and thought signatures. ai.google.dev, *Part*.

use std::borrow::Cow;

use serde_json::json;

use super::{
    signature::extra_content,
    wire::{Blob, Candidate, FunctionCall},
};
use crate::{
    api_schema::{
        origin::ResponseContext,
        tool_call_input::to_arguments,
        tool_call_pieces::{NO_NAME, NO_OBJECT},
        tool_names::ToolNames,
    },
    chat::{answer::Call, envelope, error::Error, text::Text},
};

/// Content of one part.
pub(super) enum PartContent<'a> {
    Text(Text<'a>),
    Thought(Text<'a>),
    Call(Call<'a>),
    /// An image, as a data URL.
    Image(String),
    /// A thought signature. With an id it belongs to the call of that id, otherwise to the text.
    Signature(Text<'a>, Option<Text<'a>>),
}

/// Decoder of parts: the facts of the request that tool calls in its answer are read with.
#[derive(Clone, Debug, Default)]
pub(super) struct PartDecoder {
    /// Names of tools as they were sent, and as the client knows them.
    names: ToolNames,
    /// The request's id. A call without an id gets one that follows from this.
    request_id: String,
}

impl PartDecoder {
    pub(super) fn new(names: ToolNames, request_id: &str) -> Self {
        Self { names, request_id: request_id.to_owned() }
    }

    /// Takes the parts out of a candidate. `calls` counts the calls of its earlier events.
    pub(super) fn take_parts<'a>(
        &self,
        candidate: &mut Candidate<'a>,
        choice: usize,
        mut calls: usize,
        origin: ResponseContext<'_>,
    ) -> Result<Vec<PartContent<'a>>, Error> {
        let parts = candidate.content.take().and_then(|content| content.parts).unwrap_or_default();
        let mut contents = Vec::with_capacity(parts.len());
        for part in parts {
            let thought = part.thought == Some(true);
            let signature = part.thought_signature.filter(|text| !text.is_empty() && !thought);
            if let Some(call) = part.function_call {
                let call = self.call(call, signature.as_ref(), choice, calls);
                let (id, call) = call.map_err(|problem| origin.bad(problem))?;
                calls += 1;
                contents.extend(signature.map(|own| PartContent::Signature(own, Some(id))));
                contents.push(PartContent::Call(call));
                continue;
            }
            let image = part.inline_data.filter(|_| !thought).and_then(|blob| image_url(&blob));
            contents.extend(image.map(PartContent::Image));
            let text = part.text.filter(|text| !text.is_empty());
            contents.extend(text.map(if thought {
                PartContent::Thought
            } else {
                PartContent::Text
            }));
            contents.extend(signature.map(|own| PartContent::Signature(own, None)));
        }
        Ok(contents)
    }

    /// Returns a call and its id, or the problem of a call that cannot be made. Gemini 2.5 sends no
    /// ids.
    fn call<'a>(
        &self,
        call: FunctionCall<'a>,
        signature: Option<&Text<'a>>,
        choice: usize,
        number: usize,
    ) -> Result<(Text<'a>, Call<'a>), &'static str> {
        let name = call.name.filter(|name| !name.is_empty()).ok_or(NO_NAME)?;
        let generated = || Text::new(&envelope::call_id(&self.request_id, choice, number));
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(generated);
        let call = Call {
            id: Some(id.clone()),
            name: self.names.received(&name),
            arguments: Text::new(&compact(&to_arguments(call.args).ok_or(NO_OBJECT)?)),
            extra_content: signature.map(extra_content),
        };
        Ok((id, call))
    }
}

/// Removes the white space between tokens, which some answers have.
fn compact(json: &str) -> Cow<'_, str> {
    if !json.contains(['\n', ' ', '\t', '\r']) {
        return Cow::Borrowed(json);
    }
    let (mut in_string, mut escaped) = (false, false);
    let kept = json.chars().filter(|c| {
        let was_escaped = std::mem::replace(&mut escaped, false);
        match c {
            '"' if !was_escaped => in_string = !in_string,
            '\\' if !was_escaped => escaped = true,
            ' ' | '\n' | '\t' | '\r' => return in_string,
            _ => {}
        }
        true
    });
    Cow::Owned(kept.collect())
}

/// Returns the data URL of an image, or `None` for another kind of media.
fn image_url(blob: &Blob<'_>) -> Option<String> {
    let kind = blob.mime_type.decode();
    let (kind, data) = (kind.strip_prefix("image/")?, blob.data.decode());
    Some(format!("data:image/{kind};base64,{data}"))
}

/// Returns the entry of `images` that the client gets for an image. `index` is its position there.
pub(super) fn image_entry(url: &str, index: usize) -> String {
    json!({"type": "image_url", "image_url": {"url": url}, "index": index}).to_string()
}
