//! What a request says about tools and about the form of the answer.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    object::{self, Object},
    text::Text,
};

/// A tool the model may call.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct Tool<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "object::optional")]
    pub function: Option<FunctionTool<'a>>,
    #[serde(borrow, default)]
    pub cache_control: Option<&'a RawValue>,
}

/// A function as a tool.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct FunctionTool<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub description: Option<Text<'a>>,
    /// A JSON schema.
    #[serde(borrow, default)]
    pub parameters: Option<&'a RawValue>,
    #[serde(default)]
    pub strict: Option<bool>,
}

/// Which tool the model may or must call.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ToolChoice<'a> {
    None,
    Auto,
    Required,
    /// This one.
    Function(Text<'a>),
    /// `{"mode": "auto" | "required", "tools": […]}`, as it came.
    AllowedTools(&'a RawValue),
}

impl ToolChoice<'_> {
    /// The forms, as the configuration and errors name them.
    pub const FORMS: [&'static str; 5] = ["none", "auto", "required", "function", "allowed_tools"];

    /// The one of [`Self::FORMS`] this is.
    pub fn form(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auto => "auto",
            Self::Required => "required",
            Self::Function(_) => "function",
            Self::AllowedTools(_) => "allowed_tools",
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            function: Option<Name<'a>>,
            #[serde(borrow, default)]
            allowed_tools: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Name<'a> {
            #[serde(borrow)]
            name: Text<'a>,
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        match raw.get() {
            "\"none\"" => return Ok(Self::None),
            "\"auto\"" => return Ok(Self::Auto),
            "\"required\"" => return Ok(Self::Required),
            _ => {}
        }
        let Object(named): Object<Named<'_>> =
            serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        match (named.kind.as_ref(), named.function, named.allowed_tools) {
            ("function", Some(function), _) => Ok(Self::Function(function.name)),
            ("allowed_tools", _, Some(allowed)) => Ok(Self::AllowedTools(allowed)),
            _ => Err(D::Error::custom("neither a known word nor a function to call")),
        }
    }
}

/// The form the answer is to have.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ResponseFormat<'a> {
    Text,
    JsonObject,
    JsonSchema(JsonSchema<'a>),
}

impl ResponseFormat<'_> {
    /// The forms, as the configuration and errors name them. `text` is no form: it asks nothing.
    pub const FORMS: [&'static str; 2] = ["json_object", "json_schema"];

    /// The one of [`Self::FORMS`] this is, or `None` for `text`.
    pub fn form(&self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some("json_object"),
            Self::JsonSchema(_) => Some("json_schema"),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ResponseFormat<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            json_schema: Option<JsonSchema<'a>>,
        }
        let Object(Fields { kind, json_schema }) = Object::deserialize(deserializer)?;
        match (kind.as_ref(), json_schema) {
            ("text", _) => Ok(Self::Text),
            ("json_object", _) => Ok(Self::JsonObject),
            ("json_schema", Some(schema)) => Ok(Self::JsonSchema(schema)),
            ("json_schema", None) => Err(D::Error::custom("missing field `json_schema`")),
            (other, _) => Err(D::Error::custom(format!(
                "unknown type `{other}`, there are `text`, `json_object`, `json_schema`"
            ))),
        }
    }
}

/// A schema the answer must follow.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct JsonSchema<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub schema: Option<&'a RawValue>,
    #[serde(default)]
    pub strict: Option<bool>,
}
