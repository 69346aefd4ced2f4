//! The rate limit service that several Envoys share: what it is asked and what it answers, in the
//! protocol buffers of `envoy/service/ratelimit/v3/rls.proto`.

use std::{num::NonZeroU32, time::Duration};

use super::{Counted, LimitStatus, Verdict, WINDOW};
use crate::time::Timestamp;

/// The gRPC service.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";

/// Its only method.
pub const METHOD: &str = "ShouldRateLimit";

/// A `RateLimitRequest`: one descriptor, the account and the model, with our own limit for services
/// that take the limit from who asks.
pub fn request(domain: &str, account: &str, model: &str, limit: NonZeroU32) -> Vec<u8> {
    let mut descriptor = Vec::with_capacity(128);
    for (key, value) in [("account", account), ("model", model)] {
        let mut entry = Vec::with_capacity(64);
        put_bytes(&mut entry, 1, key.as_bytes());
        put_bytes(&mut entry, 2, value.as_bytes());
        put_bytes(&mut descriptor, 1, &entry);
    }
    let mut own = Vec::new();
    put_number(&mut own, 1, limit.get());
    put_number(&mut own, 2, MINUTE);
    put_bytes(&mut descriptor, 2, &own);
    let mut request = Vec::with_capacity(descriptor.len() + domain.len() + 8);
    put_bytes(&mut request, 1, domain.as_bytes());
    put_bytes(&mut request, 2, &descriptor);
    request
}

/// `RateLimitUnit.MINUTE`.
const MINUTE: u32 = 2;

/// What a service said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitResponse {
    /// Whether the request may be made. `None`: it does not say.
    admits: Option<bool>,
    limit: Option<NonZeroU32>,
    remaining: Option<u32>,
    reset: Option<Duration>,
}

impl RateLimitResponse {
    /// Reads a `RateLimitResponse`. `None` if it is none, or says nothing.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut answer = Self::default();
        each(bytes, |number, value| match (number, value) {
            (1, Value::Number(1)) => answer.admits = Some(true),
            (1, Value::Number(2)) => answer.admits = Some(false),
            (2, Value::Bytes(status)) => answer.status(status).unwrap_or_default(),
            (3, Value::Bytes(header)) => answer.header(header).unwrap_or_default(),
            _ => {}
        })?;
        answer.admits.map(|_| answer)
    }

    /// What it comes to for a client whose own limit is `limit`. A service that tells no numbers
    /// admits without a word about them.
    pub fn verdict(&self, limit: NonZeroU32, now: Timestamp) -> Verdict {
        let limit = self.limit.unwrap_or(limit);
        let until = now.plus(self.reset.unwrap_or(WINDOW));
        if self.admits == Some(false) {
            let status = LimitStatus { limit, remaining: 0, until };
            return Verdict::Refuse { status, exceeded: Counted::Requests };
        }
        let status = |remaining| Verdict::Admit(LimitStatus { limit, remaining, until });
        self.remaining.map_or(Verdict::Unlimited, status)
    }

    /// `DescriptorStatus`, as envoyproxy/ratelimit fills it. Zeros are not on the wire.
    fn status(&mut self, status: &[u8]) -> Option<()> {
        let mut remaining = 0;
        each(status, |number, value| match (number, value) {
            (2, Value::Bytes(limit)) => {
                self.limit = number_of(limit, 1).and_then(NonZeroU32::new);
            }
            (3, Value::Number(left)) => remaining = left,
            (4, Value::Bytes(span)) => {
                let seconds = number_of(span, 1).unwrap_or_default();
                let nanos = number_of(span, 2).unwrap_or_default();
                self.reset = Some(Duration::new(seconds.into(), nanos));
            }
            _ => {}
        })?;
        // Without a limit of its own, a service has matched nothing and counted nothing.
        self.remaining = self.limit.and(u32::try_from(remaining).ok());
        Some(())
    }

    /// `HeaderValueOption`, as Limitador fills it: `30, 30;w=60` and so on. IETF,
    /// *draft-polli-ratelimit-headers-03*.
    fn header(&mut self, option: &[u8]) -> Option<()> {
        let (mut name, mut text) = (String::new(), "");
        each(option, |number, value| {
            let (1, Value::Bytes(header)) = (number, value) else { return };
            let _ = each(header, |number, value| match (number, value) {
                (1, Value::Bytes(key)) => name = String::from_utf8_lossy(key).to_lowercase(),
                (2 | 3, Value::Bytes(bytes)) => text = str::from_utf8(bytes).unwrap_or_default(),
                _ => {}
            });
        })?;
        let number = text.split([',', ';']).next().and_then(|text| text.trim().parse().ok());
        match name.as_str() {
            "x-ratelimit-limit" => self.limit = number.and_then(NonZeroU32::new),
            "x-ratelimit-remaining" => self.remaining = number,
            // Whole seconds that are over: at least one is left.
            "x-ratelimit-reset" => {
                self.reset = number.map(|secs: u32| Duration::from_secs(secs.max(1).into()))
            }
            _ => {}
        }
        Some(())
    }
}

