//! The chat request that a body of another API was translated into.

use super::translation::InletTranslation;
use crate::{
    chat::{
        error::Error,
        mistake::{MistakeKind, Unreadable},
        object::ObjectFields,
        parameter::Parameters,
        request::checked_parameters,
    },
    json::{self, Object, list},
};

/// Keys of the gateway's own, which have the same name and meaning in every API.
pub(crate) const OWN_KEYS: [&str; 7] = [
    "fallback_config",
    "post_processing_steps",
    "transcript_id",
    "model_region",
    "zero_data_retention",
    "fail_fast",
    "max_timeout",
];

/// Chat request that a body was translated into.
#[derive(Debug, Default)]
pub struct ChatBody {
    /// The chat request, in JSON.
    json: Vec<u8>,
    /// Paths of fields that the chat API does not have.
    left_out: Vec<String>,
}

/// Translation of one request: the fields of the request or of a fallback, and those of the request.
pub(crate) type WriteRequest<'w> =
    &'w dyn Fn(&mut InletTranslation, &ObjectFields<'_>, &ObjectFields<'_>, &mut Object<'_>);

impl ChatBody {
    /// Translates a body, whose depth is checked and which must have the `required` fields. The error
    /// lists all mistakes in it.
    pub(crate) fn translate(
        body: &[u8],
        required: &[&str],
        write_request: WriteRequest<'_>,
    ) -> Result<Self, Error> {
        let fields: ObjectFields<'_> = json::read(body).map_err(|error| Unreadable::new(&error))?;
        let mut translation = InletTranslation::default();
        for required in required {
            if fields.get(required).is_none() {
                translation.add(MistakeKind::Missing, required, "is required");
            }
        }
        let mut json = Vec::with_capacity(body.len() + body.len() / 8 + 256);
        let mut chat = Object::open(&mut json);
        write_request(&mut translation, &fields, &fields, &mut chat);
        write_fallbacks(&mut translation, &fields, &mut chat, write_request);
        chat.close();
        let (mistakes, left_out) = translation.into_reports();
        match mistakes.is_empty() {
            true => Ok(Self { json, left_out }),
            false => Err(Error::Invalid(mistakes)),
        }
    }

    /// Returns the parameters of the chat request.
    pub fn parameters(&self) -> Result<Parameters<'_>, Unreadable> {
        let mut parameters = checked_parameters(&self.json)?;
        parameters.left_out.clone_from(&self.left_out);
        Ok(parameters)
    }

    /// Returns the chat request in JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// Writes the fallbacks, each translated like the request.
fn write_fallbacks(
    translation: &mut InletTranslation,
    fields: &ObjectFields<'_>,
    chat: &mut Object<'_>,
    write_request: WriteRequest<'_>,
) {
    let Some(raw) = fields.get("fallbacks") else { return };
    let entries = translation.read_list("fallbacks", raw, "an array of objects");
    list(chat.key("fallbacks"), entries.into_iter().enumerate(), |out, (index, raw)| {
        let entry = translation.read_object(&format!("fallbacks[{index}]"), raw, "an object");
        translation.set_prefix(format!("fallbacks[{index}]."));
        let mut over = Object::open(out);
        write_request(translation, &entry.unwrap_or_default(), fields, &mut over);
        over.close();
        translation.set_prefix(String::new());
    });
}
