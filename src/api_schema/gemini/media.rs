//! Images, documents and sound: in the request itself, or by URL where that is possible.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    api_schema::data_url::{DataUrl, is_base64},
    chat::{message::Part, text::Text},
    json::Object,
};

/// The images Gemini reads. ai.google.dev, *Image understanding*, *Supported image formats*.
const IMAGES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"];

/// File name endings and what they stand for. ai.google.dev, *Image understanding*, *Audio
/// understanding*, *Video understanding*, *Document understanding*.
const ENDINGS: [(&str, &str); 26] = [
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

/// What a part shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MediaPart<'m> {
    /// Here it is, in base64.
    Inline { kind: Cow<'m, str>, data: Cow<'m, str> },
    /// There it is.
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
    /// Reads a part that is no text. Vertex AI fetches URLs, AI Studio does not. An error is a
    /// sentence for the client.
    pub(super) fn read(part: &'m Part<'_>, vertex: bool) -> Result<Self, String> {
        let media = if let Some(image) = &part.image_url {
            Self::located(image.url.decode(), None, vertex)
        } else if let Some(raw) = part.input_audio {
            let audio = serde_json::from_str(raw.get());
            audio.map_err(|_| "must hold data and format".to_owned()).and_then(Self::audio)
        } else if let Some(raw) = part.file {
            let file = serde_json::from_str(raw.get());
            file.map_err(|_| "must hold file_data".to_owned())
                .and_then(|file| Self::file(&file, vertex))
        } else {
            Err("is missing".to_owned())
        };
        media.and_then(Self::checked)
    }

    /// Writes it as a part.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut part = Object::open(out);
        match self {
            Self::Inline { kind, data } => part.object("inlineData", |blob| {
                blob.value("mimeType", kind);
                let json = blob.key("data");
                // Base64 needs no escaping, and there may be megabytes of it.
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

    /// What a URL stands for. `name` is the file's, for URLs that do not tell its type.
    fn located(url: Cow<'m, str>, name: Option<&str>, vertex: bool) -> Result<Self, String> {
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
        let kind = name.and_then(ending).or_else(|| ending(&url)).ok_or_else(|| {
            "the URL does not tell a file type, let it end in one such as `.png`".to_owned()
        })?;
        Ok(Self::File { kind: Cow::Borrowed(kind), url })
    }

    fn audio(audio: AudioPart<'m>) -> Result<Self, String> {
        let format = audio.format.decode().to_ascii_lowercase();
        let kind = ending(&format!(".{format}")).filter(|kind| kind.starts_with("audio/"));
        let kind = kind.ok_or_else(|| format!("format `{format}` is not supported"))?;
        let data = Cow::Owned(audio.data.decode().into_owned());
        Ok(Self::Inline { kind: Cow::Borrowed(kind), data })
    }

    /// Some clients leave out the beginning of the data URL, and tell the type by the name.
    fn file(file: &FilePart<'_>, vertex: bool) -> Result<Self, String> {
        let name = file.filename.as_ref().map(Text::decode);
        let kind = name.as_deref().and_then(ending);
        if let Some(id) = file.file_id.as_ref().map(Text::decode) {
            if vertex && id.starts_with("gs://") {
                return Self::located(Cow::Owned(id.into_owned()), name.as_deref(), vertex);
            }
            return Err("file_id is not supported, send file_data".to_owned());
        }
        let data = file.file_data.as_ref().ok_or_else(|| "must hold file_data".to_owned())?;
        let data = Cow::Owned(data.decode().into_owned());
        match kind {
            Some(kind) if is_base64(&data) => Ok(Self::Inline { kind: Cow::Borrowed(kind), data }),
            _ => Self::located(data, name.as_deref(), vertex),
        }
    }

    /// The media, if its type is one that is read and its data is data.
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

/// The type of a file by the ending of its name or URL.
fn ending(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}
