//! Private networks, which URLs in the configuration must not lead to: checked by the configuration
//! reader, by the command's DNS check, and by Envoy, whose configuration lists the same networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks outside of the public internet, each with the length of its prefix. IANA, *IPv4
/// Special-Purpose Address Registry* and *IPv6 Special-Purpose Address Registry*; multicast.
/// Networks for documentation are omitted.
pub const PRIVATE: [(IpAddr, u32); 17] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    // Multicast and reserved.
    v4([224, 0, 0, 0], 3),
    // Unspecified, loopback, and IPv4 in IPv6, for which IPv4 is the usual notation.
    v6([0, 0, 0], 80),
    // Local translation (RFC 8215).
    v6([0x0064, 0xff9b, 1], 48),
    v6([0x0100, 0, 0], 64),
    // Protocol assignments, such as Teredo.
    v6([0x2001, 0, 0], 23),
    v6([0xfc00, 0, 0], 7),
    // Link-local and the former site-local.
    v6([0xfe80, 0, 0], 9),
    v6([0xff00, 0, 0], 8),
];

const fn v4(octets: [u8; 4], length: u32) -> (IpAddr, u32) {
    let [a, b, c, d] = octets;
    (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(start: [u16; 3], length: u32) -> (IpAddr, u32) {
    let [a, b, c] = start;
    (IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), length)
}

/// Returns true for an address in a private network.
pub fn is_private(address: IpAddr) -> bool {
    PRIVATE.into_iter().any(|(network, length)| common_prefix(network, address) >= Some(length))
}

/// Returns the length of the common prefix of two addresses of one family, in bits.
fn common_prefix(one: IpAddr, other: IpAddr) -> Option<u32> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_ends_where_it_should() {
        let private = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 \
            127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.8 \
            192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 224.0.0.0 255.255.255.255 :: ::1 \
            ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b:1::a00:1 100::1 2001::1 2001:1ff::1 fc00:: \
            fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::1 febf::1 fec0::1 ff02::1";
        let public = "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
            128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
            192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 8.8.8.8 \
            64:ff9b::808:808 101::1 2001:200::1 2001:4860::1 2606:4700::1 fbff::1 fe7f::1";
        for (addresses, expected) in [(private, true), (public, false)] {
            for address in addresses.split_whitespace() {
                assert_eq!(is_private(address.parse().unwrap()), expected, "{address}");
            }
        }
    }
}
