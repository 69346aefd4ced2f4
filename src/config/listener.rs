//! Sockets that Envoy listens on: one gateway per region, and the administration interface.

use super::{
    read::{ObjectReader, ValueReader},
    table::{
        ValueType::{IpAddress, Number, Object, Path},
        defaults_to, object_table, optional, required,
    },
};
use crate::region::PerRegion;

object_table! {
    /// Gateways, one per region.
    pub(super) static LISTENERS = "listeners" {
        /// Gateway in the US. Requests go to the `us` URL of a provider, or to its `global` URL if
        /// the request has `model_region: "global"`.
        "us": Object(&LISTENER), optional("no gateway");
        /// Gateway in the EU. Requests go to the `eu` URL of a provider only.
        "eu": Object(&LISTENER), optional("no gateway");
    }
}

object_table! {
    /// Socket of one gateway.
    static LISTENER = "listener" {
        /// Address to listen on; `0.0.0.0` is every interface.
        "address": IpAddress, defaults_to("127.0.0.1");
        /// Port to listen on, different from every other listener's and from the port of `admin`.
        "port": Number { least: 1, most: 65535 }, required("a number from 1 to 65535");
        /// Certificate of the gateway.
        "tls": Object(&TLS), optional("no TLS");
    }
}

object_table! {
    /// Certificate of a gateway, in files that Envoy reads.
    static TLS = "tls" {
        /// Certificate chain in PEM, the leaf first.
        "certificate_file": Path, required("the path of a PEM file");
        /// Private key in PEM.
        "private_key_file": Path, required("the path of a PEM file");
    }
}

object_table! {
    /// Administration interface of Envoy.
    pub(super) static ADMIN = "admin" {
        /// Address to listen on.
        "address": IpAddress, defaults_to("127.0.0.1");
        /// Port to listen on.
        "port": Number { least: 1, most: 65535 }, required("a number from 1 to 65535");
    }
}

/// Socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// IP address.
    pub address: String,
    /// Port, 1 to 65535.
    pub port: u16,
}

impl Address {
    /// Whether only one of two sockets can be opened.
    fn overlaps(&self, other: &Self) -> bool {
        let is_any = |address: &str| matches!(address, "0.0.0.0" | "::");
        let addresses = [self.address.as_str(), other.address.as_str()];
        self.port == other.port
            && (self.address == other.address || addresses.into_iter().any(is_any))
    }

    fn read(entry: &ObjectReader<'_>) -> Self {
        let address = entry.string("address");
        if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
            entry.wrong("address", "an IP address, `0.0.0.0` for all of them");
        }
        Self { address, port: u16::try_from(entry.number("port")).unwrap_or_default() }
    }
}

/// Socket of one gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port.
    pub socket: Address,
    /// Certificate. `None` if the gateway does not terminate TLS.
    pub tls: Option<Tls>,
}

/// Certificate of a gateway, in PEM files that Envoy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, leaf first.
    pub certificate_file: String,
    /// Private key.
    pub private_key_file: String,
}

impl Tls {
    fn read(entry: ObjectReader<'_>) -> Self {
        let tls = Self {
            certificate_file: entry.string("certificate_file"),
            private_key_file: entry.string("private_key_file"),
        };
        entry.finish();
        tls
    }
}

/// Reads `admin`.
pub(super) fn read_admin(top: &ObjectReader<'_>) -> Address {
    let Some(value) = top.get("admin") else {
        return Address { address: "127.0.0.1".to_owned(), port: 9901 };
    };
    let entry = value.object();
    let address = Address::read(&entry);
    entry.finish();
    address
}

/// Reads `listeners`. No two of them overlap, nor does one overlap `admin`.
pub(super) fn read_listeners(top: &ObjectReader<'_>, admin: &Address) -> PerRegion<Listener> {
    let mut taken = vec![admin.clone()];
    let Some(listeners) = top.get("listeners") else { return PerRegion::default() };
    listeners.per_region("`us`, `eu` or both", |value, _| {
        let listener = read_listener(value, &taken);
        taken.push(listener.socket.clone());
        listener
    })
}

fn read_listener(value: &ValueReader<'_>, taken: &[Address]) -> Listener {
    let before = value.mistake_count();
    let entry = value.object();
    let socket = Address::read(&entry);
    if value.mistake_count() == before && taken.iter().any(|other| other.overlaps(&socket)) {
        entry.wrong("port", "a port that neither `admin` nor another listener has");
    }
    let tls = entry.get("tls").map(|value| Tls::read(value.object()));
    entry.finish();
    Listener { socket, tls }
}
