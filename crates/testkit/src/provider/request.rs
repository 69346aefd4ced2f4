//! What a request asks for, whatever its `ApiSchema`. Reading it is left to the vendors' files.

use super::text::count_words;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// The part of a request an answer depends on.
#[derive(Debug)]
pub struct Asked<'a> {
    /// As named in the body, or in the path.
    pub model: Cow<'a, str>,
    /// What has been said so far.
    pub conversation: Conversation<'a>,
    /// In one piece or as events.
    pub delivery: Delivery,
    /// Names of the tools on offer.
    pub tools: Vec<Cow<'a, str>>,
    /// What the text should be.
    pub output: Output,
}

/// How the answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One JSON document.
    Whole,
    /// Server-sent events.
    Stream,
    /// Server-sent events, the usage last: OpenAI's `stream_options.include_usage`.
    StreamWithUsage,
}

/// What kind of text is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Anything.
    Prose,
    /// Some JSON object.
    Json,
    /// JSON that satisfies a schema.
    Schema(Value),
    /// The vector of a single input.
    Vector,
    /// A list of so many vectors.
    Vectors(usize),
}

/// What matters of the messages of a request.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// Text of the last user message that has any.
    pub text: Cow<'a, str>,
    /// Words of all texts, those of tools left out.
    pub words: usize,
    /// Whether the last thing said is the result of a tool call.
    pub after_tools: bool,
}

impl<'a> Conversation<'a> {
    /// Takes in what the user said.
    pub fn hear_user(&mut self, text: Cow<'a, str>) {
        if !text.is_empty() {
            self.hear_other(&text);
            self.text = text;
            self.after_tools = false;
        }
    }

    /// Takes in a system prompt, or what the model said.
    pub fn hear_other(&mut self, text: &str) {
        self.words += count_words(text);
    }

    /// Takes in the result of a tool call.
    pub fn hear_tool(&mut self) {
        self.after_tools = true;
    }
}

/// Content of a message of OpenAI's or Anthropic's, which agree here.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Content<'a> {
    /// A plain text.
    Text(#[serde(borrow)] Cow<'a, str>),
    /// Typed parts.
    Parts(Vec<Part>),
}

/// One part of a message.
#[derive(Debug, Deserialize)]
pub struct Part {
    r#type: String,
    text: Option<String>,
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self::Parts(Vec::new())
    }
}

impl<'a> Content<'a> {
    /// Its texts, a line each, so that a directive ends with its part.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => {
                let texts: Vec<_> = parts.into_iter().filter_map(|part| part.text).collect();
                texts.join("\n").into()
            }
        }
    }

    /// Whether it has a part of that type.
    pub fn has(&self, r#type: &str) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Parts(parts) => parts.iter().any(|part| part.r#type == r#type),
        }
    }
}

/// The model in a path that ends with `/{model}:{method}`, as Google writes them.
pub fn model_in(path: &str) -> Option<&str> {
    let (model, _method) = path.rsplit('/').next()?.rsplit_once(':')?;
    Some(model)
}
