//! Data URLs and base64, for files that clients send inside of a request.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::chat::{message::Part, text::Text};

/// A `data:` URL in base64 (RFC 2397), split and not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DataUrl<'u> {
    /// The media type: that of the data where its first bytes tell it, else as written, without its
    /// parameters. It may be empty.
    pub(super) media_type: Cow<'u, str>,
    /// The base64, unchecked.
    pub(super) data: Cow<'u, str>,
}

impl<'u> DataUrl<'u> {
    /// Splits a URL, borrowing from a borrowed one. Returns `None` for any other kind of URL.
    pub(super) fn parse(url: &Cow<'u, str>) -> Option<Self> {
        let found = mislabelled(url).map(Cow::Borrowed);
        Some(match url {
            Cow::Borrowed(url) => {
                let (media_type, data) = split(url)?;
                let media_type = found.unwrap_or(Cow::Borrowed(media_type));
                Self { media_type, data: Cow::Borrowed(data) }
            }
            Cow::Owned(url) => {
                let (media_type, data) = split(url)?;
                let media_type = found.unwrap_or_else(|| Cow::Owned(media_type.to_owned()));
                Self { media_type, data: Cow::Owned(data.to_owned()) }
            }
        })
    }
}

/// Returns the media type of a data URL in base64 whose label is another one: providers compare the
/// two, and refuse a request in which they differ.
pub(super) fn mislabelled(url: &str) -> Option<&'static str> {
    let (media_type, data) = split(url)?;
    let is_label = |kind: &&str| {
        let label = media_type.trim().to_ascii_lowercase();
        // The second name is in wide use for the first.
        label == *kind || (label == "image/jpg" && *kind == "image/jpeg")
    };
    media_type_of(data).filter(|kind| !is_label(kind))
}

/// Returns the media type of the data URL in a part whose label is another one.
pub(super) fn mislabelled_part(part: &Part<'_>) -> Option<&'static str> {
    match &part.image_url {
        Some(image) => mislabelled(&start_of(&image.url)),
        None => mislabelled(&start_of(&part.file_fields()?.file_data?)),
    }
}

/// Returns a data URL with the media type of its data, if it has another.
pub(super) fn relabelled(url: &Text<'_>) -> Option<Text<'static>> {
    let media_type = mislabelled(&start_of(url))?;
    let url = url.decode();
    let (_, data) = split(&url)?;
    Some(Text::new(&format!("data:{media_type};base64,{data}")))
}

/// Returns the start of a URL, unescaped: enough for the label and the first bytes of the data, where
/// the whole may have megabytes.
fn start_of<'t>(url: &'t Text<'_>) -> Cow<'t, str> {
    match url.escaped().get(..START) {
        Some(start) if !start.contains('\\') => Cow::Borrowed(start),
        _ => url.decode(),
    }
}

/// The length of [`start_of`], in bytes.
const START: usize = 256;

/// Returns the media type that the first bytes of data in base64 tell.
fn media_type_of(data: &str) -> Option<&'static str> {
    let start: String = data.chars().filter(|c| !c.is_ascii_whitespace()).take(SIGNATURE).collect();
    let bytes = decode_base64(&start)?;
    let found = SIGNATURES.iter().find(|(offset, magic, _)| {
        bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic))
    });
    found.map(|(_, _, media_type)| *media_type)
}

/// The length of base64 that holds each entry of [`SIGNATURES`], in characters.
const SIGNATURE: usize = 16;

/// The bytes of media types, each with its offset. WHATWG, *MIME Sniffing*, "Matching an image type
/// pattern"; ISO/IEC 14496-12, "File Type Box", whose brands ISO/IEC 23008-12 and AV1 name.
const SIGNATURES: [(usize, &[u8], &str); 12] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftyphev", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
];

/// Returns the media type and the data of a data URL in base64.
fn split(url: &str) -> Option<(&str, &str)> {
    let (head, data) = after_scheme(url)?.split_once(',')?;
    let (described, encoding) = head.rsplit_once(';')?;
    let media_type = described.split(';').next().unwrap_or_default();
    encoding.eq_ignore_ascii_case("base64").then_some((media_type, data))
}

fn after_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_at_checked("data:".len())?;
    scheme.eq_ignore_ascii_case("data:").then_some(rest)
}

/// Returns whether a URL has the scheme `data`, in any case.
pub(super) fn has_data_scheme(url: &str) -> bool {
    after_scheme(url).is_some()
}

