//! Request ids: UUIDs of version 4, RFC 9562 section 5.4.

/// Creates a UUID v4 from random bytes.
pub fn uuid(mut bytes: [u8; 16]) -> String {
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for nibble in [byte >> 4, byte & 0x0f] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// Returns true for a UUID in its usual form, the only form that the gateway accepts as an id.
pub fn is_uuid(text: &str) -> bool {
    let hyphen = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    let fits = |(index, byte): (usize, u8)| match hyphen(index) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_variant_are_set_whatever_the_bytes() {
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid([255; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn only_uuids_are_ids() {
        assert!(is_uuid(&uuid([7; 16])));
        for text in [
            "",
            "x",
            "00000000-0000-4000-8000-00000000000",
            "0000000000000-4000-8000-0000000000000",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
