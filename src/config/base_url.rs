//! Where a provider or another service listens.

use std::net::IpAddr;

use http::Uri;

use super::read::{ObjectReader, ValueReader, one_of};
use crate::{
    network,
    region::{PerRegion, Region},
};

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
    pub(super) const PLACEHOLDER: Self =
        Self { tls: true, host: String::new(), port: 443, path: String::new() };

    /// Reads the URL of a service: no path, and any host, for it is the operator's own.
    pub(super) fn read_origin(node: &ValueReader<'_>, example: &str) -> Self {
        let allowed = format!("a URL without a path, such as `{example}`");
        let url = read_any_url(node, &allowed);
        if url.as_ref().is_some_and(|url| !url.path.is_empty()) {
            node.wrong(allowed);
        }
        url.unwrap_or(Self::PLACEHOLDER)
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
        let is_reachable = url.address().is_some() || is_host_name(&url.host);
        (is_reachable && url.path.is_ascii()).then_some(url)
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

pub(super) fn read_base_urls(
    entry: &mut ObjectReader<'_>,
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
fn read_any_url(node: &ValueReader<'_>, allowed: &str) -> Option<BaseUrl> {
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
pub(super) fn read_url(node: &ValueReader<'_>, allow_private: bool) -> BaseUrl {
    let Some(url) = read_any_url(node, "a URL such as `https://api.example.com/v1`") else {
        return BaseUrl::PLACEHOLDER;
    };
    if !allow_private && !url.tls {
        node.wrong("`https`, or `allow_private: true` in this entry");
    }
    if !allow_private && url.is_private() {
        node.wrong(PUBLIC_HOST);
    }
    url
}
