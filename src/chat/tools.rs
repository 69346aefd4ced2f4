//! Tools and response formats of a request.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::value::RawValue;

use super::{
    object::{self, JsonObject},
    text::Text,
};
use json_repair::{RootKind, repair};

/// Returns the arguments of an earlier call as an object, which most providers require. Invalid
/// JSON, of a truncated call for example, is repaired. Returns `None` if that is impossible.
pub fn arguments_to_object(arguments: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let json = arguments.trim();
    if json.is_empty() || json == "null" {
        return Some(Cow::Borrowed("{}"));
    }
    if serde_json::from_str::<IgnoredAny>(json).is_err() {
        let (object, _) = repair(json, &RootKind::Object.into()).ok()?;
        return object.starts_with('{').then(|| Cow::Owned(object.into_owned()));
    }
    if json.starts_with('{') {
        return Some(arguments);
    }
    Some(Cow::Owned(format!("{{\"value\":{json}}}")))
}

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

/// Choice of the tool that the model may or must call.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ToolChoice<'a> {
    None,
    Auto,
    Required,
    /// A tool by name.
    Function(Text<'a>),
    /// `{"mode": "auto" | "required", "tools": […]}`, unread.
    AllowedTools(&'a RawValue),
}

impl ToolChoice<'_> {
    /// The forms, by their names in the configuration and in errors.
    pub const FORMS: [&'static str; 5] = ["none", "auto", "required", "function", "allowed_tools"];

    /// Returns the name in [`Self::FORMS`].
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
        struct ToolChoiceFields<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            function: Option<FunctionName<'a>>,
            #[serde(borrow, default)]
            allowed_tools: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct FunctionName<'a> {
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
        let JsonObject(named): JsonObject<ToolChoiceFields<'_>> =
            serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        match (named.kind.as_ref(), named.function, named.allowed_tools) {
            ("function", Some(function), _) => Ok(Self::Function(function.name)),
            ("allowed_tools", _, Some(allowed)) => Ok(Self::AllowedTools(allowed)),
            _ => Err(D::Error::custom("neither a known word nor a function to call")),
        }
    }
}

/// Format of the answer.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum ResponseFormat<'a> {
    Text,
    JsonObject,
    JsonSchema(JsonSchema<'a>),
}

impl ResponseFormat<'_> {
    /// The forms, by their names in the configuration and in errors. `text`, the default, is not
    /// one of them.
    pub const FORMS: [&'static str; 2] = ["json_object", "json_schema"];

    /// Returns the name in [`Self::FORMS`], or `None` for `text`.
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
        struct ResponseFormatFields<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            json_schema: Option<JsonSchema<'a>>,
        }
        let JsonObject(ResponseFormatFields { kind, json_schema }) =
            JsonObject::deserialize(deserializer)?;
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

/// Schema of the answer.
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

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn arguments_are_an_object_or_nothing() {
        let cases = [
            ("", Some("{}")),
            (" null ", Some("{}")),
            (r#"{"a": 1}"#, Some(r#"{"a": 1}"#)),
            ("[1]", Some(r#"{"value":[1]}"#)),
            ("\"x\"", Some(r#"{"value":"x"}"#)),
            (r#"{"zone": "U"#, Some(r#"{"zone": "U"}"#)),
            ("{'a': True,}", Some(r#"{"a": true}"#)),
            ("```json\n{\"a\":1}\n```", Some(r#"{"a":1}"#)),
            ("[1,", None),
            ("no", None),
        ];
        for (arguments, object) in cases {
            assert_eq!(
                arguments_to_object(Cow::Borrowed(arguments)).as_deref(),
                object,
                "{arguments}"
            );
        }
    }
}
