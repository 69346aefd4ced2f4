//! Embeddings: OpenAI's API reference, *Create embeddings*; ai.google.dev, *Embeddings*. Like many
//! compatible servers, this one knows no base64.

use super::answer::Answer;
use super::request::{Asked, Conversation, Delivery, Output, model_in};
use super::schema::ApiSchema;
use serde_json::{Value, json};

/// Ends of the paths, and the schema of each.
const PATHS: [(&str, ApiSchema); 3] = [
    ("/embeddings", ApiSchema::OpenAi),
    (":embedContent", ApiSchema::Gemini),
    (":batchEmbedContents", ApiSchema::Gemini),
];

/// The schema in which a path asks for embeddings.
pub fn schema_at(path: &str) -> Option<ApiSchema> {
    PATHS.iter().find(|(end, _)| path.ends_with(end)).map(|(_, schema)| *schema)
}

/// Reads a request. Its first text is what the user said.
pub fn read<'a>(path: &'a str, body: &'a [u8]) -> serde_json::Result<Asked<'a>> {
    let request: Value = serde_json::from_slice(body)?;
    let requests = request["requests"].as_array();
    let inputs = match (&request["input"], requests) {
        (Value::Array(items), _) if !items.iter().all(Value::is_number) => items.clone(),
        (Value::Null, Some(requests)) => requests.clone(),
        (Value::Null, None) => vec![request.clone()],
        (input, _) => vec![input.clone()],
    };
    let mut conversation = Conversation::default();
    for input in inputs.iter().rev() {
        let part = &input["content"]["parts"][0]["text"];
        let text = input.as_str().or(part.as_str()).unwrap_or_default();
        conversation.hear_user(text.to_owned().into());
    }
    let named = request["model"].as_str().map(str::to_owned);
    Ok(Asked {
        model: named.or(model_in(path).map(str::to_owned)).unwrap_or_default().into(),
        conversation,
        delivery: Delivery::Whole,
        tools: Vec::new(),
        output: match path.ends_with(":embedContent") {
            true => Output::Vector,
            false => Output::Vectors(inputs.len()),
        },
    })
}

/// The answer as one document. The first number of a vector is its index.
pub fn whole(schema: ApiSchema, answer: &Answer) -> Option<Vec<u8>> {
    let count = match answer.output {
        Output::Vector => 1,
        Output::Vectors(count) => *count,
        _ => return None,
    };
    let tokens = answer.usage.input;
    let vector = |index: usize| json!([index, -2.0, 0.5]);
    let usage = json!({"promptTokenCount": tokens});
    let document = match (schema, answer.output) {
        (ApiSchema::Gemini, Output::Vector) => {
            json!({"embedding": {"values": vector(0)}, "usageMetadata": usage})
        }
        (ApiSchema::Gemini, _) => {
            let all: Vec<_> = (0..count).map(|index| json!({"values": vector(index)})).collect();
            json!({"embeddings": all, "usageMetadata": usage})
        }
        _ => {
            let entry =
                |index| json!({"object": "embedding", "index": index, "embedding": vector(index)});
            let all: Vec<_> = (0..count).map(entry).collect();
            let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
            json!({"object": "list", "data": all, "model": answer.model, "usage": usage})
        }
    };
    Some(document.to_string().into_bytes())
}
