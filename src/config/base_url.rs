//! URLs of providers and other services.

use std::net::IpAddr;

use http::Uri;

use super::read::{ObjectReader, ValueReader};
use crate::{network, region::PerRegion};

/// Beginning of a provider's or service's URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name or IP address, IPv6 in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path in front of the API's own path, without a slash at the end.
    pub path: String,
}

impl BaseUrl {
    /// Returns `host`, with the port unless it is the scheme's default.
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        if self.port == default {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Placeholder for a URL that is wrong.
    pub(super) const PLACEHOLDER: Self =
        Self { tls: true, host: String::new(), port: 443, path: String::new() };

    /// Reads the URL of one of the operator's own services: no path, and any host.
    pub(super) fn read_origin(value: &ValueReader<'_>, example: &str) -> Self {
        let allowed = format!("a URL without a path, such as `{example}`");
        let url = read_any_url(value, &allowed);
        if url.as_ref().is_some_and(|url| !url.path.is_empty()) {
            value.wrong(allowed);
        }
        url.unwrap_or(Self::PLACEHOLDER)
    }

    /// Returns `None` if requests cannot be sent to the URL.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        // The dot of an absolute name makes no difference to DNS, and certificates omit it.
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let port = match authority.port_u16() {
            // The parser also accepts a number with a sign.
            Some(port) if port > 0 && !authority.as_str().contains('+') => port,
            // The text after the host is not a port.
            _ if authority.as_str() != host => return None,
            _ if tls => 443,
            _ => 80,
        };
        let path = uri.path().trim_end_matches('/').to_owned();
        let url = Self { tls, host: name, port, path };
        let is_reachable = url.address().is_some() || is_host_name(&url.host);
        (is_reachable && url.path.is_ascii()).then_some(url)
    }

    /// Returns the host, if it is an IP address.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    /// Whether only machines near the gateway can reach the host.
    fn is_private(&self) -> bool {
        self.address().map_or_else(|| is_private_name(&self.host), network::is_private)
    }
}

/// Whether a text is a host name. RFC 1123, section 2.1, and the underscore that many resolvers
/// accept.
fn is_host_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    host.len() <= 253 && host.split('.').all(label)
}

/// Whether a host name is private: without a dot, or under a domain of RFC 6761, RFC 6762 or RFC
/// 8375, or under `internal`, which ICANN reserves for private use. Names such as `127.1` and `0x7f.1`
/// are private because resolvers read them as addresses.
fn is_private_name(host: &str) -> bool {
    let Some((rest, last)) = host.rsplit_once('.') else { return true };
    matches!(last, "localhost" | "local" | "internal")
        || last.starts_with(|c: char| c.is_ascii_digit())
        || (last == "arpa" && (rest == "home" || rest.ends_with(".home")))
}

/// Reads a field with a URL per region. `regions` names the regions for messages.
pub(super) fn read_base_urls(
    entry: &ObjectReader<'_>,
    field: &'static str,
    regions: &str,
    allow_private: bool,
) -> PerRegion<BaseUrl> {
    let Some(urls) = entry.get(field) else { return PerRegion::default() };
    let allowed = format!("{regions}, at least one of them");
    urls.per_region(&allowed, |url, _| read_url(url, allow_private))
}

/// Reads a URL. `None` comes with a mistake.
fn read_any_url(value: &ValueReader<'_>, allowed: &str) -> Option<BaseUrl> {
    let text = value.value().as_str().unwrap_or_default();
    // The URL may contain a password or a key, so the message does not show it.
    if text.contains(['@', '?', '#']) {
        value.wrong_as("a URL with `@`, `?` or `#`", allowed);
        return None;
    }
    let url = BaseUrl::parse(text);
    if url.is_none() {
        value.wrong(allowed);
    }
    url
}

/// Allowed hosts, in messages about a private host and about a name that resolves to a private
/// address.
pub const PUBLIC_HOST: &str = "a public host, or `allow_private: true` in this entry";

/// Reads the URL of a provider. A wrong URL becomes a placeholder, so that models of its region cause
/// no further mistake.
pub(super) fn read_url(value: &ValueReader<'_>, allow_private: bool) -> BaseUrl {
    let Some(url) = read_any_url(value, "a URL such as `https://api.example.com/v1`") else {
        return BaseUrl::PLACEHOLDER;
    };
    if !allow_private && !url.tls {
        value.wrong("`https`, or `allow_private: true` in this entry");
    }
    if !allow_private && url.is_private() {
        value.wrong(PUBLIC_HOST);
    }
    url
}
