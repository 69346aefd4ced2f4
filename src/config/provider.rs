//! Providers: the APIs that serve models.

use std::collections::BTreeSet;

use super::{
    auth::{AUTH, Auth},
    base_url::{BaseUrl, read_base_urls},
    health::{CIRCUIT_BREAKERS, CircuitBreakers, OUTLIER_DETECTION, OutlierDetection},
    key_file::read_key_file,
    read::ObjectReader,
    table::{
        ValueType::{Flag, List, Object, Path, Url},
        defaults_to, object_table, optional, required, word, words, words_of,
    },
};
use crate::region::PerRegion;

object_table! {
    /// Provider: one API with one key, or with a pool of keys.
    pub(super) static PROVIDER = "provider" {
        /// API schema that the provider speaks.
        "api_schema": word(|| words_of(&ApiSchema::WORDS)),
            required("`openai`, `openai-responses`, `anthropic`, `gemini` or `bedrock-converse`");
        /// Accepts URLs with `http`, private hosts, and names that resolve to private addresses.
        "allow_private": Flag, defaults_to("false");
        /// Base URL per region, at least one.
        "base_url": Object(&PROVIDER_URLS),
            required("an object, `us`, `eu` or `global` to URL");
        /// File that holds the provider's key.
        "key_file": Path, optional("no key is sent");
        /// Files that hold the keys of a pool, at most 16, in place of a `key_file`. Each request is
        /// sent with one of them.
        "key_files": List(&Path), optional("no pool");
        /// Header that carries the key.
        "key_header": word(|| words_of(&KeyHeader::WORDS)), optional("by `api_schema`");
        /// Credentials that Envoy gets and renews, in place of a `key_file`.
        "auth": Object(&AUTH), optional("none");
        /// Deviations from the API schema. All but `raw_predict` are for `openai`.
        "quirks": words(|| words_of(&Quirk::WORDS)), optional("none");
        /// Forwards the keys of a request that the gateway's API does not have; `openai` only.
        "forward_unknown": Flag, defaults_to("false");
        /// Limits on concurrent work, per region.
        "circuit_breakers": Object(&CIRCUIT_BREAKERS), optional("the defaults of its fields");
        /// Ejection after repeated failures, per region.
        "outlier_detection": Object(&OUTLIER_DETECTION), optional("the defaults of its fields");
    }
}

object_table! {
    /// Base URLs of a provider.
    static PROVIDER_URLS = "provider.base_url" {
        /// Base URL for requests to the US gateway.
        "us": Url, optional("not available there");
        /// Base URL for requests to the EU gateway.
        "eu": Url, optional("not available there");
        /// Base URL for requests to the US gateway with `model_region: "global"`.
        "global": Url, optional("not available there");
    }
}

/// Wire format of a provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiSchema {
    /// `POST {base_url}/chat/completions`.
    OpenAi,
    /// `POST {base_url}/responses`.
    OpenAiResponses,
    /// `POST {base_url}/messages`.
    Anthropic,
    /// `POST {base_url}/models/{model}:generateContent`. On Vertex AI the base URL ends in
    /// `/publishers/google`.
    Gemini,
    /// `POST {base_url}/model/{model}/converse`, of Amazon Bedrock.
    BedrockConverse,
}

impl ApiSchema {
    const WORDS: [(&'static str, Self); 5] = [
        ("openai", Self::OpenAi),
        ("openai-responses", Self::OpenAiResponses),
        ("anthropic", Self::Anthropic),
        ("gemini", Self::Gemini),
        ("bedrock-converse", Self::BedrockConverse),
    ];

    /// All API schemas.
    pub const ALL: [Self; 5] =
        [Self::OpenAi, Self::OpenAiResponses, Self::Anthropic, Self::Gemini, Self::BedrockConverse];

    /// Words of OpenAI's own API schemas, of which one provider may have both.
    pub(super) const OPENAI_WORDS: [(&'static str, Self); 2] =
        [("openai", Self::OpenAi), ("openai-responses", Self::OpenAiResponses)];

    /// Whether the API schema is one of OpenAI's own.
    pub fn is_of_openai(self) -> bool {
        matches!(self, Self::OpenAi | Self::OpenAiResponses)
    }

    /// Returns the word in the configuration.
    pub fn name(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, schema)| *schema == self).map_or("", |(word, _)| word)
    }
}

/// Request header that carries a provider's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Authorization,
    /// `x-api-key: KEY`, of Anthropic.
    XApiKey,
    /// `x-goog-api-key: KEY`, of Google AI Studio.
    XGoogApiKey,
    /// `api-key: KEY`, of Azure.
    ApiKey,
}

