//! Requests for embeddings: their fields beside the parameters that chat requests have, too.

use std::num::NonZeroU32;

use serde_json::value::RawValue;

use super::VectorEncoding;
use crate::chat::{
    mistake::{Mistake, MistakeKind},
    parameter::{Parameter, Parameters},
    text::Text,
};

/// Fields that chat requests do not have.
const FIELDS: [&str; 3] = ["input", "dimensions", "encoding_format"];

/// Parameters of chat requests that requests for embeddings have, too.
const SHARED: [Parameter; 7] = [
    Parameter::Model,
    Parameter::User,
    Parameter::Fallbacks,
    Parameter::FallbackConfig,
    Parameter::ModelRegion,
    Parameter::FailFast,
    Parameter::MaxTimeout,
];

/// Maximum number of inputs. OpenAI's API reference, *Create embeddings*, `input`.
const MAX_INPUTS: usize = 2048;

/// Request for embeddings with typed values.
#[derive(Clone, Debug)]
pub struct EmbeddingsRequest<'a> {
    /// Input as it came. `None` if it is wrong.
    pub input: Option<&'a RawValue>,
    /// Texts of the input. `None` for tokens.
    pub texts: Option<Vec<Text<'a>>>,
    /// Number of inputs, each of which gets a vector.
    pub count: usize,
    /// Length of the vectors.
    pub dimensions: Option<NonZeroU32>,
    /// Form of the vectors in the answer.
    pub encoding: VectorEncoding,
}

/// Turns parameters into those of a request for embeddings. The parameters that only chat requests
/// have are left out.
#[inline(never)]
pub fn adapt(mut parameters: Parameters<'_>) -> Parameters<'_> {
    let own = parameters.embeddings.get_or_insert_default();
    parameters.unknown.retain(|field| {
        let is_own = FIELDS.contains(&field.0.as_ref());
        own.extend(is_own.then(|| field.clone()));
        !is_own
    });
    let foreign: Vec<_> = parameters.present().map(|(parameter, _)| parameter).collect();
    for parameter in foreign.into_iter().filter(|parameter| !SHARED.contains(parameter)) {
        parameters.remove(parameter);
        parameters.left_out.push(parameter.name().to_owned());
    }
    parameters
}

impl<'a> EmbeddingsRequest<'a> {
    /// Reads the fields that chat requests do not have. A wrong value counts as absent and adds a
    /// mistake.
    #[inline(never)]
    pub fn read(parameters: &Parameters<'a>) -> (Self, Vec<Mistake>) {
        let mut reader = FieldReader { parameters, mistakes: Vec::new() };
        let (input, texts, count) = reader.input();
        let dimensions = reader.dimensions();
        let request = Self { input, texts, count, dimensions, encoding: reader.encoding() };
        (request, reader.mistakes)
    }
}

/// Reader of fields that collects mistakes.
struct FieldReader<'p, 'a> {
    parameters: &'p Parameters<'a>,
    mistakes: Vec<Mistake>,
}

impl<'a> FieldReader<'_, 'a> {
    /// Returns the value of a field. A fallback's comes after the request's.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let fields = self.parameters.embeddings.iter().flatten();
        let found = fields.rev().find(|(key, _)| key == name);
        found.map(|(_, raw)| *raw)
    }

    fn add(&mut self, kind: MistakeKind, name: &str, problem: &str) {
        self.mistakes.push(Mistake::new(kind, name, &[name, " ", problem].concat()));
    }

    fn input(&mut self) -> (Option<&'a RawValue>, Option<Vec<Text<'a>>>, usize) {
        let Some(raw) = self.get("input") else {
            self.add(MistakeKind::Missing, "input", "is required");
            return (None, None, 0);
        };
        let items = match Text::from_raw(raw) {
            Some(text) => return (Some(raw), Some(vec![text]), 1),
            None => serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_default(),
        };
        let texts: Vec<_> = items.iter().filter_map(|item| Text::from_raw(item)).collect();
        let problem = match items.len() {
            0 => WRONG_INPUT,
            count if texts.len() == count && count <= MAX_INPUTS => {
                return (Some(raw), Some(texts), count);
            }
            // A list of tokens is one input.
            _ if items.iter().all(|item| is_token(item)) => return (Some(raw), None, 1),
            count if !items.iter().all(|item| is_tokens(item)) && texts.len() < count => {
                WRONG_INPUT
            }
            count if count > MAX_INPUTS => "must have at most 2048 items",
            count => return (Some(raw), None, count),
        };
        self.add(MistakeKind::Invalid, "input", problem);
        (None, None, 0)
    }

    fn dimensions(&mut self) -> Option<NonZeroU32> {
        let raw = self.get("dimensions")?;
        let dimensions = raw.get().parse().ok();
        if dimensions.is_none() {
            self.add(MistakeKind::Invalid, "dimensions", "must be an integer of at least 1");
        }
        dimensions
    }

    fn encoding(&mut self) -> VectorEncoding {
        match self.get("encoding_format").map(RawValue::get) {
            None | Some("\"float\"") => VectorEncoding::Numbers,
            Some("\"base64\"") => VectorEncoding::Base64,
            Some(_) => {
                self.add(MistakeKind::Invalid, "encoding_format", "must be float or base64");
                VectorEncoding::Numbers
            }
        }
    }
}

