//! Vectors, in both forms that an answer may have.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// Form of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorEncoding {
    /// Arrays of numbers.
    Numbers,
    /// Numbers of 32 bits, the lowest byte first, in base64. OpenAI's SDKs ask for this form unless
    /// their user names one.
    Base64,
}

impl VectorEncoding {
    /// Returns a provider's vector in this form, as JSON. A vector that is in base64 already stays as
    /// it is. `None` for anything but a vector.
    pub fn encode(self, vector: &RawValue) -> Option<Cow<'_, str>> {
        let json = vector.get();
        if self == Self::Numbers || json.starts_with('"') {
            return json.starts_with(['[', '"']).then_some(Cow::Borrowed(json));
        }
        let items = json.strip_prefix('[')?.strip_suffix(']')?.trim();
        let mut bytes = Vec::new();
        for item in items.split(',').filter(|_| !items.is_empty()) {
            bytes.extend_from_slice(&single(item.trim().parse().ok()?).to_le_bytes());
        }
        Some(Cow::Owned(base64(&bytes)))
    }
}

/// Returns a number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "clients ask for numbers of 32 bits")]
fn single(number: f64) -> f32 {
    number as f32
}

/// Returns bytes as a JSON string in base64. RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
    out.push('"');
    for group in bytes.chunks(3) {
        let padded: u32 = (0..3).fold(0, |all, index| {
            all << 8 | u32::from(group.get(index).copied().unwrap_or_default())
        });
        let digits = (0..=group.len()).map(|index| digit(padded >> (18 - 6 * index)));
        out.extend(digits);
        out.extend(std::iter::repeat_n('=', 3 - group.len()));
    }
    out.push('"');
    out
}

/// Returns the digit of the lowest six bits.
fn digit(bits: u32) -> char {
    let digit = ALPHABET.get((bits & 63) as usize);
    char::from(digit.copied().unwrap_or_default())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_numbers_or_base64() {
        let numbers = "[0.5, -1.25e-2,3]";
        let cases = [
            (VectorEncoding::Numbers, numbers, Some(numbers)),
            (VectorEncoding::Numbers, r#""AAAAPw==""#, Some(r#""AAAAPw==""#)),
            (VectorEncoding::Numbers, "7", None),
            (VectorEncoding::Base64, "[0.5]", Some(r#""AAAAPw==""#)),
            (VectorEncoding::Base64, "[0.5,-2]", Some(r#""AAAAPwAAAMA=""#)),
            (VectorEncoding::Base64, "[0.5, -2, 1.5]", Some(r#""AAAAPwAAAMAAAMA/""#)),
            (VectorEncoding::Base64, r#""AAAAPw==""#, Some(r#""AAAAPw==""#)),
            (VectorEncoding::Base64, "[]", Some(r#""""#)),
            (VectorEncoding::Base64, r#"["a"]"#, None),
            (VectorEncoding::Base64, "{}", None),
        ];
        for (encoding, vector, expected) in cases {
            let raw: &RawValue = serde_json::from_str(vector).unwrap();
            assert_eq!(encoding.encode(raw).as_deref(), expected, "{encoding:?} {vector}");
        }
    }
}
