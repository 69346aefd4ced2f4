//! The messages of a chat request.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    object::{self, JsonObject},
    text::{Text, lenient},
    tools::input_to_arguments,
};
use crate::json::is_empty_array;

/// Author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(match Text::from_raw(raw).as_ref().map(Text::decode).as_deref() {
            Some("system") => Self::System,
            Some("developer") => Self::Developer,
            Some("user") => Self::User,
            Some("assistant") => Self::Assistant,
            Some("tool") => Self::Tool,
            Some("function") => Self::Function,
            _ => return Err(D::Error::custom(ROLES)),
        })
    }
}

/// The error for an unknown role.
const ROLES: &str = "role must be system, developer, user, assistant, tool or function";

/// Message of the conversation.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Message<'a> {
    /// The place in the client's `messages`, which errors and reports name.
    #[serde(skip)]
    pub index: usize,
    /// The index of the message with the call that this is the result of.
    #[serde(skip)]
    pub answers: Option<usize>,
    pub role: Role,
    #[serde(borrow, default)]
    pub content: Content<'a>,
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "object::optional_list")]
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow, default)]
    pub tool_call_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub refusal: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub reasoning_content: Option<Text<'a>>,
    /// `reasoning_content` under the name of AssemblyAI's SDK.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub thinking: Option<Text<'a>>,
    /// Reasoning that a provider needs back, in the form of an earlier answer.
    #[serde(borrow, default)]
    pub reasoning_details: Option<&'a RawValue>,
    /// Reasoning in the form of other gateways: Claude's own blocks.
    #[serde(borrow, default)]
    pub thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub cache_control: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Returns true if the message is an instruction, of role `system` or `developer`.
    pub fn is_instruction(&self) -> bool {
        matches!(self.role, Role::System | Role::Developer)
    }

    /// Returns true if the message is the result of a tool or, in the older form, of a function.
    pub fn is_result(&self) -> bool {
        matches!(self.role, Role::Tool | Role::Function)
    }

    /// Returns the place of a part of the content, for errors and reports.
    pub fn part_path(&self, number: usize) -> String {
        format!("messages[{}].content[{number}]", self.index)
    }

    /// Returns the call in the older form, if the message has one that can be read.
    pub fn legacy_call(&self) -> Option<Function<'a>> {
        serde_json::from_str(self.function_call?.get()).ok()
    }

    /// Returns the names of the tools and functions that the message calls.
    pub fn called_names(&self) -> impl Iterator<Item = Text<'a>> + use<'a, '_> {
        let calls = self.tool_calls.iter().flatten().map(|call| call.function.name.clone());
        calls.chain(self.legacy_call().map(|function| function.name))
    }

    /// Returns true if the message calls a tool or, in the older form, a function.
    pub fn has_calls(&self) -> bool {
        self.function_call.is_some()
            || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }
}

/// Content of a message.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Content<'a> {
    #[default]
    Absent,
    Text(Text<'a>),
    Parts(Vec<Part<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if let Some(text) = Text::from_raw(raw) {
            return Ok(Self::Text(text));
        }
        match raw.get() {
            "null" => Ok(Self::Absent),
            // OpenAI's API refuses an empty array.
            json if is_empty_array(json) => Ok(Self::Absent),
            json if json.starts_with('[') => {
                let mut parts = serde_json::Deserializer::from_str(json);
                let parts = object::optional_list(&mut parts).map_err(D::Error::custom)?;
                Ok(Self::Parts(parts.unwrap_or_default()))
            }
            _ => Err(D::Error::custom("content must be a string or an array of parts")),
        }
    }
}

impl<'a> Content<'a> {
    /// Returns the parts: none for plain text.
    pub fn parts(&self) -> &[Part<'a>] {
        if let Self::Parts(parts) = self { parts } else { &[] }
    }

    /// Returns true if the content has no text, apart from white space, and no other part.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(text) => text.is_blank(),
            Self::Parts(parts) => {
                parts.iter().all(|part| part.as_text().is_some_and(Text::is_blank))
            }
        }
    }
}

/// Part of the content. `kind` determines the field that holds it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub refusal: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub image_url: Option<ImageUrl<'a>>,
    #[serde(borrow, default)]
    pub input_audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub file: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub cache_control: Option<&'a RawValue>,
}

impl<'a> Part<'a> {
    /// Creates a text part.
    pub fn from_text(text: Text<'a>) -> Self {
        Self {
            kind: Cow::Borrowed("text"),
            text: Some(text),
            refusal: None,
            image_url: None,
            input_audio: None,
            file: None,
            cache_control: None,
        }
    }

