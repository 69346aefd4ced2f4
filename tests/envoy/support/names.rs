//! A name server for Envoy: names that lead to addresses of a test's choice. RFC 1035, section 4.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;

/// Where the question begins.
const HEADER: usize = 12;

/// Answers every question from a list, and says of all other names that they have no address. The
/// thread ends with the process.
pub fn serve(names: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(&answer(&packet[..length], names), client);
        }
    });
    address
}

fn answer(packet: &[u8], names: &[(&str, &str)]) -> Vec<u8> {
    let (name, end) = name(packet);
    let question = &packet[HEADER..end + 4];
    let kind = u16::from_be_bytes([packet[end], packet[end + 1]]);
    let found = names.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
    let addresses = found.map_or("", |(_, addresses)| addresses).split_whitespace();
    let records: Vec<Vec<u8>> = addresses.filter_map(|address| record(address, kind)).collect();
    let count = u16::try_from(records.len()).expect("a few").to_be_bytes();
    let flags = [0x81, 0x80, 0, 1, count[0], count[1], 0, 0, 0, 0];
    [&packet[..2], &flags, question, &records.concat()].concat()
}

/// The name that is asked for, and where it ends.
fn name(packet: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while packet[at] > 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8_lossy(&packet[at + 1..end]));
        at = end;
    }
    (labels.join("."), at + 1)
}

/// An address as a record, if that is of the kind that is asked for. It is good for a minute.
fn record(address: &str, kind: u16) -> Option<Vec<u8>> {
    let (own, octets) = match address.parse().expect("an address") {
        IpAddr::V4(address) => (1_u16, address.octets().to_vec()),
        IpAddr::V6(address) => (28, address.octets().to_vec()),
    };
    let length = u16::try_from(octets.len()).expect("a few").to_be_bytes();
    let head = [0xc0, 0x0c, 0, own.to_be_bytes()[1], 0, 1, 0, 0, 0, 60];
    (own == kind).then(|| [&head[..], &length, &octets].concat())
}
