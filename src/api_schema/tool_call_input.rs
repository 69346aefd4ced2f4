//! Arguments of tool calls of providers that send an object, where the chat API has a string of JSON.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::text::Text;

/// Returns the arguments of a call: its input, which some servers send as a string of JSON. A call
/// without input has an empty object. `None` for an input that is no object.
pub(super) fn to_arguments(input: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = match input.map(|raw| (raw.get(), Text::from_raw(raw))) {
        None | Some(("null", _)) => return Some(Cow::Borrowed("{}")),
        Some((_, Some(text))) if text.is_blank() => return Some(Cow::Borrowed("{}")),
        Some((_, Some(text))) => Cow::Owned(text.decode().trim().to_owned()),
        Some((json, None)) => Cow::Borrowed(json),
    };
    json.starts_with('{').then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_an_object_or_a_string_that_holds_one() {
        let cases = [
            (None, Some("{}")),
            (Some("null"), Some("{}")),
            (Some("{\"x\": 1}"), Some("{\"x\": 1}")),
            (Some(r#"" {\"x\":1}\n""#), Some("{\"x\":1}")),
            (Some(r#"" ""#), Some("{}")),
            (Some(r#""Oslo""#), None),
            (Some("[1]"), None),
            (Some("7"), None),
        ];
        for (input, arguments) in cases {
            let raw: Option<&RawValue> = input.map(|json| serde_json::from_str(json).unwrap());
            assert_eq!(to_arguments(raw).as_deref(), arguments, "{input:?}");
        }
    }
}
