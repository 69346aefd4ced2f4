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
use crate::json::well_formed;
use json_repair::{RootKind, repair};

/// Returns the arguments of an earlier call as an object, which most providers require. Invalid
/// JSON, of a truncated call for example, is repaired. Returns `None` if that is impossible.
pub fn arguments_to_object(arguments: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let arguments = well_formed(arguments);
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
    /// The function. For a custom tool that is one with a string, [`CustomTool::as_function`].
    pub function: Option<FunctionTool<'a>>,
    #[serde(borrow, default, deserialize_with = "object::optional")]
    pub custom: Option<CustomTool<'a>>,
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

/// A tool whose input is plain text.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's")]
pub struct CustomTool<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub description: Option<Text<'a>>,
    /// `{"type": "text"}`, or a grammar of the input.
    #[serde(borrow, default)]
    pub format: Option<&'a RawValue>,
}

/// The parameters of a function that stands for a custom tool.
const INPUT_SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}"#;

impl<'a> CustomTool<'a> {
    /// Returns a function with one string, `input`, for a model without custom tools. Its description
    /// has the grammar, which nothing enforces.
    pub fn as_function(&self) -> FunctionTool<'a> {
        let format = self.format.filter(|format| format.get().contains("grammar"));
        let format = format.map(|format| Text::new(&format!("Format of input: {}", format.get())));
        let description = match (self.description.clone(), format) {
            (Some(own), Some(format)) => Some(own.join("\\n\\n", &format)),
            (own, format) => own.or(format),
        };
        let parameters = serde_json::from_str(INPUT_SCHEMA).ok();
        FunctionTool { name: self.name.clone(), description, parameters, strict: None }
    }
}

/// Returns the arguments of a function that stands for a custom tool.
pub fn input_to_arguments(input: &Text<'_>) -> Text<'static> {
    Text::new(&format!("{{\"input\":{}}}", input.json()))
}

/// Returns the input of a custom tool from the arguments of the function that stands for it. Other
/// arguments are the input themselves.
pub fn arguments_to_input(arguments: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct InputArguments {
        input: String,
    }
    match serde_json::from_str::<JsonObject<InputArguments>>(arguments) {
        Ok(JsonObject(InputArguments { input })) => Cow::Owned(input),
        Err(_) => Cow::Borrowed(arguments),
    }
}

/// Form of tools and calls in a request, and of the calls in its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallForm {
    /// `tools`, `tool_choice` and `tool_calls`.
    #[default]
    Tools,
    /// `functions` and `function_call`, the form that tools had before: one call in an answer.
    Functions,
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

impl<'a> ToolChoice<'a> {
    /// Reads the value of the parameter `function_call`.
    pub fn read_function_call(raw: &'a RawValue) -> Option<Self> {
        match raw.get() {
            "\"none\"" => Some(Self::None),
            "\"auto\"" => Some(Self::Auto),
            json => {
                let named: JsonObject<ToolName<'a>> = serde_json::from_str(json).ok()?;
                Some(Self::Function(named.0.name))
            }
        }
    }

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
            function: Option<ToolName<'a>>,
            #[serde(borrow, default, deserialize_with = "object::optional")]
            custom: Option<ToolName<'a>>,
            #[serde(borrow, default)]
            allowed_tools: Option<&'a RawValue>,
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
        let tool = if named.kind == "custom" { named.custom } else { named.function };
        match (named.kind.as_ref(), tool, named.allowed_tools) {
            ("function" | "custom", Some(tool), _) => Ok(Self::Function(tool.name)),
            ("allowed_tools", _, Some(allowed)) => Ok(Self::AllowedTools(allowed)),
            _ => Err(D::Error::custom("neither a known word nor a function to call")),
        }
    }
}

/// The value of `allowed_tools` in a tool choice.
#[derive(Clone, Debug)]
pub struct AllowedTools<'a> {
    /// Whether a call is required.
    pub mode: AllowedToolsMode,
    /// The names of the tools.
    pub names: Vec<Text<'a>>,
}

/// Mode of `allowed_tools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum AllowedToolsMode {
    Auto,
    Required,
}

impl AllowedToolsMode {
    /// Returns the word in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Required => "required",
        }
    }
}

impl<'a> AllowedTools<'a> {
    /// Reads the value. Returns `None` for one that lacks the mode or the tools.
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct AllowedToolsFields<'a> {
            mode: AllowedToolsMode,
            #[serde(borrow)]
            tools: Vec<AllowedTool<'a>>,
        }
        #[derive(Deserialize)]
        struct AllowedTool<'a> {
            #[serde(borrow, default)]
            function: Option<ToolName<'a>>,
            #[serde(borrow, default)]
            custom: Option<ToolName<'a>>,
            #[serde(borrow, default)]
            name: Option<Text<'a>>,
        }
        let fields: AllowedToolsFields<'a> = serde_json::from_str(raw.get()).ok()?;
        let name = |tool: AllowedTool<'a>| {
            tool.function.or(tool.custom).map(|named| named.name).or(tool.name)
        };
        Some(Self { mode: fields.mode, names: fields.tools.into_iter().filter_map(name).collect() })
    }
}

/// Reference to a tool by its name.
#[derive(Deserialize)]
struct ToolName<'a> {
    #[serde(borrow)]
    name: Text<'a>,
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
    use super::*;

    #[test]
    fn a_custom_tool_is_a_function_with_a_string_and_back() {
        let tool = r#"{"name":"run","description":"d","format":{"type":"grammar","grammar":{}}}"#;
        let tool: CustomTool<'_> = serde_json::from_str(tool).unwrap();
        let function = tool.as_function();
        let description = "d\n\nFormat of input: {\"type\":\"grammar\",\"grammar\":{}}";
        assert_eq!(function.description.unwrap().decode(), description);
        assert_eq!(function.parameters.unwrap().get(), INPUT_SCHEMA);
        for input in ["print(\"é\")", "", "{\"input\":\"x\"}"] {
            let arguments = input_to_arguments(&Text::new(input));
            assert_eq!(arguments_to_input(&arguments.decode()), input);
        }
        for arguments in ["print(1)", "{\"input\":1}", "{\"input\":\"a\",\"b\":1}", "[\"a\"]"] {
            assert_eq!(arguments_to_input(arguments), arguments);
        }
    }

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
            (r#"{"a":"\ud83d"}"#, Some(r#"{"a":"\ufffd"}"#)),
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