/// A field's value, as far as any message here has such fields. Protocol Buffers, *Encoding*.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn put_number(out: &mut Vec<u8>, number: u32, value: u32) {
    put_varint(out, number << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len().try_into().unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value > 0x7f {
        out.push((value & 0x7f | 0x80) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The last number under a field of a message.
fn number_of(message: &[u8], field: u64) -> Option<u32> {
    let mut found = None;
    each(message, |number, value| {
        if let (true, Value::Number(value)) = (number == field, value) {
            found = u32::try_from(value).ok();
        }
    })?;
    found
}

/// Gives each field of a message with its number. `None` if it is no message.
fn each<'a>(mut rest: &'a [u8], mut take: impl FnMut(u64, Value<'a>)) -> Option<()> {
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        match tag & 7 {
            0 => take(tag >> 3, Value::Number(varint(&mut rest)?)),
            1 => rest = rest.get(8..)?,
            2 => {
                let length = varint(&mut rest)?.try_into().ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                take(tag >> 3, Value::Bytes(bytes));
                rest = after;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(())
}

/// Takes a number of seven bits a byte from the front, the lowest first, ten bytes at most.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const LIMIT: NonZeroU32 = NonZeroU32::new(300).unwrap();

    /// As `protoc --decode_raw` shows it: 1: "d", 2 { 1 {1: "account" 2: "a"}, 1 {1: "model" 2:
    /// "m"}, 2 {1: 300 2: 2} }.
    #[test]
    fn a_question_names_the_account_the_model_and_our_limit() {
        let expected = b"\x0a\x01d\x12\x21\x0a\x0c\x0a\x07account\x12\x01a\
            \x0a\x0a\x0a\x05model\x12\x01m\x12\x05\x08\xac\x02\x10\x02";
        assert_eq!(request("d", "a", "m", LIMIT), expected);
    }

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
        out
    }

    fn with_code(code: u32, rest: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, 1, code);
        out.extend_from_slice(rest);
        out
    }

    fn limit_status(limit: u32, remaining: u32, secs: u64) -> LimitStatus {
        let limit = NonZeroU32::new(limit).unwrap();
        LimitStatus { limit, remaining, until: Timestamp::from_epoch(Duration::from_secs(secs)) }
    }

    #[test]
    fn both_services_tell_where_an_account_stands() {
        let refused = |status| Verdict::Refuse { status, exceeded: Counted::Requests };
        // envoyproxy/ratelimit: code, limit, what is left, until when.
        let status = b"\x08\x01\x12\x04\x08\x1e\x10\x02\x18\x1d\x22\x02\x08\x2a";
        let full = b"\x08\x02\x12\x04\x08\x1e\x10\x02\x22\x02\x08\x2a";
        let header = |name: &str, value: &str| {
            let header = message(&[(1, name.as_bytes()), (2, value.as_bytes())]);
            message(&[(3, &message(&[(1, &header)]))])
        };
        let limitador = [
            header("X-RateLimit-Limit", "5, 5;w=60"),
            header("X-RateLimit-Remaining", "4"),
            header("X-RateLimit-Reset", "17"),
            header("x-other", "1"),
        ];
        let cases = [
            (with_code(1, &message(&[(2, status)])), Verdict::Admit(limit_status(30, 29, 42))),
            (with_code(2, &message(&[(2, full)])), refused(limit_status(30, 0, 42))),
            (with_code(1, &limitador.concat()), Verdict::Admit(limit_status(5, 4, 17))),
            (with_code(2, &limitador[0]), refused(limit_status(5, 0, 60))),
            (with_code(1, b""), Verdict::Unlimited),
            (with_code(1, &message(&[(2, b"\x08\x01")])), Verdict::Unlimited),
            (with_code(2, b""), refused(limit_status(300, 0, 60))),
        ];
        for (bytes, expected) in cases {
            let verdict = RateLimitResponse::parse(&bytes)
                .map(|answer| answer.verdict(LIMIT, Timestamp::default()));
            assert_eq!(verdict, Some(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_answer_decides_nothing() {
        let whole = with_code(1, &message(&[(2, b"\x08\x01\x12\x04\x08\x1e\x10\x02\x18\x1d")]));
        let cases: [&[u8]; 7] = [
            b"",
            b"\x08\x00",
            b"\x08",
            b"\x0b",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x12\xff\xff\xff\xff\x0f",
            b"\x08\x03",
        ];
        for bytes in cases {
            assert_eq!(RateLimitResponse::parse(bytes), None, "{bytes:?}");
        }
        // Every cut and every changed byte is read or refused, and never more.
        for cut in 0..whole.len() {
            let _ = RateLimitResponse::parse(&whole[..cut]);
            for byte in 0..=255 {
                let mut changed = whole.clone();
                changed[cut] = byte;
                let _ = RateLimitResponse::parse(&changed);
            }
        }
    }
}
