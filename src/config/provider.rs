//! Who runs the models, and how they are spoken to.

use std::{collections::BTreeSet, net::IpAddr};

use http::Uri;

use super::{
    health::{CircuitBreakers, OutlierDetection},
    read::{Node, Object, one_of},
};
use crate::{
    network,
    region::{PerRegion, Region},
};

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

    /// What stands in for one that is wrong.
    pub(super) const NOWHERE: Self =
        Self { tls: true, host: String::new(), port: 443, path: String::new() };

    /// Reads the URL of a service: no path, and any host, for it is the operator's own.
    pub(super) fn read_origin(node: &Node<'_>, example: &str) -> Self {
        let allowed = format!("a URL without a path, such as `{example}`");
        let url = read_any_url(node, &allowed);
        if url.as_ref().is_some_and(|url| !url.path.is_empty()) {
            node.wrong(allowed);
        }
        url.unwrap_or(Self::NOWHERE)
    }

    /// None if it is no URL that requests can be sent to.
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        // Absolute names are looked up the same way, and no certificate has their dot.
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = match authority.port_u16() {
            // A number with a sign is read too.
            Some(port) if port > 0 && !authority.as_str().contains('+') => port,
            // What is there is no port.
            _ if authority.as_str() != host => return None,
            _ if tls => 443,
            _ => 80,
        };
        let path = uri.path().trim_end_matches('/').to_owned();
        let url = Self { tls, host: name, port, path };
        let leads = url.address().is_some() || is_host_name(&url.host);
        (leads && url.path.is_ascii()).then_some(url)
    }

    /// The host, if it is an address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether the host is one that only machines near the gateway can reach.
    fn is_private(&self) -> bool {
        self.address().map_or_else(|| is_private_name(&self.host), network::is_private)
    }
}

/// Whether something can be looked up. RFC 1123, section 2.1, and the underscore that many take.
fn is_host_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    host.len() <= 253 && host.split('.').all(label)
}

/// Names without a dot and those under the domains of RFC 6761, RFC 6762 and RFC 8375; `internal`
/// is kept for private use by ICANN. Resolvers read `127.1` and `0x7f.1` as addresses.
fn is_private_name(host: &str) -> bool {
    let Some((rest, last)) = host.rsplit_once('.') else { return true };
    matches!(last, "localhost" | "local" | "internal")
        || last.starts_with(|c: char| c.is_ascii_digit())
        || (last == "arpa" && (rest == "home" || rest.ends_with(".home")))
}

impl Provider {
    /// Reads one entry of `providers`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(node: &Node<'_>, keys: &BTreeSet<String>) -> Self {
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
                .unwrap_or_else(|| KeyHeader::usual(api_schema)),
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

pub(super) fn read_key_file(node: &Node<'_>, keys: &BTreeSet<String>) -> String {
    let file = node.string();
    if keys.contains(&file) {
        node.wrong("a file that holds no account's key");
    }
    file
}

pub(super) fn read_base_urls(
    entry: &mut Object<'_>,
    allowed: &[Region],
    allow_private: bool,
) -> PerRegion<BaseUrl> {
    let mut urls = PerRegion::default();
    let names = any_of(allowed);
    let Some(node) = entry.required("base_url", &format!("an object, {names} to URL")) else {
        return urls;
    };
    let mut regions = node.object();
    for region in allowed {
        if let Some(url) = regions.optional(region.name()) {
            urls.set(*region, read_url(&url, allow_private));
        }
    }
    regions.finish();
    if urls.iter().next().is_none() && node.value().is_object() {
        node.wrong(format!("{names}, at least one of them"));
    }
    urls
}

fn any_of(regions: &[Region]) -> String {
    let (last, others) = regions.split_last().unwrap_or((&Region::Us, &[]));
    format!("{} or `{}`", one_of(others.iter().map(|region| region.name())), last.name())
}

/// None comes with a mistake.
fn read_any_url(node: &Node<'_>, allowed: &str) -> Option<BaseUrl> {
    let text = node.value().as_str().unwrap_or_default();
    // There may be a password or a key in it, so the message does not show it.
    if text.contains(['@', '?', '#']) {
        node.wrong_as("a URL with `@`, `?` or `#`", allowed);
        return None;
    }
    let url = BaseUrl::parse(text);
    if url.is_none() {
        node.wrong(allowed);
    }
    url
}

/// What an address has to be. The command says it of a name that leads to another.
pub const PUBLIC_HOST: &str = "a public host, or `allow_private: true` in this entry";

/// One that is wrong stands for itself, so that no model's region seems to be missing.
pub(super) fn read_url(node: &Node<'_>, allow_private: bool) -> BaseUrl {
    let Some(url) = read_any_url(node, "a URL such as `https://api.example.com/v1`") else {
        return BaseUrl::NOWHERE;
    };
    if !allow_private && !url.tls {
        node.wrong("`https`, or `allow_private: true` in this entry");
    }
    if !allow_private && url.is_private() {
        node.wrong(PUBLIC_HOST);
    }
    url
}
