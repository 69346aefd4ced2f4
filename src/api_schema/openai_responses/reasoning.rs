//! Reasoning that only OpenAI can decrypt, and that it needs back in later turns: OpenAI's guide
//! *Reasoning models*, "Encrypted reasoning items".
//!
//! Clients get it as `reasoning_details`, in the form that OpenRouter introduced (guide *Reasoning
//! Tokens*): `{"type": "reasoning.encrypted", "id", "data", "format", "index"}`. Keys differ between
//! providers, and one refuses what another has encrypted: `provider` says whose it is.

use crate::{
    api_schema::raw_items::raw_items,
    chat::{message::Message, object::ObjectFields, text::Text},
    json::Object,
};

/// The `format` of details with encrypted reasoning of Responses.
const FORMAT: &str = "openai-responses-v1";

/// Reasoning in an answer.
pub(super) struct EncryptedReasoning<'a> {
    /// The id of the item.
    pub(super) id: Option<Text<'a>>,
    /// An opaque value, never empty.
    pub(super) data: Text<'a>,
}

/// Returns the data of the reasoning in a message that a provider has encrypted.
pub(super) fn encrypted_reasoning<'a>(
    message: &Message<'a>,
    provider: &str,
) -> impl Iterator<Item = Text<'a>> {
    raw_items(message.reasoning_details).filter_map(move |raw| {
        let item = ObjectFields::read(raw)?;
        let has = |key, value| item.text(key).is_some_and(|own| own.decode() == value);
        let is_own = has("format", FORMAT) && has("provider", provider);
        item.text("data").filter(|data| is_own && !data.is_empty())
    })
}

/// Writes reasoning as an item of the conversation, without its id: OpenAI would look for an item with
/// an id, and has stored none (github.com/vercel/ai, pull request 12869).
pub(super) fn write_reasoning_item(out: &mut Vec<u8>, data: &Text<'_>) {
    let mut item = Object::open(out);
    item.value("type", "reasoning").raw("summary", "[]").value("encrypted_content", data);
    item.close();
}

impl EncryptedReasoning<'_> {
    /// Returns the item of `reasoning_details`. OpenAI's SDKs join items of a stream that have the
    /// same `index`.
    pub(super) fn to_detail(&self, index: usize, provider: &str) -> String {
        let mut out = Vec::with_capacity(self.data.json().len() + 160);
        let mut detail = Object::open(&mut out);
        detail.value("type", "reasoning.encrypted").value("index", &index);
        self.id.as_ref().map(|id| detail.value("id", id));
        detail.value("data", &self.data).value("format", FORMAT).value("provider", provider);
        detail.close();
        String::from_utf8(out).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_goes_back_to_the_provider_that_encrypted_it() {
        let own = EncryptedReasoning { id: Some(Text::new("rs_1")), data: Text::new("gA==") };
        let detail = own.to_detail(2, "openai");
        let cases = [
            (detail.clone(), 1),
            (detail.replace("\"openai\"", "\"azure\""), 0),
            (detail.replace(FORMAT, "google-gemini-v1"), 0),
            (detail.replace("gA==", ""), 0),
            (detail.replace("\"provider\"", "\"other\""), 0),
            (r#"{"type":"reasoning.encrypted","data":"x"},1,null"#.to_owned(), 0),
        ];
        for (details, count) in cases {
            let json = format!(r#"{{"role":"assistant","reasoning_details":[{details}]}}"#);
            let message: Message<'_> = serde_json::from_str(&json).unwrap();
            let found: Vec<_> = encrypted_reasoning(&message, "openai").collect();
            assert_eq!(found, vec![own.data.clone(); count], "{json}");
        }
    }
}
