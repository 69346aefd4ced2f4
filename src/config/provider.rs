//! Who runs the models, and how they are spoken to.

use std::collections::BTreeSet;

use super::{
    base_url::{BaseUrl, read_base_urls},
    health::{CircuitBreakers, OutlierDetection},
    read::ValueReader,
};
use crate::region::{PerRegion, Region};

/// The wire format a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiSchema {
    /// `POST {base_url}/chat/completions`.
    OpenAi,
    /// `POST {base_url}/messages`.
    Anthropic,
    /// `POST {base_url}/models/{model}:generateContent`. On Vertex AI the base URL ends in
    /// `/publishers/google`.
    Gemini,
}

impl ApiSchema {
    const WORDS: [(&'static str, Self); 3] =
        [("openai", Self::OpenAi), ("anthropic", Self::Anthropic), ("gemini", Self::Gemini)];

    /// The word in the configuration.
    pub fn name(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, schema)| *schema == self).map_or("", |(word, _)| word)
    }
}

/// The header a provider wants its key in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Authorization,
    /// `x-api-key: KEY`, as Anthropic does.
    XApiKey,
    /// `x-goog-api-key: KEY`, as Google AI Studio does.
    XGoogApiKey,
    /// `api-key: KEY`, as Azure does.
    ApiKey,
}

impl KeyHeader {
    const WORDS: [(&'static str, Self); 4] = [
        ("authorization", Self::Authorization),
        ("x-api-key", Self::XApiKey),
        ("x-goog-api-key", Self::XGoogApiKey),
        ("api-key", Self::ApiKey),
    ];

    /// The header's name.
    pub fn name(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, header)| *header == self).map_or("", |(word, _)| word)
    }

    /// What stands before the key.
    pub fn prefix(self) -> &'static str {
        if self == Self::Authorization { "Bearer " } else { "" }
    }

    fn default_for(schema: ApiSchema) -> Self {
        match schema {
            ApiSchema::OpenAi => Self::Authorization,
            ApiSchema::Anthropic => Self::XApiKey,
            ApiSchema::Gemini => Self::XGoogApiKey,
        }
    }
}

/// In what an OpenAI-compatible server differs from OpenAI's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// The limit of the answer goes under its old name, `max_tokens`.
    MaxTokens,
    /// `developer` is sent as `system`.
    SystemForDeveloper,
    /// A message's `name` goes in front of its content, `name: content`.
    NameInContent,
    /// Arrays of text parts are sent as one string.
    TextInOneString,
    /// `stream_options` is not sent, so usage may be missing.
    NoStreamOptions,
    /// `strict` is taken out of tools.
    NoStrictTools,
    /// An assistant's message with tool calls carries `reasoning_content`, a space if it was lost.
    ReasoningWithToolCalls,
    /// An assistant's message carries its `reasoning_details` back, as OpenRouter wants them.
    ReasoningDetails,
    /// `enable_thinking: false` is sent when the answer is not streamed.
    ThinkingOnlyStreamed,
    /// Claude on Vertex AI: the model goes into the path, `:rawPredict`, and not into the body.
    RawPredict,
}

impl Quirk {
    /// The API schema whose servers have it.
    pub fn api_schema(self) -> ApiSchema {
        match self {
            Self::RawPredict => ApiSchema::Anthropic,
            _ => ApiSchema::OpenAi,
        }
    }

    /// The words in the configuration.
    pub const WORDS: [(&'static str, Self); 10] = [
        ("max_tokens", Self::MaxTokens),
        ("system_for_developer", Self::SystemForDeveloper),
        ("name_in_content", Self::NameInContent),
        ("text_in_one_string", Self::TextInOneString),
        ("no_stream_options", Self::NoStreamOptions),
        ("no_strict_tools", Self::NoStrictTools),
        ("reasoning_with_tool_calls", Self::ReasoningWithToolCalls),
        ("reasoning_details", Self::ReasoningDetails),
        ("thinking_only_streamed", Self::ThinkingOnlyStreamed),
        ("raw_predict", Self::RawPredict),
    ];
}

/// Who runs models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What it speaks.
    pub api_schema: ApiSchema,
    /// Where it listens, per region.
    pub base_urls: PerRegion<BaseUrl>,
    /// Whether it may be where only machines near the gateway can reach it, and without TLS.
    pub allow_private: bool,
    /// The file that holds its key. `None`: a server without keys.
    pub key_file: Option<String>,
    /// The header its key goes into.
    pub key_header: KeyHeader,
    /// In what it differs from its API schema.
    pub quirks: Vec<Quirk>,
    /// Whether it is sent the keys of a request that our API does not have.
    pub forward_unknown: bool,
    /// How much may be asked of it at a time.
    pub circuit_breakers: CircuitBreakers,
    /// When it is left alone.
    pub outlier_detection: OutlierDetection,
}

impl Provider {
    /// Reads one entry of `providers`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(node: &ValueReader<'_>, keys: &BTreeSet<String>) -> Self {
        let mut entry = node.object();
        let api_schema = entry
            .required("api_schema", "`openai`, `anthropic` or `gemini`")
            .and_then(|node| node.word(&ApiSchema::WORDS))
            .unwrap_or(ApiSchema::OpenAi);
        let allow_private = entry.optional("allow_private").is_some_and(|node| node.bool());
        let provider = Self {
            api_schema,
            base_urls: read_base_urls(&mut entry, &Region::ALL, allow_private),
            allow_private,
            key_file: entry.optional("key_file").map(|node| read_key_file(&node, keys)),
            key_header: entry
                .optional("key_header")
                .and_then(|node| node.word(&KeyHeader::WORDS))
                .unwrap_or_else(|| KeyHeader::default_for(api_schema)),
            quirks: entry
                .optional("quirks")
                .map(|node| node.words(&Quirk::WORDS))
                .unwrap_or_default(),
            forward_unknown: entry.optional("forward_unknown").is_some_and(|node| node.bool()),
            circuit_breakers: CircuitBreakers::read(&mut entry),
            outlier_detection: OutlierDetection::read(&mut entry),
        };
        let is_whole = |url: &BaseUrl| url.path.ends_with("/chat/completions");
        if provider.base_urls.iter().any(|(_, url)| is_whole(url)) {
            entry.wrong("base_url", "URLs without `/chat/completions`, which goes after them");
        }
        let only =
            |schema: ApiSchema| format!("nothing, it is for `api_schema: {}` only", schema.name());
        let others = provider.quirks.iter().map(|quirk| quirk.api_schema());
        if let Some(other) = others.into_iter().find(|other| *other != api_schema) {
            entry.wrong("quirks", only(other));
        }
        if api_schema != ApiSchema::OpenAi && provider.forward_unknown {
            entry.wrong("forward_unknown", only(ApiSchema::OpenAi));
        }
        entry.finish();
        provider
    }

    /// Whether it has a quirk.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

pub(super) fn read_key_file(node: &ValueReader<'_>, keys: &BTreeSet<String>) -> String {
    let file = node.string();
    if keys.contains(&file) {
        node.wrong("a file that holds no account's key");
    }
    file
}