impl KeyHeader {
    const WORDS: [(&'static str, Self); 4] = [
        ("authorization", Self::Authorization),
        ("x-api-key", Self::XApiKey),
        ("x-goog-api-key", Self::XGoogApiKey),
        ("api-key", Self::ApiKey),
    ];

    /// Returns the name of the header.
    pub fn name(self) -> &'static str {
        Self::WORDS.into_iter().find(|(_, header)| *header == self).map_or("", |(word, _)| word)
    }

    /// Returns the text in front of the key.
    pub fn prefix(self) -> &'static str {
        if self == Self::Authorization { "Bearer " } else { "" }
    }

    fn default_for(schema: ApiSchema) -> Self {
        match schema {
            ApiSchema::OpenAi | ApiSchema::OpenAiResponses | ApiSchema::BedrockConverse => {
                Self::Authorization
            }
            ApiSchema::Anthropic => Self::XApiKey,
            ApiSchema::Gemini => Self::XGoogApiKey,
        }
    }
}

/// Deviation of a server from its API schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// The limit of a response is sent under its old name, `max_tokens`.
    MaxTokens,
    /// `developer` is sent as `system`.
    SystemForDeveloper,
    /// The `name` of a message is sent in front of its content, `name: content`.
    NameInContent,
    /// Arrays of text parts are sent as one string.
    TextInOneString,
    /// `stream_options` is not sent, so usage may be missing.
    NoStreamOptions,
    /// `strict` is removed from tools.
    NoStrictTools,
    /// An assistant message with tool calls carries `reasoning_content`, a space if the client did
    /// not return it.
    ReasoningWithToolCalls,
    /// An assistant message carries the `reasoning_details` of its response, as OpenRouter requires.
    ReasoningDetails,
    /// Reasoning in tags at the beginning of the content, such as `<think>`, is returned as
    /// `reasoning_content`.
    ReasoningTags,
    /// As [`Self::ReasoningTags`], where the chat template writes the opening tag, so that the
    /// content begins inside of the reasoning.
    ReasoningTagInPrompt,
    /// `enable_thinking: false` is sent when the response is not streamed.
    ThinkingOnlyStreamed,
    /// The schemas of tools are sent in the form that Moonshot accepts.
    MoonshotSchemas,
    /// The model is sent in the path, `:rawPredict`, and not in the body: Claude on Vertex AI.
    RawPredict,
}

impl Quirk {
    /// Returns the API schema whose servers may have the quirk.
    pub fn api_schema(self) -> ApiSchema {
        match self {
            Self::RawPredict => ApiSchema::Anthropic,
            _ => ApiSchema::OpenAi,
        }
    }

    /// Words in the configuration.
    pub const WORDS: [(&'static str, Self); 13] = [
        ("max_tokens", Self::MaxTokens),
        ("system_for_developer", Self::SystemForDeveloper),
        ("name_in_content", Self::NameInContent),
        ("text_in_one_string", Self::TextInOneString),
        ("no_stream_options", Self::NoStreamOptions),
        ("no_strict_tools", Self::NoStrictTools),
        ("reasoning_with_tool_calls", Self::ReasoningWithToolCalls),
        ("reasoning_details", Self::ReasoningDetails),
        ("reasoning_tags", Self::ReasoningTags),
        ("reasoning_tag_in_prompt", Self::ReasoningTagInPrompt),
        ("thinking_only_streamed", Self::ThinkingOnlyStreamed),
        ("moonshot_schemas", Self::MoonshotSchemas),
        ("raw_predict", Self::RawPredict),
    ];
}

/// Position of a key in a provider's pool. A provider without a pool has the first only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolKey(usize);

impl PoolKey {
    /// The first key, or the only one, or none at all.
    pub const FIRST: Self = Self(0);

    /// Returns the end of the names of what belongs to the key, such as `-key2`. Empty for the first.
    pub fn suffix(self) -> String {
        if self == Self::FIRST {
            String::new()
        } else {
            ["-key", &(self.0 + 1).to_string()].concat()
        }
    }
}

/// Maximum number of keys in a pool.
const MAX_KEYS: usize = 16;

/// Provider: one API with one key, or with a pool of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// API schema that the provider speaks.
    pub api_schema: ApiSchema,
    /// Base URL, per region.
    pub base_urls: PerRegion<BaseUrl>,
    /// Whether `http` and private hosts are accepted.
    pub allow_private: bool,
    /// Files that hold the keys. Empty: no key is sent.
    pub key_files: Vec<String>,
    /// Header that carries the key.
    pub key_header: KeyHeader,
    /// Credentials that Envoy gets and renews.
    pub auth: Option<Auth>,
    /// Deviations from the API schema.
    pub quirks: Vec<Quirk>,
    /// Whether the keys of a request that the gateway's API does not have are forwarded.
    pub forward_unknown: bool,
    /// Limits on concurrent work.
    pub circuit_breakers: CircuitBreakers,
    /// Ejection after repeated failures.
    pub outlier_detection: OutlierDetection,
}

