//! Embeddings. OpenAI's API reference, *Create embeddings*.

use serde_json::value::RawValue;

use crate::{
    api_schema::{
        embeddings::{ProviderEmbeddings, answer_fields},
        origin::ResponseContext,
        raw_items::raw_items,
        translation::TranslationInput,
    },
    chat::{error::Error, object::ObjectFields, text::Text, usage::Usage},
    embeddings::{VectorEncoding, request::EmbeddingsRequest},
    json::Object,
};

/// Returns the path below the base URL and the body.
pub(crate) fn embeddings_request(
    input: &TranslationInput<'_, '_>,
    own: &EmbeddingsRequest<'_>,
) -> (String, Vec<u8>) {
    let text = own.input.map(RawValue::get).unwrap_or_default();
    let mut out = Vec::with_capacity(text.len() + 256);
    let mut body = Object::open(&mut out);
    body.value("model", &input.target.endpoint.upstream_model).raw("input", text);
    if let Some(dimensions) = own.dimensions {
        body.value("dimensions", &dimensions);
    }
    if own.encoding == VectorEncoding::Base64 {
        body.value("encoding_format", "base64");
    }
    for (parameter, json) in &input.fit.kept {
        body.raw(parameter.name(), json.as_bytes());
    }
    if input.target.provider.forward_unknown {
        for (key, raw) in &input.request.parameters.unknown {
            body.raw(Text::new(key).escaped(), raw.get());
        }
    }
    body.close();
    ("/embeddings".to_owned(), out)
}

/// Reads an answer.
pub(crate) fn embeddings<'b>(
    body: &'b [u8],
    origin: ResponseContext<'_>,
) -> Result<ProviderEmbeddings<'b>, Error> {
    let fields = answer_fields(body, origin)?;
    let entries = raw_items(fields.get("data")).filter_map(ObjectFields::read);
    let vectors = entries.filter_map(|entry| {
        let index = entry.get("index").and_then(|index| index.get().parse().ok());
        Some((index, entry.get("embedding")?))
    });
    Ok(ProviderEmbeddings {
        vectors: vectors.collect(),
        usage: fields.get("usage").and_then(Usage::from_raw),
    })
}
