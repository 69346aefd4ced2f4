//! Embeddings. ai.google.dev, *Embeddings*; cloud.google.com, *models.embedContent*. Vertex AI has
//! no `batchEmbedContents`, so a single input goes the way that both have.

use super::wire::UsageMetadata;
use crate::{
    api_schema::{
        embeddings::{ProviderEmbeddings, answer_fields},
        origin::ResponseContext,
        raw_items::raw_items,
        translation::TranslationInput,
    },
    chat::{error::Error, object::ObjectFields, text::Text},
    embeddings::request::EmbeddingsRequest,
    json::{self, Object, list},
};

/// Returns the path below the base URL and the body.
pub(crate) fn embeddings_request(
    input: &TranslationInput<'_, '_>,
    own: &EmbeddingsRequest<'_>,
) -> (String, Vec<u8>) {
    let model = &input.target.endpoint.upstream_model;
    let texts = own.texts.as_deref().unwrap_or_default();
    let mut out = Vec::with_capacity(own.input.map_or(0, |raw| raw.get().len()) + 256);
    let mut body = Object::open(&mut out);
    let method = match texts {
        [text] => {
            write_content(&mut body, text, own);
            ":embedContent"
        }
        _ => {
            let name = ["models/", model].concat();
            list(body.key("requests"), texts, |out, text| {
                let mut request = Object::open(out);
                request.value("model", &name);
                write_content(&mut request, text, own);
                request.close();
            });
            ":batchEmbedContents"
        }
    };
    body.close();
    (["/models/", model, method].concat(), out)
}

/// Writes the fields of one input.
fn write_content(request: &mut Object<'_>, text: &Text<'_>, own: &EmbeddingsRequest<'_>) {
    request.object("content", |content| {
        list(content.key("parts"), [text], |out, text| {
            let mut part = Object::open(out);
            part.raw("text", text.json());
            part.close();
        });
    });
    if let Some(dimensions) = own.dimensions {
        request.value("outputDimensionality", &dimensions);
    }
}

/// Reads an answer.
pub(crate) fn embeddings<'b>(
    body: &'b [u8],
    origin: ResponseContext<'_>,
) -> Result<ProviderEmbeddings<'b>, Error> {
    let fields = answer_fields(body, origin)?;
    let several = raw_items(fields.get("embeddings"));
    let entries = fields.get("embedding").into_iter().chain(several);
    let vectors =
        entries.filter_map(|entry| Some((None, ObjectFields::read(entry)?.get("values")?)));
    // The same parser as that of other answers, whose code is there already.
    let usage = fields.get("usageMetadata").map(|raw| raw.get().as_bytes());
    let usage = usage.and_then(|json| json::read::<UsageMetadata>(json).ok());
    Ok(ProviderEmbeddings {
        vectors: vectors.collect(),
        usage: usage.and_then(UsageMetadata::known).map(UsageMetadata::to_usage),
    })
}
