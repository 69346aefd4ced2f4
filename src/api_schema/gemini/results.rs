//! Results of tools. The turn after calls holds a response to each; images and documents go into the
//! response where the model takes them there, and into a turn of the user's behind it otherwise.
//! ai.google.dev, *Function calling*, "Multimodal function responses".

use serde::de::IgnoredAny;

use super::{
    conversation::CheckedMessage,
    fit::stays_in_result,
    media::MediaPart,
    request::RequestBuilder,
    turns::{self, TurnsWriter, USER},
};
use crate::{
    api_schema::tool_results::media_label,
    chat::{
        pending_calls::{CallKey, PendingCalls},
        text::Text,
    },
    json::{Object, list, too_deep, well_formed},
};

/// Maximum depth of a result that is sent as an object. A request may have 100 levels at Google,
/// and each level of a result counts twice.
const MAX_DEPTH: usize = 32;

/// Builder of `contents`, with the calls that wait for their results.
#[derive(Default)]
pub(super) struct ContentsBuilder<'q> {
    pub(super) turns: TurnsWriter,
    pub(super) pending: PendingCalls<PendingCall<'q>>,
}

/// Call whose result has not been written.
pub(super) struct PendingCall<'q> {
    /// The client's id, or `None` for a `function_call`, which has none.
    id: Option<&'q Text<'q>>,
    /// Name of the function, as it is sent.
    name: Text<'q>,
    result: Option<FunctionResult<'q>>,
}

/// Result of a call.
struct FunctionResult<'q> {
    /// The texts as a JSON object.
    response: Vec<u8>,
    /// Media in the response.
    parts: Vec<&'q MediaPart<'q>>,
    /// Media behind the response.
    moved: Vec<&'q MediaPart<'q>>,
}

impl<'q> PendingCall<'q> {
    pub(super) fn new(id: Option<&'q Text<'q>>, name: Text<'q>) -> Self {
        Self { id, name, result: None }
    }

    /// Writes the part that answers the call.
    fn write(&self, out: &mut Vec<u8>, with_ids: bool) {
        let mut part = Object::open(out);
        part.object("functionResponse", |response| {
            if let Some(id) = self.id.filter(|id| with_ids && !id.is_empty()) {
                response.raw("id", id.json());
            }
            response.value("name", &self.name);
            match &self.result {
                Some(result) => result.write(response),
                None => {
                    response.object("response", |error| {
                        error.value("error", "the call was not answered");
                    });
                }
            }
        });
        part.close();
    }
}

impl FunctionResult<'_> {
    fn write(&self, response: &mut Object<'_>) {
        response.raw("response", &self.response);
        if !self.parts.is_empty() {
            list(response.key("parts"), &self.parts, |out, media| media.write(out));
        }
    }
}

impl<'q> RequestBuilder<'q> {
    /// Assigns a result to its call.
    pub(super) fn add_result(
        &self,
        contents: &mut ContentsBuilder<'q>,
        checked: &'q CheckedMessage<'q>,
    ) {
        let target = &self.input.target;
        let (parts, moved) = checked.media().partition(|media| stays_in_result(media, target));
        let texts: Vec<Text<'_>> = checked.texts().cloned().collect();
        let response = result_object(&texts);
        if let Some(call) = contents.pending.pair(&CallKey::of_result(checked.message)) {
            call.result = Some(FunctionResult { response, parts, moved });
        }
    }
}

impl ContentsBuilder<'_> {
    /// Returns true if a call has its result. Otherwise an assistant message continues the model's
    /// turn.
    pub(super) fn has_results(&self) -> bool {
        self.pending.calls().iter().any(|call| call.result.is_some())
    }

    /// Writes the turn with the results of the pending calls, if there are any, and the media that
    /// follow it.
    pub(super) fn write_results(&mut self, with_ids: bool) {
        if self.pending.calls().is_empty() {
            return;
        }
        self.turns.end_turn();
        let calls = self.pending.take();
        for call in &calls {
            call.write(self.turns.begin_part(USER), with_ids);
        }
        self.turns.end_turn();
        for call in &calls {
            let moved = call.result.as_ref().map(|result| result.moved.as_slice());
            let moved = moved.unwrap_or_default();
            if !moved.is_empty() {
                let label = media_label(&call.name);
                turns::write_text_part(self.turns.begin_part(USER), &label, None);
            }
            moved.iter().for_each(|media| media.write(self.turns.begin_part(USER)));
        }
    }
}

/// Returns a result as a JSON object: the result itself, if it is one and not too deep.
/// ai.google.dev, *FunctionResponse*, `response`.
fn result_object(texts: &[Text<'_>]) -> Vec<u8> {
    let text = Text::concat(texts);
    let decoded = well_formed(text.decode());
    let json = decoded.trim();
    let is_object = json.starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok();
    if is_object && too_deep(json.as_bytes(), MAX_DEPTH).is_none() {
        return json.as_bytes().to_vec();
    }
    format!("{{\"output\":{}}}", text.json()).into_bytes()
}
