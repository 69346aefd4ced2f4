//! Images and documents: parts of a chat message as blocks of a Claude message.
//! Claude API reference, *Create a Message*; guides *Vision* and *PDF support*.

use std::borrow::Cow;

use crate::{
    api_schema::data_url::{DataUrl, decode_base64, has_data_scheme, looks_like_base64},
    chat::message::{FileFields, ImageUrl, Part},
    json::Object,
};

/// A block of an image or of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api_schema) enum MediaBlock<'q> {
    /// An image.
    Image(MediaSource<'q>),
    /// A document and its title.
    Document(MediaSource<'q>, Option<String>),
}

/// The source of an image or of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api_schema) enum MediaSource<'q> {
    /// Data in the request itself.
    Base64 {
        /// A type that Claude accepts.
        media_type: &'static str,
        /// Base64.
        data: Cow<'q, str>,
    },
    /// A URL that Claude fetches.
    Url(Cow<'q, str>),
    /// Text in the request itself.
    Text(String),
}

/// Returns the block of an image. An error is a sentence for the client.
pub(super) fn image_block<'q>(image: &'q ImageUrl<'_>) -> Result<MediaBlock<'q>, String> {
    let url = image.url.decode();
    let Some((media_type, data)) = inline(&url)? else {
        return web_url(url).map(|url| MediaBlock::Image(MediaSource::Url(url)));
    };
    let media_type = image_type(&media_type).ok_or_else(|| {
        format!("images of type `{media_type}` cannot be sent, send jpeg, png, gif or webp")
    })?;
    Ok(MediaBlock::Image(MediaSource::Base64 { media_type, data }))
}

/// Returns the media type, in lower case, and the base64 of a data URL, `None` for another URL.
fn inline<'q>(url: &Cow<'q, str>) -> Result<Option<(String, Cow<'q, str>)>, String> {
    match DataUrl::parse(url) {
        Some(DataUrl { media_type, data }) => {
            Ok(Some((media_type.trim().to_ascii_lowercase(), data)))
        }
        None if has_data_scheme(url) => {
            Err("a data URL must be `data:TYPE;base64,DATA`".to_owned())
        }
        None => Ok(None),
    }
}

/// Returns the block of a file: a PDF, a text or an image. An error is a sentence for the client.
fn file_block<'q>(part: &Part<'q>) -> Result<MediaBlock<'q>, String> {
    let problem =
        || "a file needs file_data, a data URL; a file_id is another provider's".to_owned();
    let FileFields { filename, file_data, .. } = part.file_fields().ok_or_else(problem)?;
    let url = file_data.ok_or_else(problem)?.into_decoded();
    let title = filename.map(|name| name.decode().into_owned()).filter(|name| !name.is_empty());
    // OpenAI's reference describes bare base64, its guide a data URL.
    if let Some(media_type) = title.as_deref().and_then(type_by_name)
        && looks_like_base64(&url)
    {
        return typed_file_block(media_type, url, title);
    }
    let Some((media_type, data)) = inline(&url)? else {
        return web_url(url).map(|url| MediaBlock::Document(MediaSource::Url(url), title));
    };
    typed_file_block(&media_type, data, title)
}

/// Returns the block of a file in base64.
fn typed_file_block<'q>(
    media_type: &str,
    data: Cow<'q, str>,
    title: Option<String>,
) -> Result<MediaBlock<'q>, String> {
    if let Some(media_type) = image_type(media_type) {
        return Ok(MediaBlock::Image(MediaSource::Base64 { media_type, data }));
    }
    match media_type {
        "application/pdf" => {
            let source = MediaSource::Base64 { media_type: "application/pdf", data };
            Ok(MediaBlock::Document(source, title))
        }
        "application/json" => text_file_block(&data, title),
        text if text.starts_with("text/") => text_file_block(&data, title),
        other => Err(format!("files of type `{other}` cannot be sent, send a PDF or a text")),
    }
}

/// Returns the type of a file by the extension of its name.
fn type_by_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => Some("application/pdf"),
        "txt" | "md" | "csv" | "json" | "html" | "xml" => Some("text/plain"),
        _ => None,
    }
}

fn text_file_block(data: &str, title: Option<String>) -> Result<MediaBlock<'static>, String> {
    let text = decode_base64(data).and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| "the file is no UTF-8 text in base64".to_owned())?;
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    Ok(MediaBlock::Document(MediaSource::Text(text), title))
}

fn image_type(media_type: &str) -> Option<&'static str> {
    match media_type {
        "image/jpeg" | "image/jpg" => Some("image/jpeg"),
        "image/png" => Some("image/png"),
        "image/gif" => Some("image/gif"),
        "image/webp" => Some("image/webp"),
        _ => None,
    }
}

fn web_url(url: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url);
    }
    Err("the URL must begin with `https://`, `http://` or `data:`".to_owned())
}

impl MediaBlock<'_> {
    /// Writes the fields of the block.
    pub(super) fn write(&self, block: &mut Object<'_>) {
        match self {
            Self::Image(source) => {
                block.value("type", "image").object("source", |object| source.write(object));
            }
            Self::Document(source, title) => {
                block.value("type", "document").object("source", |object| source.write(object));
                title.as_ref().map(|title| block.value("title", title));
            }
        }
    }
}

