//! Gzip without compression (RFC 1952 around the stored blocks of RFC 1951, 3.2.4): enough to see
//! what becomes of a compressed answer.

use bytes::Bytes;

/// Magic number, method deflate, no flags, no time, no extra flags, system unknown: RFC 1952, 2.3.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty last block.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 255, 255];

/// Wraps frames so that each can be decoded as soon as it has arrived.
pub fn wrap(frames: &[Bytes]) -> Vec<Bytes> {
    let mut wrapped: Vec<Bytes> = frames.iter().map(|frame| stored(frame).into()).collect();
    wrapped.insert(0, Bytes::from_static(&HEADER));
    wrapped.push(trailer(&frames.concat()).into());
    wrapped
}

/// Stored blocks: the length and its complement, two bytes each, little-endian, then the bytes.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(bytes.len() + 5);
    for block in bytes.chunks(usize::from(u16::MAX)) {
        let length = u16::try_from(block.len()).expect("a chunk of at most `u16::MAX`");
        blocks.push(0);
        blocks.extend(length.to_le_bytes());
        blocks.extend((!length).to_le_bytes());
        blocks.extend(block);
    }
    blocks
}

/// The last block, then the checksum and the length modulo 2^32, little-endian.
fn trailer(content: &[u8]) -> Vec<u8> {
    let mut trailer = LAST_BLOCK.to_vec();
    trailer.extend(checksum(content).to_le_bytes());
    trailer.extend((content.len() as u32).to_le_bytes());
    trailer
}

/// CRC-32 bit by bit, with the reversed polynomial of RFC 1952, 8.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |checksum, byte| {
        (0..8).fold(checksum ^ u32::from(*byte), |rest, _| {
            if rest & 1 == 1 { (rest >> 1) ^ 0xedb8_8320 } else { rest >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_frame_becomes_a_stored_block() {
        assert_eq!(stored(b"ab"), [0, 2, 0, 253, 255, b'a', b'b']);
        assert_eq!(stored(&[7; 65_536]).len(), 65_536 + 2 * 5);
    }
}
