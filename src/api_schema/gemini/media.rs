//! Images, documents, audio and video: in the request itself, or by URL on Vertex AI.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    api_schema::data_url::{DataUrl, is_base64},
    chat::{message::Part, text::Text},
    json::Object,
};

/// The image types that Gemini accepts. ai.google.dev, *Image understanding*, *Supported image formats*.
const IMAGES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"];

/// Media types by the extension of a file name. ai.google.dev, *Image understanding*, *Audio
/// understanding*, *Video understanding*, *Document understanding*.
const TYPES_BY_EXTENSION: [(&str, &str); 26] = [
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/md"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("xml", "text/xml"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aiff", "audio/aiff"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("m4a", "audio/m4a"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mov", "video/mov"),
    ("avi", "video/avi"),
    ("webm", "video/webm"),
    ("wmv", "video/wmv"),
    ("3gp", "video/3gpp"),
];

/// A part that is not text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MediaPart<'m> {
    /// Base64 in the request itself.
    Inline { kind: Cow<'m, str>, data: Cow<'m, str> },
    /// A URL that Vertex AI fetches.
    File { kind: Cow<'m, str>, url: Cow<'m, str> },
}

/// The fields of a `file` part. OpenAI's API reference, *Create chat completion*, *File content
/// part*.
#[derive(Deserialize)]
struct FilePart<'a> {
    #[serde(borrow, default)]
    file_data: Option<Text<'a>>,
    #[serde(borrow, default)]
    file_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    filename: Option<Text<'a>>,
}

/// The fields of an `input_audio` part.
#[derive(Deserialize)]
struct AudioPart<'a> {
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    format: Text<'a>,
}

impl<'m> MediaPart<'m> {
    /// Reads a part that is not text. Vertex AI fetches URLs, AI Studio does not. An error is a
    /// sentence for the client.
    pub(super) fn read(part: &'m Part<'_>, vertex: bool) -> Result<Self, String> {
        let media = if let Some(image) = &part.image_url {
            Self::from_url(image.url.decode(), None, vertex)
        } else if let Some(raw) = part.input_audio {
            let audio = serde_json::from_str(raw.get());
            audio.map_err(|_| "must hold data and format".to_owned()).and_then(Self::from_audio)
        } else if let Some(raw) = part.file {
            let file = serde_json::from_str(raw.get());
            file.map_err(|_| "must hold file_data".to_owned())
                .and_then(|file| Self::from_file(&file, vertex))
        } else {
            Err("is missing".to_owned())
        };
        media.and_then(Self::checked)
    }

    /// Writes the part.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut part = Object::open(out);
        match self {
            Self::Inline { kind, data } => part.object("inlineData", |blob| {
                blob.value("mimeType", kind);
                let json = blob.key("data");
                // Base64 has no characters to escape, and can be megabytes long.
                json.push(b'"');
                json.extend_from_slice(data.as_bytes());
                json.push(b'"');
            }),
            Self::File { kind, url } => part.object("fileData", |file| {
                file.value("mimeType", kind).value("fileUri", url);
            }),
        };
        part.close();
    }

    /// Returns the part of a URL. The type of a file comes from its name, if it has one.
    fn from_url(url: Cow<'m, str>, name: Option<&str>, vertex: bool) -> Result<Self, String> {
        let data_url = DataUrl::parse(&url).filter(|own| own.media_type.contains('/'));
        if let Some(DataUrl { media_type: kind, data }) = data_url {
            return Ok(Self::Inline { kind, data });
        }
        if url.starts_with("data:") {
            return Err("must be a data URL with a type and base64".to_owned());
        }
        let remote = ["https://", "http://", "gs://"].iter().any(|scheme| url.starts_with(scheme));
        if !remote {
            return Err("must be a data URL with base64".to_owned());
        }
        if !vertex {
            return Err("this provider fetches no URLs, send base64 in a data URL".to_owned());
        }
        let kind = name.and_then(type_by_name).or_else(|| type_by_name(&url)).ok_or_else(|| {
            "the URL does not tell a file type, let it end in one such as `.png`".to_owned()
        })?;
        Ok(Self::File { kind: Cow::Borrowed(kind), url })
    }

    fn from_audio(audio: AudioPart<'m>) -> Result<Self, String> {
        let format = audio.format.decode().to_ascii_lowercase();
        let kind = type_by_name(&format!(".{format}")).filter(|kind| kind.starts_with("audio/"));
        let kind = kind.ok_or_else(|| format!("format `{format}` is not supported"))?;
        let data = Cow::Owned(audio.data.decode().into_owned());
        Ok(Self::Inline { kind: Cow::Borrowed(kind), data })
    }

    /// Returns the part of a file. Some clients send bare base64 and a file name with an extension.
    fn from_file(file: &FilePart<'_>, vertex: bool) -> Result<Self, String> {
        let name = file.filename.as_ref().map(Text::decode);
        let kind = name.as_deref().and_then(type_by_name);
        if let Some(id) = file.file_id.as_ref().map(Text::decode) {
            if vertex && id.starts_with("gs://") {
                return Self::from_url(Cow::Owned(id.into_owned()), name.as_deref(), vertex);
            }
            return Err("file_id is not supported, send file_data".to_owned());
        }
        let data = file.file_data.as_ref().ok_or_else(|| "must hold file_data".to_owned())?;
        let data = Cow::Owned(data.decode().into_owned());
        match kind {
            Some(kind) if is_base64(&data) => Ok(Self::Inline { kind: Cow::Borrowed(kind), data }),
            _ => Self::from_url(data, name.as_deref(), vertex),
        }
    }

    /// Checks that the type is accepted and that the data is base64.
    fn checked(mut self) -> Result<Self, String> {
        let (Self::Inline { kind, .. } | Self::File { kind, .. }) = &mut self;
        if kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
            *kind = Cow::Owned(kind.to_ascii_lowercase());
        }
        if kind == "image/jpg" {
            *kind = Cow::Borrowed("image/jpeg");
        }
        if kind.starts_with("image/") && !IMAGES.contains(&kind.as_ref()) {
            return Err(format!("type `{kind}` is not supported, there are {}", IMAGES.join(", ")));
        }
        match &self {
            Self::Inline { data, .. } if data.is_empty() => Err("is empty".to_owned()),
            Self::Inline { data, .. } if !is_base64(data) => Err("is not base64".to_owned()),
            _ => Ok(self),
        }
    }
}

/// Returns the type of a file by the extension of its name or URL.
fn type_by_name(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    TYPES_BY_EXTENSION.iter().find(|(known, _)| *known == extension).map(|(_, kind)| *kind)
}
