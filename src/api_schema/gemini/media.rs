//! Images, documents, audio and video: in the request itself, or by URL.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{
    api_schema::data_url::{DataUrl, is_base64},
    chat::{
        message::{FileFields, Part},
        text::Text,
    },
    config::Target,
    json::Object,
};

/// The image types that Gemini accepts. ai.google.dev, *Image understanding*, *Supported image formats*.
const IMAGES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"];

/// The types that a response to a call may hold.
const IN_RESULTS: [&str; 5] =
    ["image/jpeg", "image/png", "image/webp", "application/pdf", "text/plain"];

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
    /// A URL that Google fetches. AI Studio finds out the type if the URL does not tell it.
    File { kind: Option<&'static str>, url: Cow<'m, str> },
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
    /// Reads a part that is not text. An error is a sentence for the client.
    pub(super) fn read(part: &'m Part<'_>, vertex: bool) -> Result<Self, String> {
        let media = if let Some(image) = &part.image_url {
            Self::from_url(image.url.decode(), None, vertex)
        } else if let Some(raw) = part.input_audio {
            let audio = serde_json::from_str(raw.get());
            audio.map_err(|_| "must hold data and format".to_owned()).and_then(Self::from_audio)
        } else if part.file.is_some() {
            let file = part.file_fields().ok_or_else(|| "must hold file_data".to_owned());
            file.and_then(|file| Self::from_file(&file, vertex))
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
                kind.map(|kind| file.value("mimeType", kind));
                file.value("fileUri", url);
            }),
        };
        part.close();
    }

    /// Returns true if a response to a call may hold the media. ai.google.dev, *Function calling*,
    /// "Multimodal function responses", has no other types, and *FunctionResponsePart* no URLs.
    pub(super) fn fits_in_result(&self) -> bool {
        match self {
            Self::Inline { kind, .. } => IN_RESULTS.contains(&kind.as_ref()),
            Self::File { .. } => false,
        }
    }

    /// Returns the part of a URL. The type of a file comes from its name, if it has one. Vertex AI
    /// requires the type, and also takes `http` and `gs` (cloud.google.com, *FileData*). AI Studio
    /// takes `https` only (ai.google.dev, *File input methods*, "External HTTP / Signed URLs").
    fn from_url(url: Cow<'m, str>, name: Option<&str>, vertex: bool) -> Result<Self, String> {
        let data_url = DataUrl::parse(&url).filter(|own| own.media_type.contains('/'));
        if let Some(DataUrl { media_type: kind, data }) = data_url {
            return Ok(Self::Inline { kind, data });
        }
        if url.starts_with("data:") {
            return Err("must be a data URL with a type and base64".to_owned());
        }
        let has = |scheme: &&str| url.starts_with(scheme);
        if !["https://", "http://", "gs://"].iter().any(has) {
            return Err("must be a data URL with base64".to_owned());
        }
        if !vertex && !url.starts_with("https://") {
            return Err("this provider fetches only `https` URLs".to_owned());
        }
        let kind = name.and_then(type_by_name).or_else(|| type_by_name(&url));
        if vertex && kind.is_none() {
            let problem = "the URL does not tell a file type, let it end in one such as `.png`";
            return Err(problem.to_owned());
        }
        Ok(Self::File { kind, url })
    }

    fn from_audio(audio: AudioPart<'m>) -> Result<Self, String> {
        let format = audio.format.decode().to_ascii_lowercase();
        let kind = type_by_name(&format!(".{format}")).filter(|kind| kind.starts_with("audio/"));
        let kind = kind.ok_or_else(|| format!("format `{format}` is not supported"))?;
        let data = Cow::Owned(audio.data.decode().into_owned());
        Ok(Self::Inline { kind: Cow::Borrowed(kind), data })
    }

    /// Returns the part of a file. Some clients send bare base64 and a file name with an extension.
    fn from_file(file: &FileFields<'_>, vertex: bool) -> Result<Self, String> {
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
        let Self::Inline { kind, data } = &mut self else { return Ok(self) };
        if kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
            *kind = Cow::Owned(kind.to_ascii_lowercase());
        }
        if kind == "image/jpg" {
            *kind = Cow::Borrowed("image/jpeg");
        }
        if kind.starts_with("image/") && !IMAGES.contains(&kind.as_ref()) {
            return Err(format!("type `{kind}` is not supported, there are {}", IMAGES.join(", ")));
        }
        if data.is_empty() {
            return Err("is empty".to_owned());
        }
        if is_base64(data) { Ok(self) } else { Err("is not base64".to_owned()) }
    }
}

/// Returns true if the target is Vertex AI, by its path. The two differ in the URLs of files that they
/// take.
pub(super) fn is_vertex(target: &Target<'_>) -> bool {
    target.base.path.ends_with("/publishers/google")
}

/// Returns the type of a file by the extension of its name or URL.
fn type_by_name(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    TYPES_BY_EXTENSION.iter().find(|(known, _)| *known == extension).map(|(_, kind)| *kind)
}
