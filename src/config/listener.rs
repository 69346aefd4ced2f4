//! Where Envoy listens.

use super::read::{ObjectReader, ValueReader};
use crate::region::{PerRegion, Region};

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// An IP address.
    pub address: String,
    /// 1 to 65535.
    pub port: u16,
}

impl Address {
    /// Whether only one of two can be listened on.
    fn overlaps(&self, other: &Self) -> bool {
        let is_any = |address: &str| matches!(address, "0.0.0.0" | "::");
        let addresses = [self.address.as_str(), other.address.as_str()];
        self.port == other.port
            && (self.address == other.address || addresses.into_iter().any(is_any))
    }
}

/// A gateway's own socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub socket: Address,
    /// Its certificate, when it speaks TLS itself.
    pub tls: Option<Tls>,
}

/// A certificate for a listener, in PEM files that Envoy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate_file: String,
    /// Its private key.
    pub private_key_file: String,
}

pub(super) fn read_listeners(top: &mut ObjectReader<'_>, admin: &Address) -> PerRegion<Listener> {
    let mut listeners = PerRegion::default();
    let Some(node) = top.required("listeners", "`us`, `eu` or both") else { return listeners };
    let mut regions = node.object();
    let mut taken = vec![admin.clone()];
    for region in [Region::Us, Region::Eu] {
        if let Some(entry) = regions.optional(region.name()) {
            let listener = read_listener(&entry, &taken);
            taken.push(listener.socket.clone());
            listeners.set(region, listener);
        }
    }
    regions.finish();
    if listeners.iter().next().is_none() && node.value().is_object() {
        node.wrong("`us`, `eu` or both");
    }
    listeners
}

fn read_listener(node: &ValueReader<'_>, taken: &[Address]) -> Listener {
    let before = node.mistake_count();
    let mut entry = node.object();
    let socket = read_address(&mut entry);
    if node.mistake_count() == before && taken.iter().any(|other| other.overlaps(&socket)) {
        entry.wrong("port", "a port that neither `admin` nor another listener has");
    }
    let tls = entry.optional("tls").map(|node| {
        let mut files = node.object();
        let mut file = |key| {
            files
                .required(key, "the path of a PEM file")
                .map(|node| node.string())
                .unwrap_or_default()
        };
        let (certificate_file, private_key_file) =
            (file("certificate_file"), file("private_key_file"));
        files.finish();
        Tls { certificate_file, private_key_file }
    });
    entry.finish();
    Listener { socket, tls }
}

pub(super) fn default_admin() -> Address {
    Address { address: "127.0.0.1".to_owned(), port: 9901 }
}

pub(super) fn read_admin(node: &ValueReader<'_>) -> Address {
    let mut entry = node.object();
    let address = read_address(&mut entry);
    entry.finish();
    address
}

fn read_address(entry: &mut ObjectReader<'_>) -> Address {
    let address = entry.optional("address").map_or_else(
        || "127.0.0.1".to_owned(),
        |node| {
            let address = node.string();
            if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
                node.wrong("an IP address, `0.0.0.0` for all of them");
            }
            address
        },
    );
    let port = entry.required("port", "a number from 1 to 65535");
    let port = port.map(|node| node.number(1, u16::MAX.into())).unwrap_or_default();
    Address { address, port: u16::try_from(port).unwrap_or_default() }
}
