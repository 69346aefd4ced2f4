//! What the model says: decided here once, for every schema and both deliveries.

use super::request::{Asked, Delivery, Output};
use super::sample::sample;
use super::script::{Script, ScriptedCall};
use super::text::{Text, count_words};
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;

/// When every answer was made, in seconds since 1970: 2026-11-01. Constant, so that answers can be
/// compared.
pub const CREATED: u64 = 1_793_491_200;

/// How much of the user's text is echoed, in characters.
const ECHO: usize = 60;

/// An answer that knows no schema.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The requested model.
    pub model: &'a str,
    /// In one piece or as events.
    pub delivery: Delivery,
    /// Thoughts, empty if there are none.
    pub reasoning: Text,
    /// The text, empty if there is none.
    pub text: Text,
    /// Tool calls, after the text.
    pub calls: Vec<Call<'a>>,
    /// The reason for the finish if a script gives one.
    pub finish: Option<&'a str>,
    /// What it would cost.
    pub usage: Usage,
    /// What kind of answer it is.
    pub output: &'a Output,
    serial: u64,
}

/// A tool call.
#[derive(Debug)]
pub struct Call<'a> {
    /// Name of the tool.
    pub name: &'a str,
    /// What it is called with.
    pub arguments: Arguments<'a>,
}

/// Arguments of a tool call.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// A place, if no script says otherwise.
    Location(&'static str),
    /// JSON of the script.
    Given(&'a str),
}

/// Words, where a vendor counts tokens.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Of the request.
    pub input: usize,
    /// Of the part of the request that was cached.
    pub cached: usize,
    /// Of the text and the calls.
    pub output: usize,
    /// Of the thoughts.
    pub reasoning: usize,
}

impl<'a> Answer<'a> {
    /// Decides what to say. `serial` tells answers apart, by their ids only.
    pub fn new(asked: &'a Asked<'a>, script: &'a Script, serial: u64) -> Self {
        let calls = calls(asked, script);
        let text = text(asked, script, &calls);
        let reasoning = Text::words(script.reasoning.clone().unwrap_or_default());
        let usage = Usage {
            input: asked.conversation.words,
            cached: script.cached,
            output: count_words(text.whole()) + calls.len(),
            reasoning: count_words(reasoning.whole()),
        };
        let finish = script.finish.as_deref();
        Self {
            model: &asked.model,
            delivery: asked.delivery,
            reasoning,
            text,
            calls,
            finish,
            usage,
            output: &asked.output,
            serial,
        }
    }

    /// The id of the answer.
    pub fn id(&self, prefix: &str, letters: usize) -> String {
        token(self.serial, prefix, letters)
    }

    /// The id of a tool call of the answer.
    pub fn call_id(&self, index: usize, prefix: &str, letters: usize) -> String {
        token(mix(self.serial).wrapping_add(index as u64), prefix, letters)
    }
}