impl Provider {
    /// Reads one entry of `providers`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(entry: ObjectReader<'_>, keys: &BTreeSet<String>) -> Self {
        let schema = entry.word("api_schema", &ApiSchema::WORDS).unwrap_or(ApiSchema::OpenAi);
        let allow_private = entry.flag("allow_private");
        let base_urls = read_base_urls(&entry, "base_url", "`us`, `eu` or `global`", allow_private);
        let auth = entry.get("auth").map(|auth| auth.object());
        let provider = Self {
            api_schema: schema,
            auth: auth.and_then(|auth| Auth::read(auth, keys, &base_urls, allow_private)),
            base_urls,
            allow_private,
            key_files: read_key_files(&entry, keys),
            key_header: entry
                .word("key_header", &KeyHeader::WORDS)
                .unwrap_or_else(|| KeyHeader::default_for(schema)),
            quirks: entry.words("quirks", &Quirk::WORDS),
            forward_unknown: entry.flag("forward_unknown"),
            circuit_breakers: CircuitBreakers::read(entry.section("circuit_breakers")),
            outlier_detection: OutlierDetection::read(entry.section("outlier_detection")),
        };
        provider.check(&entry);
        entry.finish();
        provider
    }

    /// Checks values against each other.
    fn check(&self, entry: &ObjectReader<'_>) {
        for path in ["/chat/completions", "/responses"] {
            if self.base_urls.iter().any(|(_, url)| url.path.ends_with(path)) {
                entry.wrong("base_url", format!("URLs without `{path}`, which goes after them"));
            }
        }
        if self.auth.is_some() && !self.key_files.is_empty() {
            entry.wrong("auth", "nothing, as there is a `key_file`");
        }
        let only =
            |schema: ApiSchema| format!("nothing, it is for `api_schema: {}` only", schema.name());
        let mut schemas = self.quirks.iter().map(|quirk| quirk.api_schema());
        if let Some(other) = schemas.find(|schema| *schema != self.api_schema) {
            entry.wrong("quirks", only(other));
        }
        if self.api_schema != ApiSchema::OpenAi && self.forward_unknown {
            entry.wrong("forward_unknown", only(ApiSchema::OpenAi));
        }
    }

    /// Whether the provider may be asked in either of OpenAI's API schemas. Quirks and
    /// `forward_unknown` are rules of one.
    pub(super) fn takes_both_of_openai(&self) -> bool {
        self.api_schema.is_of_openai() && self.quirks.is_empty() && !self.forward_unknown
    }

    /// Returns the files with the secrets that Envoy sends: the keys, or the client secret that gets its
    /// tokens.
    pub fn secret_files(&self) -> &[String] {
        match &self.auth {
            Some(Auth::Azure(azure)) => std::slice::from_ref(&azure.client_secret_file),
            Some(Auth::Aws(_)) | None => &self.key_files,
        }
    }

    /// Returns the places of [`Self::secret_files`].
    pub fn secret_files_mut(&mut self) -> &mut [String] {
        match &mut self.auth {
            Some(Auth::Azure(azure)) => std::slice::from_mut(&mut azure.client_secret_file),
            Some(Auth::Aws(_)) | None => &mut self.key_files,
        }
    }

    /// Returns the keys, or one that stands for none.
    pub fn pool(&self) -> impl Iterator<Item = PoolKey> + use<> {
        (0..self.key_files.len().max(1)).map(PoolKey)
    }

    /// Whether the provider has a quirk.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

/// Reads `key_file`, or `key_files` in its place.
fn read_key_files(entry: &ObjectReader<'_>, keys: &BTreeSet<String>) -> Vec<String> {
    let single = entry.get("key_file").map(|path| read_key_file(&path, keys));
    let Some(pool) = entry.get("key_files") else { return Vec::from_iter(single) };
    let items = pool.list();
    if single.is_some() {
        pool.wrong("nothing, as there is a `key_file`");
    } else if !(1..=MAX_KEYS).contains(&items.len()) && pool.value().is_array() {
        pool.wrong(format!("1 to {MAX_KEYS} files"));
    }
    let mut files = Vec::new();
    for item in items {
        let file = read_key_file(&item, keys);
        if files.contains(&file) {
            item.wrong("each file once");
        }
        files.push(file);
    }
    files
}