/// Returns whether a text may be bare base64 rather than a URL: characters of the standard alphabet
/// and padding, at least one.
pub(super) fn looks_like_base64(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_known)
}

/// Returns whether a text is base64 as JSON of protocol buffers has it: of either alphabet, padded
/// or not.
pub(super) fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte))
        && data.len() % 4 != 1
}

/// The standard alphabet (RFC 4648, section 4). Bits that are left over may have any value.
const STANDARD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64 of the standard alphabet, padded or not, with or without line breaks.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let is_digit = |byte: &u8| !matches!(byte, b'=' | b'\r' | b'\n');
    let mut digits: Vec<u8> = text.bytes().filter(is_digit).collect();
    // A last digit alone has six bits of a byte, and is what a cut leaves.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    STANDARD.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_urls_in_base64_are_split() {
        let cases = [
            ("data:image/png;base64,AA==", Some(("image/png", "AA=="))),
            ("DATA:Image/GIF;x=y;BASE64,AA,B", Some(("Image/GIF", "AA,B"))),
            ("data:;base64,", Some(("", ""))),
            ("data:base64,AA", None),
            ("data:image/png,AA", None),
            ("data:image/png;base64", None),
            ("https://x/;base64,AA", None),
            ("dat", None),
            ("é", None),
        ];
        for (url, expected) in cases {
            for url in [Cow::Borrowed(url), Cow::Owned(url.to_owned())] {
                let found = DataUrl::parse(&url);
                let found = found.as_ref().map(|own| (own.media_type.as_ref(), own.data.as_ref()));
                assert_eq!(found, expected, "{url}");
            }
        }
    }

    #[test]
    fn the_first_bytes_tell_the_type_of_data() {
        let cases = [
            ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==", "image/png", None),
            ("data:image/jpeg;base64,iVBORw0KGgoAAAANSUhEUg==", "image/png", Some("image/png")),
            ("data:;base64,/9j/4AAQSkZJRg==", "image/jpeg", Some("image/jpeg")),
            ("data:image/jpg;base64,/9j/4AAQSkZJRg==", "image/jpg", None),
            ("data:IMAGE/JPEG;base64,/9j/4AAQSkZJRg==", "IMAGE/JPEG", None),
            ("data:image/png;base64,R0lGODlhAQABAAAAACw=", "image/gif", Some("image/gif")),
            ("data:image/png;base64,UklGRiQAAABXRUJQVlA4", "image/webp", Some("image/webp")),
            ("data:image/jpeg;base64,AAAAGGZ0eXBoZWljAAAA", "image/heic", Some("image/heic")),
            ("data:image/png;base64,AAAAHGZ0eXBhdmlmAAAA", "image/avif", Some("image/avif")),
            ("data:text/plain;base64,JVBERi0xLjcK", "application/pdf", Some("application/pdf")),
            ("data:image/png;base64,iVBO\nRw0KGgo=", "image/png", None),
            ("data:image/png;base64,AA==", "image/png", None),
            ("data:text/plain;base64,UklGRiQAAABXQVZFZm10", "text/plain", None),
            ("data:image/png;base64,é", "image/png", None),
        ];
        for (url, media_type, corrected) in cases {
            let found = DataUrl::parse(&Cow::Borrowed(url)).unwrap();
            assert_eq!(
                (found.media_type.as_ref(), mislabelled(url)),
                (media_type, corrected),
                "{url}"
            );
        }
    }

    #[test]
    fn base64_is_decoded_padded_or_not() {
        let cases: [(&str, Option<&[u8]>); 9] = [
            ("", Some(b"")),
            ("AQI=", Some(b"\x01\x02")),
            ("AQI", Some(b"\x01\x02")),
            ("AQID", Some(b"\x01\x02\x03")),
            ("AQ\r\nID\n", Some(b"\x01\x02\x03")),
            ("AQIDA", Some(b"\x01\x02\x03")),
            ("AR==", Some(b"\x01")),
            ("_w==", None),
            ("A Q", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(decode_base64(text).as_deref(), bytes, "{text:?}");
        }
    }

    #[test]
    fn base64_is_distinguished_from_urls_and_checked() {
        let cases = [
            ("AQID", true, true),
            ("AQI=", true, true),
            ("_-", false, true),
            ("AQIDA", true, false),
            ("A=Q=", true, false),
            ("https://x", false, false),
            ("", false, true),
        ];
        for (text, looks_like_it, is_it) in cases {
            assert_eq!(looks_like_base64(text), looks_like_it, "{text}");
            assert_eq!(is_base64(text), is_it, "{text}");
        }
    }
}