impl Arguments<'_> {
    /// The JSON text, in the two or three pieces it is streamed in.
    pub fn to_text(self) -> Text {
        Text::even(self.to_json(), 3)
    }

    fn to_json(self) -> String {
        match self {
            Self::Location(place) => format!(r#"{{"location":"{place}"}}"#),
            Self::Given(json) => json.to_owned(),
        }
    }
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_json()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

fn text(asked: &Asked, script: &Script, calls: &[Call]) -> Text {
    if script.empty {
        return Text::default();
    }
    if let Some(size) = script.size {
        return in_events(Text::filler(size), script);
    }
    if let Some(text) = &script.text {
        return in_events(Text::words(text.clone()), script);
    }
    if !calls.is_empty() {
        return Text::default();
    }
    match (&asked.output, script.events) {
        (Output::Prose, None) => Text::words(sentence(asked)),
        (Output::Prose, Some(events)) => Text::repeated(&sentence(asked), events),
        (Output::Json, _) => in_events(Text::members(r#"{"answer":"x"}"#.to_owned()), script),
        (Output::Vector | Output::Vectors(_), _) => Text::default(),
        (Output::Schema(schema), _) => in_events(Text::members(sample(schema).to_string()), script),
    }
}

fn in_events(text: Text, script: &Script) -> Text {
    match script.events {
        Some(events) => text.in_pieces(events),
        None => text,
    }
}

/// What is said if nobody says otherwise. A line break counts as a space.
fn sentence(asked: &Asked) -> String {
    let mut sentence = format!("{} heard: ", asked.model);
    let echo = asked.conversation.text.chars().take(ECHO);
    sentence.extend(echo.map(|letter| if letter.is_whitespace() { ' ' } else { letter }));
    sentence
}

/// Calls as the script asks for, or one if the talk is of the weather and no tool has spoken yet:
/// after its result a call would make the loop of an agent endless.
fn calls<'a>(asked: &'a Asked, script: &'a Script) -> Vec<Call<'a>> {
    const CITIES: [&str; 4] = ["Paris", "London", "Tokyo", "Lima"];
    if let Some(ScriptedCall { tool, arguments }) = &script.call {
        let is_due = !asked.conversation.after_tools && asked.tools.iter().any(|own| own == tool);
        let call = Call { name: tool, arguments: Arguments::Given(arguments) };
        return is_due.then_some(call).into_iter().collect();
    }
    let count = match script.calls {
        Some(count) => count,
        None if script.text.is_some() || script.empty => 0,
        None => usize::from(wants_weather(asked)),
    };
    let offered = asked.tools.iter().map(AsRef::as_ref);
    let unoffered = asked.tools.is_empty().then_some("get_weather");
    let names = offered.chain(unoffered).cycle();
    let places = CITIES.into_iter().cycle();
    let calls = names.zip(places).take(count);
    calls.map(|(name, location)| Call { name, arguments: Arguments::Location(location) }).collect()
}

fn wants_weather(asked: &Asked) -> bool {
    let conversation = &asked.conversation;
    !asked.tools.is_empty() && !conversation.after_tools && conversation.text.contains("weather")
}

/// An id such as vendors make: `prefix`, then as many letters and digits as asked for.
pub fn token(seed: u64, prefix: &str, letters: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(prefix.len() + letters);
    token.push_str(prefix);
    let scattered = mix(seed);
    let mut state = scattered;
    for at in 0..letters {
        // Ten letters take nearly all of 64 bits.
        state = if at % 10 == 0 { mix(scattered ^ at as u64) } else { state / 62 };
        token.push(char::from(ALPHABET[(state % 62) as usize]));
    }
    token
}

/// Scatters a number over all 64 bits: Steele et al., *Fast splittable pseudorandom number
/// generators* (2014), `SplitMix64`.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::request::Conversation;
    use super::super::script;
    use super::*;

    fn asked(text: &str) -> Asked<'_> {
        Asked {
            model: "m".into(),
            conversation: Conversation { text: text.into(), words: 3, after_tools: false },
            delivery: Delivery::Whole,
            tools: vec!["look".into(), "ask".into()],
            output: Output::Prose,
        }
    }

    fn said(asked: &Asked, directive: &str) -> (String, Vec<String>) {
        let script = script::parse(directive).unwrap().remove(0);
        let answer = Answer::new(asked, &script, 1);
        let names = answer.calls.iter().map(|call| call.name.to_owned()).collect();
        (answer.text.whole().to_owned(), names)
    }

    #[test]
    fn the_text_is_echoed() {
        let long = format!("one\ntwo {}", "x".repeat(100));
        let (text, calls) = said(&asked(&long), "");
        assert_eq!(text, format!("m heard: one two {}", "x".repeat(52)));
        assert!(calls.is_empty());
    }

    #[test]
    fn weather_is_asked_of_a_tool_once() {
        let mut asked = asked("the weather in Paris");
        assert_eq!(said(&asked, ""), (String::new(), vec!["look".to_owned()]));
        asked.conversation.after_tools = true;
        assert_eq!(said(&asked, "").1.len(), 0);
        assert_eq!(said(&asked, "tool").1, ["look"]);
        asked.tools.clear();
        assert_eq!(said(&asked, "tools=2").1, ["get_weather", "get_weather"]);
    }

    #[test]
    fn a_scripted_call_is_made_once_and_of_an_offered_tool_only() {
        let mut asked = asked("hello");
        let script = script::parse("call=ask:eyJhIjoxfQ").unwrap().remove(0);
        let answer = Answer::new(&asked, &script, 1);
        assert_eq!(serde_json::to_string(&answer.calls[0].arguments).unwrap(), r#"{"a":1}"#);
        assert_eq!(said(&asked, "call=write:e30").1.len(), 0);
        asked.conversation.after_tools = true;
        assert_eq!(said(&asked, "call=ask:e30").1.len(), 0);
    }

    #[test]
    fn a_script_chooses_the_text() {
        let asked = asked("hello");
        for (directive, text) in [
            ("text=well_then", "well then"),
            ("text64=YSBi", "a b"),
            ("size=7", "word wo"),
            ("events=4", "m heard: hello m"),
            ("empty", ""),
            ("text=a_b tool", "a b"),
        ] {
            assert_eq!(said(&asked, directive).0, text, "{directive}");
        }
    }

    #[test]
    fn a_schema_is_satisfied() {
        let mut asked = asked("hello");
        asked.output =
            Output::Schema(serde_json::json!({ "properties": { "a": { "type": "number" } } }));
        assert_eq!(said(&asked, "").0, r#"{"a":1}"#);
    }

    #[test]
    fn ids_differ_and_have_their_length() {
        let id = token(1, "msg_", 24);
        assert_eq!(id.len(), 28);
        assert_ne!(id, token(2, "msg_", 24));
        assert_ne!(id[4..14], id[14..24]);
        assert_eq!(id, token(1, "msg_", 24));
    }
}
