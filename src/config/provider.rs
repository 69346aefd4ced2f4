//! Who runs the models, and how they are spoken to.

use std::net::IpAddr;

use http::Uri;

use super::read::{Node, Object};
use crate::region::{PerRegion, Region};

/// The wire format a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiSchema {
    /// `POST {base_url}/chat/completions`.
    OpenAi,
    /// `POST {base_url}/messages`.
    Anthropic,
    /// `POST {base_url}/models/{model}:generateContent`.
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

    fn usual(schema: ApiSchema) -> Self {
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
    /// `enable_thinking: false` is sent when the answer is not streamed.
    ThinkingOnlyStreamed,
    /// Claude on Vertex AI: the model goes into the path, `:rawPredict`, and not into the body.
    RawPredict,
}

impl Quirk {
    /// The words in the configuration.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("max_tokens", Self::MaxTokens),
        ("system_for_developer", Self::SystemForDeveloper),
        ("name_in_content", Self::NameInContent),
        ("text_in_one_string", Self::TextInOneString),
        ("no_stream_options", Self::NoStreamOptions),
        ("no_strict_tools", Self::NoStrictTools),
        ("reasoning_with_tool_calls", Self::ReasoningWithToolCalls),
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
    /// The file that holds its key. `None`: a server without keys.
    pub key_file: Option<String>,
    /// The header its key goes into.
    pub key_header: KeyHeader,
    /// In what it differs from its API schema.
    pub quirks: Vec<Quirk>,
    /// Whether it is sent the keys of a request that our API does not have.
    pub forward_unknown: bool,
}

/// The beginning of a provider's URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// A name or an IP address, IPv6 in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What stands before the API's own path, without a slash at the end.
    pub path: String,
}

impl BaseUrl {
    /// `host`, with the port unless it is the scheme's own.
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if uri.query().is_some() || authority.as_str().contains('@') {
            return None;
        }
        Some(Self {
            tls,
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether the host is one that only machines near the gateway can reach.
    fn is_private(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        let local = |suffix: &str| host.ends_with(suffix);
        match host.parse() {
            Ok(IpAddr::V4(v4)) => {
                v4.is_private()
                    || v4.is_loopback()
                    || v4.is_link_local()
                    || v4.is_unspecified()
                    || matches!(v4.octets(), [100, 64..=127, ..])
            }
            Ok(IpAddr::V6(v6)) => {
                let mapped =
                    v6.to_ipv4_mapped().map(|v4| Self { host: v4.to_string(), ..self.clone() });
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || mapped.is_some_and(|mapped| mapped.is_private())
            }
            Err(_) => {
                host == "localhost"
                    || [".localhost", ".local", ".internal"].into_iter().any(local)
                    || !host.contains('.')
            }
        }
    }
}

impl Provider {
    /// Reads one entry of `providers`.
    pub(super) fn read(node: &Node<'_>) -> Self {
        let mut entry = node.object();
        let api_schema = entry
            .required("api_schema", "`openai`, `anthropic` or `gemini`")
            .and_then(|node| node.word(&ApiSchema::WORDS))
            .unwrap_or(ApiSchema::OpenAi);
        let allow_private = entry.optional("allow_private").is_some_and(|node| node.bool());
        let provider = Self {
            api_schema,
            base_urls: read_base_urls(&mut entry, allow_private),
            key_file: entry.optional("key_file").map(|node| node.string()),
            key_header: entry
                .optional("key_header")
                .and_then(|node| node.word(&KeyHeader::WORDS))
                .unwrap_or_else(|| KeyHeader::usual(api_schema)),
            quirks: entry
                .optional("quirks")
                .map(|node| node.words(&Quirk::WORDS))
                .unwrap_or_default(),
            forward_unknown: entry.optional("forward_unknown").is_some_and(|node| node.bool()),
        };
        entry.finish();
        provider
    }

    /// Whether it has a quirk.
    pub fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

fn read_base_urls(entry: &mut Object<'_>, allow_private: bool) -> PerRegion<BaseUrl> {
    let mut urls = PerRegion::default();
    let Some(node) = entry.required("base_url", "an object, `us`, `eu` or `global` to URL") else {
        return urls;
    };
    let mut regions = node.object();
    for region in Region::ALL {
        if let Some(url) =
            regions.optional(region.name()).and_then(|node| read_url(&node, allow_private))
        {
            urls.set(region, url);
        }
    }
    regions.finish();
    urls
}

fn read_url(node: &Node<'_>, allow_private: bool) -> Option<BaseUrl> {
    let Some(url) = BaseUrl::parse(&node.string()) else {
        node.wrong("a URL such as `https://api.example.com/v1`");
        return None;
    };
    if !allow_private && !url.tls {
        node.wrong("`https`, or `allow_private: true` in this entry");
    }
    if !allow_private && url.is_private() {
        node.wrong("a public host, or `allow_private: true` in this entry");
    }
    Some(url)
}
