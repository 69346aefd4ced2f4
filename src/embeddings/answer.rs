//! Answers with embeddings. OpenAI's API reference, *The embedding object*.

use std::borrow::Cow;

use crate::{
    chat::{
        envelope::Envelope,
        usage::{Usage, write_cost},
    },
    json::{Object, list},
};

/// Embeddings of a provider's answer.
#[derive(Clone, Debug)]
pub struct Embeddings<'b> {
    /// Vectors in JSON, in the order of the inputs.
    pub vectors: Vec<Cow<'b, str>>,
    /// Tokens. `None` if the provider counts none.
    pub usage: Option<Usage>,
}

impl Embeddings<'_> {
    /// Returns the body of the client's answer.
    pub fn to_json(&self, envelope: &Envelope) -> Vec<u8> {
        let length: usize = self.vectors.iter().map(|vector| vector.len() + 64).sum();
        let mut out = Vec::with_capacity(length + 256);
        let mut body = Object::open(&mut out);
        body.value("object", "list");
        list(body.key("data"), self.vectors.iter().enumerate(), |out, (index, vector)| {
            let mut entry = Object::open(out);
            entry.value("object", "embedding").value("index", &index);
            entry.raw("embedding", vector.as_bytes());
            entry.close();
        });
        body.value("model", &envelope.model).object("usage", |usage| {
            self.write_usage(usage);
            write_cost(envelope.cost(self.usage.as_ref()), usage);
        });
        body.value("request_id", &envelope.request_id);
        body.close();
        out
    }

    /// Writes the tokens. Counts that the provider did not report are 0, and `reported` says so.
    fn write_usage(&self, usage: &mut Object<'_>) {
        let tokens = self.usage.map(|usage| usage.total()).unwrap_or_default();
        usage.value("prompt_tokens", &tokens).value("total_tokens", &tokens);
        if self.usage.is_none() {
            usage.value("reported", &false);
        }
    }
}