impl MediaSource<'_> {
    fn write(&self, object: &mut Object<'_>) {
        match self {
            Self::Base64 { media_type, data } => {
                object.value("type", "base64").value("media_type", media_type).value("data", data);
            }
            Self::Url(url) => {
                object.value("type", "url").value("url", url);
            }
            Self::Text(text) => {
                object.value("type", "text").value("media_type", "text/plain").value("data", text);
            }
        }
    }
}

/// Returns the block of a part that is an image or a file, `None` for any other part. An error is a
/// sentence for the client.
pub(in crate::api_schema) fn media_block<'q>(
    part: &'q Part<'_>,
) -> Result<Option<MediaBlock<'q>>, String> {
    if let Some(image) = part.image_url.as_ref().filter(|_| part.kind == "image_url") {
        return image_block(image).map(Some);
    }
    if part.kind == "file" && part.file.is_some() {
        return file_block(part).map(Some);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(media: &MediaBlock<'_>) -> String {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        media.write(&mut object);
        object.close();
        String::from_utf8(out).unwrap()
    }

    fn shown(part: &str) -> Result<String, String> {
        let part: Part<'_> = serde_json::from_str(part).unwrap();
        media_block(&part).map(|media| media.map_or_else(String::new, |media| written(&media)))
    }

    #[test]
    fn every_image_source_becomes_a_block_or_says_why_not() {
        let base64 = |kind: &str| {
            let source = format!(r#"{{"type":"base64","media_type":"{kind}","data":"AA=="}}"#);
            Ok(format!(r#"{{"type":"image","source":{source}}}"#))
        };
        let url = |url: &str| {
            Ok(format!(r#"{{"type":"image","source":{{"type":"url","url":"{url}"}}}}"#))
        };
        let cases = [
            ("data:image/png;base64,AA==", base64("image/png")),
            ("data:image/jpeg;base64,AA==", base64("image/jpeg")),
            ("data:image/jpg;base64,AA==", base64("image/jpeg")),
            ("DATA:Image/GIF;BASE64,AA==", base64("image/gif")),
            ("data:image/webp;x=y;base64,AA==", base64("image/webp")),
            (r"data:image\/png;base64,AA==", base64("image/png")),
            ("https://x/y.svg", url("https://x/y.svg")),
            ("http://x/y", url("http://x/y")),
            (
                "data:image/svg+xml;base64,AA==",
                Err("images of type `image/svg+xml` cannot be sent, send jpeg, png, gif or webp"),
            ),
            ("data:image/png,AA", Err("a data URL must be `data:TYPE;base64,DATA`")),
            ("data:", Err("a data URL must be `data:TYPE;base64,DATA`")),
            ("gs://x", Err("the URL must begin with `https://`, `http://` or `data:`")),
            ("", Err("the URL must begin with `https://`, `http://` or `data:`")),
        ];
        for (source, expected) in cases {
            let part = format!(r#"{{"type":"image_url","image_url":{{"url":"{source}"}}}}"#);
            assert_eq!(shown(&part), expected.map_err(str::to_owned), "{source}");
        }
    }

    #[test]
    fn every_file_becomes_a_document_or_says_why_not() {
        let pdf = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"title":"a.pdf"}"#;
        let text = r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"é,1"}}"#;
        let link = r#"{"type":"document","source":{"type":"url","url":"https://x/a.pdf"}}"#;
        let picture =
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}"#;
        let cases = [
            (r#"{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}"#, Ok(pdf)),
            (r#"{"file_data":"data:text/csv;base64,w6ksMQ=="}"#, Ok(text)),
            (r#"{"file_data":"data:application/json;charset=utf-8;base64,w6ksMQ"}"#, Ok(text)),
            (r#"{"filename":"a.pdf","file_data":"JVBE"}"#, Ok(pdf)),
            (
                r#"{"filename":"a.zip","file_data":"JVBE"}"#,
                Err("the URL must begin with `https://`, `http://` or `data:`"),
            ),
            (r#"{"file_data":"https://x/a.pdf"}"#, Ok(link)),
            (r#"{"file_data":"data:image/png;base64,AA=="}"#, Ok(picture)),
            (
                r#"{"file_id":"file-1"}"#,
                Err("a file needs file_data, a data URL; a file_id is another provider's"),
            ),
            (
                r#"{"file_data":1}"#,
                Err("a file needs file_data, a data URL; a file_id is another provider's"),
            ),
            (
                r#"{"file_data":"data:text/plain;base64,_w=="}"#,
                Err("the file is no UTF-8 text in base64"),
            ),
            (
                r#"{"file_data":"data:text/plain;base64,/w=="}"#,
                Err("the file is no UTF-8 text in base64"),
            ),
            (r#"{"file_data":"data:text/plain;base64,"}"#, Err("the file is empty")),
            (
                r#"{"file_data":"data:application/zip;base64,AA=="}"#,
                Err("files of type `application/zip` cannot be sent, send a PDF or a text"),
            ),
        ];
        for (file, expected) in cases {
            let part = format!(r#"{{"type":"file","file":{file}}}"#);
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(shown(&part), expected, "{file}");
        }
    }
}
