//! Messages of AWS's event streams: Smithy, "Event stream specification".

use attache::event_stream::crc32;

/// A message with an event or an exception of this type.
pub fn message(kind: &str, payload: &[u8]) -> Vec<u8> {
    let is_exception = kind.ends_with("Exception");
    let (name, class) =
        if is_exception { (":exception-type", "exception") } else { (":event-type", "event") };
    let headers = [
        header(name, kind),
        header(":content-type", "application/json"),
        header(":message-type", class),
    ]
    .concat();
    let number = |length: usize| u32::try_from(length).expect("a short message").to_be_bytes();
    // The prelude, its checksum and the last checksum are 16 bytes.
    let mut message = [number(16 + headers.len() + payload.len()), number(headers.len())].concat();
    message.extend(crc32(&message).to_be_bytes());
    message.extend(headers);
    message.extend_from_slice(payload);
    message.extend(crc32(&message).to_be_bytes());
    message
}

/// A header that is a text, whose type is 7.
fn header(name: &str, value: &str) -> Vec<u8> {
    let name_length = u8::try_from(name.len()).expect("a short name");
    let length = u16::try_from(value.len()).expect("a short value").to_be_bytes();
    [&[name_length], name.as_bytes(), &[7], &length, value.as_bytes()].concat()
}