    /// Returns the modality of the part, and true if the field that holds it is present. Returns
    /// `None` for an unknown type.
    pub fn input(&self) -> Option<(Modality, bool)> {
        match self.kind.as_ref() {
            "text" => Some((Modality::Text, self.text.is_some())),
            "refusal" => Some((Modality::Text, self.refusal.is_some())),
            "image_url" => Some((Modality::Image, self.image_url.is_some())),
            "input_audio" => Some((Modality::Audio, self.input_audio.is_some())),
            "file" => Some((Modality::File, self.file.is_some())),
            _ => None,
        }
    }

    /// Returns the fields of a file, if the part has one that can be read.
    pub fn file_fields(&self) -> Option<FileFields<'a>> {
        serde_json::from_str(self.file?.get()).ok()
    }

    /// Returns the text of a text part or refusal.
    pub fn as_text(&self) -> Option<&Text<'a>> {
        match self.kind.as_ref() {
            "text" => self.text.as_ref(),
            "refusal" => self.refusal.as_ref(),
            _ => None,
        }
    }
}

/// The fields of a `file` part. OpenAI's API reference, *Create chat completion*, "File content part".
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct FileFields<'a> {
    #[serde(borrow, default)]
    pub file_data: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub file_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub filename: Option<Text<'a>>,
}

/// Modality of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Modality {
    Text,
    Image,
    File,
    Audio,
}

impl Modality {
    /// All modalities.
    pub const ALL: [Self; 4] = [Self::Text, Self::Image, Self::File, Self::Audio];

    /// Returns the word in the configuration and in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::File => "file",
            Self::Audio => "audio",
        }
    }
}

/// An image by URL or data URL. Some clients send the bare string.
#[derive(Clone, Debug)]
pub struct ImageUrl<'a> {
    /// The URL: `https:` or `data:`.
    pub url: Text<'a>,
    /// `low`, `high` or `auto`.
    pub detail: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ImageUrl<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct ImageUrlFields<'a> {
            #[serde(borrow)]
            url: Text<'a>,
            #[serde(borrow, default)]
            detail: Option<Text<'a>>,
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        if let Some(url) = Text::from_raw(raw) {
            return Ok(Self { url, detail: None });
        }
        let JsonObject(ImageUrlFields { url, detail }) =
            serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self { url, detail })
    }
}

/// Tool call of an earlier turn.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct ToolCall<'a> {
    pub id: Text<'a>,
    /// The function. For a call of a custom tool that is the one that stands for it.
    pub function: Function<'a>,
    /// The input of a call of a custom tool.
    pub custom_input: Option<Text<'a>>,
    /// The field in which Google's clients keep a signature: `google.thought_signature`.
    pub extra_content: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCall<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct ToolCallFields<'a> {
            #[serde(borrow)]
            id: Text<'a>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            function: Option<Function<'a>>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            custom: Option<CustomCall<'a>>,
            #[serde(borrow, default)]
            extra_content: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct CustomCall<'a> {
            #[serde(borrow)]
            name: Text<'a>,
            #[serde(borrow)]
            input: Text<'a>,
        }
        let ToolCallFields { id, function, custom, extra_content } =
            ToolCallFields::deserialize(deserializer)?;
        let (function, custom_input) = match (function, custom) {
            (Some(function), _) => (function, None),
            (None, Some(CustomCall { name, input })) => {
                (Function { name, arguments: Some(input_to_arguments(&input)) }, Some(input))
            }
            (None, None) => return Err(D::Error::missing_field("function")),
        };
        Ok(Self { id, function, custom_input, extra_content })
    }
}

/// Function of a tool call.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    /// JSON in a string, exactly as the model wrote it.
    #[serde(borrow, default)]
    pub arguments: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_text_parts_or_absent() {
        let cases = [
            (r#"{"role":"user","content":"a\tb"}"#, "Text"),
            (r#"{"role":"user","content":[{"type":"text","text":"a"}]}"#, "Parts"),
            (r#"{"role":"assistant","content":null}"#, "Absent"),
            (r#"{"role":"assistant"}"#, "Absent"),
        ];
        for (json, kind) in cases {
            let message: Message<'_> = serde_json::from_str(json).unwrap();
            assert!(format!("{:?}", message.content).starts_with(kind), "{json}");
        }
        for content in ["1", "{}", "[1]", "[{}]", r#"[["text","a"]]"#] {
            let json = format!(r#"{{"role":"user","content":{content}}}"#);
            assert!(serde_json::from_str::<Message<'_>>(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_image_comes_as_an_object_or_a_string() {
        for image in [r#"{"url":"https://x/y","detail":"low"}"#, r#""https://x/y""#] {
            let json = format!(r#"{{"type":"image_url","image_url":{image}}}"#);
            let part: Part<'_> = serde_json::from_str(&json).unwrap();
            assert_eq!(part.input(), Some((Modality::Image, true)), "{json}");
        }
    }
}
