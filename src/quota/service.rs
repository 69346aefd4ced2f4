//! The rate limit service that several Envoys share: its request, and the verdict of its response.

use std::{num::NonZeroU32, time::Duration};

use prost::Message;

use super::{Counted, LimitStatus, Verdict, WINDOW, protobuf};
use crate::time::Timestamp;

/// Name of the gRPC service.
pub const SERVICE: &str = "envoy.service.ratelimit.v3.RateLimitService";

/// Name of its only method.
pub const METHOD: &str = "ShouldRateLimit";

/// `RateLimitUnit.MINUTE`.
pub(super) const MINUTE: i32 = 2;

/// `RateLimitResponse.Code.OK`.
const OK: i32 = 1;

/// `RateLimitResponse.Code.OVER_LIMIT`.
const OVER_LIMIT: i32 = 2;

/// Returns a `RateLimitRequest`: one descriptor of the account and the model, with the gateway's own
/// limit for services that take the limit from the request.
pub fn request(domain: &str, account: &str, model: &str, limit: NonZeroU32) -> Vec<u8> {
    let limit = protobuf::RateLimit { requests_per_unit: limit.get(), unit: MINUTE };
    encode(domain, &[("account", account), ("model", model)], limit, 0)
}

/// Returns a `RateLimitRequest` that counts `hits`: one descriptor with these entries.
pub(super) fn encode(
    domain: &str,
    entries: &[(&str, &str)],
    limit: protobuf::RateLimit,
    hits_addend: u32,
) -> Vec<u8> {
    let entry = |(key, value): &(&str, &str)| protobuf::Entry {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    let entries = entries.iter().map(entry).collect();
    let descriptors = vec![protobuf::RateLimitDescriptor { entries, limit: Some(limit) }];
    protobuf::RateLimitRequest { domain: domain.to_owned(), descriptors, hits_addend }
        .encode_to_vec()
}

/// Response of a service, as far as it says something about the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitResponse {
    /// Whether the request may be made.
    is_admitted: bool,
    limit: Option<NonZeroU32>,
    remaining: Option<u32>,
    reset: Option<Duration>,
}

impl RateLimitResponse {
    /// Reads a `RateLimitResponse`. `None` if the bytes are no such message, or have no verdict.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let message = protobuf::RateLimitResponse::decode(bytes).ok()?;
        let is_admitted = match message.overall_code {
            OK => true,
            OVER_LIMIT => false,
            _ => return None,
        };
        let mut response = Self { is_admitted, limit: None, remaining: None, reset: None };
        message.statuses.iter().for_each(|status| response.read_status(status));
        let headers = message.response_headers_to_add.iter();
        headers
            .filter_map(|option| option.header.as_ref())
            .for_each(|own| response.read_header(own));
        Some(response)
    }

    /// Returns the verdict for an account whose own limit is `limit`. A service that reports no numbers
    /// admits without any.
    pub fn verdict(&self, limit: NonZeroU32, now: Timestamp) -> Verdict {
        let limit = self.limit.unwrap_or(limit);
        let until = now.plus(self.reset.unwrap_or(WINDOW));
        if !self.is_admitted {
            let status = LimitStatus { limit, remaining: 0, until };
            return Verdict::Refuse { status, exceeded: Counted::Requests };
        }
        let admit = |remaining| Verdict::Admit(LimitStatus { limit, remaining, until });
        self.remaining.map_or(Verdict::Unlimited, admit)
    }

    /// Returns the count of an account whose own limit is `limit`. `None`: the service reports none.
    pub(super) fn used(&self, limit: u32) -> Option<u32> {
        let limit = self.limit.map_or(limit, NonZeroU32::get);
        if !self.is_admitted {
            return Some(limit);
        }
        self.remaining.map(|remaining| limit.saturating_sub(remaining))
    }

    /// Reads a `DescriptorStatus`, as envoyproxy/ratelimit fills it.
    fn read_status(&mut self, status: &protobuf::DescriptorStatus) {
        if let Some(limit) = status.current_limit {
            self.limit = NonZeroU32::new(limit.requests_per_unit);
        }
        if let Some(reset) = status.duration_until_reset {
            let nanos = u32::try_from(reset.nanos).unwrap_or_default();
            self.reset = Some(Duration::new(reset.seconds.try_into().unwrap_or_default(), nanos));
        }
        // A service without a limit of its own has matched nothing and counted nothing.
        self.remaining = self.limit.map(|_| status.limit_remaining);
    }

    /// Reads a `HeaderValue`, as Limitador fills it: `30, 30;w=60` and so on. IETF,
    /// *draft-polli-ratelimit-headers-03*.
    fn read_header(&mut self, header: &protobuf::HeaderValue) {
        let raw = str::from_utf8(&header.raw_value).unwrap_or_default();
        let text = if raw.is_empty() { &header.value } else { raw };
        let number = text.split([',', ';']).next().and_then(|text| text.trim().parse().ok());
        match header.key.to_lowercase().as_str() {
            "x-ratelimit-limit" => self.limit = number.and_then(NonZeroU32::new),
            "x-ratelimit-remaining" => self.remaining = number,
            // Whole seconds, rounded down: at least one is left.
            "x-ratelimit-reset" => {
                self.reset = number.map(|secs: u32| Duration::from_secs(secs.max(1).into()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
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

    /// Writes fields of bytes, all shorter than 128. Protocol Buffers, *Encoding*.
    fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, bytes) in fields {
            out.extend([number << 3 | 2, bytes.len().try_into().unwrap()]);
            out.extend_from_slice(bytes);
        }
        out
    }

    fn with_code(code: u8, rest: &[u8]) -> Vec<u8> {
        [&[0x08, code], rest].concat()
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