/// Problem of an input of another type.
const WRONG_INPUT: &str =
    "must be a string, an array of strings, an array of tokens, or an array of such arrays";

/// Returns `true` for a token: a whole number.
fn is_token(raw: &RawValue) -> bool {
    raw.get().bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns `true` for an array of tokens, at least one.
fn is_tokens(raw: &RawValue) -> bool {
    let tokens: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    !tokens.is_empty() && tokens.into_iter().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_texts_or_tokens() {
        let many = |item: &str, count: usize| format!("[{}]", vec![item; count].join(","));
        let (texts, tokens) = (|count| Ok((true, count)), |count| Ok((false, count)));
        let wrong = || Err(format!("input {WRONG_INPUT}"));
        let long = || Err("input must have at most 2048 items".to_owned());
        let cases = [
            (r#""a""#.to_owned(), texts(1)),
            (r#"["a", "b"]"#.to_owned(), texts(2)),
            (many("\"a\"", 2048), texts(2048)),
            (many("\"a\"", 2049), long()),
            ("[1, 2, 3]".to_owned(), tokens(1)),
            (many("7", 3000), tokens(1)),
            ("[[1, 2], [3]]".to_owned(), tokens(2)),
            (many("[7]", 2049), long()),
            ("[]".to_owned(), wrong()),
            ("[[]]".to_owned(), wrong()),
            ("[-1]".to_owned(), wrong()),
            ("[1.5]".to_owned(), wrong()),
            (r#"["a", 1]"#.to_owned(), wrong()),
            (r#"[["a"]]"#.to_owned(), wrong()),
            ("{}".to_owned(), wrong()),
            ("7".to_owned(), wrong()),
            ("null".to_owned(), Err("input is required".to_owned())),
        ];
        for (input, expected) in cases {
            let body = format!(r#"{{"model": "m", "input": {input}}}"#);
            let (request, mistakes) =
                EmbeddingsRequest::read(&adapt(serde_json::from_str(&body).unwrap()));
            let found = match mistakes.first() {
                Some(mistake) => Err(mistake.message.clone()),
                None => Ok((request.texts.is_some(), request.count)),
            };
            assert_eq!(found, expected, "{}", body.get(..60).unwrap_or(&body));
        }
    }

    #[test]
    fn parameters_of_chat_are_left_out() {
        let body = r#"{"model": "m", "input": "a", "user": "u", "stream": true, "x": 1,
            "temperature": 0, "dimensions": 0, "encoding_format": "int8"}"#;
        let parameters = adapt(serde_json::from_str(body).unwrap());
        let present: Vec<_> = parameters.present().map(|(own, _)| own.name()).collect();
        assert_eq!(present, ["model", "user"]);
        assert_eq!(parameters.left_out, ["temperature", "stream"]);
        assert_eq!(parameters.unknown.len(), 1);
        let (_, mistakes) = EmbeddingsRequest::read(&parameters);
        let messages: Vec<_> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
        let expected = [
            "dimensions must be an integer of at least 1",
            "encoding_format must be float or base64",
        ];
        assert_eq!(messages, expected);
    }
}
