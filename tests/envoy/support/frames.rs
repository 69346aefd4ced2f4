//! HTTP/2 byte by byte: heads that no library would send. RFC 9113, RFC 7541.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// An answer.
    Status(u16),
    /// The stream was reset.
    Reset,
    /// The connection was ended.
    Gone,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends a request on a connection of its own, each field as it is.
pub fn heads(address: SocketAddr, fields: &[(&str, &str)], body: &str) -> Told {
    let mut stream = TcpStream::connect(address).expect("a listener");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    bytes.extend(frame(HEADERS, END_HEADERS, 1, &block));
    bytes.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    let _ = stream.write_all(&bytes);
    told(&mut stream).unwrap_or(Told::Gone)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [head, payload.to_vec()].concat()
}

/// A field that enters no table, its name and value spelled out: RFC 7541, section 6.2.2.
fn literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A string without Huffman's code: RFC 7541, section 5.2.
fn string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
    [&[length.expect("a short string")], text.as_bytes()].concat()
}

/// Reads frames until one says what became of the request.
fn told(stream: &mut TcpStream) -> Option<Told> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).ok()?;
        match kind {
            HEADERS => return Some(Told::Status(status(&payload))),
            RST_STREAM => return Some(Told::Reset),
            GOAWAY => return Some(Told::Gone),
            _ => {}
        }
    }
}

/// The status of an answer: the first field, from the static table or its value spelled out after the
/// name's index 8. RFC 7541, appendix A.
fn status(block: &[u8]) -> u16 {
    const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [index @ 0x88..=0x8e, ..] => KNOWN[usize::from(index - 0x88)],
        [0x08 | 0x18 | 0x48, 3, digits @ ..] => {
            std::str::from_utf8(&digits[..3]).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
        }
        // In Huffman's code: 200 stands in the static table and never comes like this.
        _ => 0,
    }
}
