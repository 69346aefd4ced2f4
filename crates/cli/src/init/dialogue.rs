//! The questions of `attache init`, and the answers to them.

use std::io::{BufRead, Write};

use attache::region::Region;
use serde_json::{Value, json};

use super::Setup;

/// Choices that the command line makes. Absent ones are questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    /// Name of a well-known provider, or a URL.
    pub(crate) provider: Option<String>,
    /// Names of models in the provider's API.
    pub(crate) models: Option<String>,
    /// Region of the gateway.
    pub(crate) region: Option<String>,
    /// Port of the gateway.
    pub(crate) port: Option<String>,
    /// Limit of an account's requests, per model and minute.
    pub(crate) requests_per_minute: Option<String>,
}

/// All facts of a new file.
#[derive(Debug, PartialEq)]
pub(super) struct Answers {
    pub(super) provider: ChosenProvider,
    /// Names in the provider's API, at least one.
    pub(super) models: Vec<String>,
    pub(super) region: &'static str,
    pub(super) port: u16,
    /// A number, or `unlimited`.
    pub(super) requests_per_minute: Value,
}

/// Provider of the models.
#[derive(Debug, PartialEq)]
pub(super) enum ChosenProvider {
    /// A well-known provider, with its URL in the gateway's region.
    Known {
        /// Name of the provider.
        name: String,
        /// URL in the region.
        base_url: String,
    },
    /// A server that is compatible with OpenAI, by its base URL.
    Server(String),
}

/// Source of answers to questions.
pub(super) trait Respondent {
    /// Returns the answer to a question, the default if it is empty, or `None` if there is no one to
    /// answer again.
    fn answer(&mut self, question: &str, default: &str) -> Option<String>;

    /// Shows the problem with an answer. Returns whether to repeat the question.
    fn refuse(&mut self, problem: &str) -> Repeat;
}

/// Treatment of a wrong answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Question,
    Nothing,
}

/// Questions on a terminal.
pub(super) struct Dialogue<'d> {
    pub(super) input: &'d mut dyn BufRead,
    pub(super) output: &'d mut dyn Write,
}

/// Defaults in place of answers.
pub(super) struct Silent;

impl Respondent for Dialogue<'_> {
    fn answer(&mut self, question: &str, default: &str) -> Option<String> {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        write!(self.output, "{question}{shown}: ").and_then(|()| self.output.flush()).ok()?;
        let mut line = String::new();
        let read = self.input.read_line(&mut line).ok()?;
        let line = line.trim();
        (read > 0).then(|| if line.is_empty() { default } else { line }.to_owned())
    }

    fn refuse(&mut self, problem: &str) -> Repeat {
        match writeln!(self.output, "{problem}") {
            Ok(()) => Repeat::Question,
            Err(_) => Repeat::Nothing,
        }
    }
}

impl Respondent for Silent {
    fn answer(&mut self, _: &str, default: &str) -> Option<String> {
        Some(default.to_owned())
    }

    fn refuse(&mut self, _: &str) -> Repeat {
        Repeat::Nothing
    }
}

/// Returns a value from the command line, or from the answer to a question. After a wrong answer, the
/// question is repeated.
fn ask<T>(
    respondent: &mut dyn Respondent,
    given: Option<String>,
    (question, default): (&str, &str),
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, String> {
    if let Some(text) = given {
        return parse(&text);
    }
    loop {
        let text = respondent.answer(question, default).ok_or("there is no answer")?;
        match parse(&text) {
            Err(problem) if respondent.refuse(&problem) == Repeat::Question => {}
            parsed => return parsed,
        }
    }
}

impl Setup {
    /// Returns the answers to all questions.
    pub(super) fn answers(
        &self,
        choices: Choices,
        respondent: &mut dyn Respondent,
    ) -> Result<Answers, String> {
        let question = ("Region of the gateway, `us` or `eu`", "us");
        let region = ask(respondent, choices.region, question, region)?;
        let names = self.provider_names(region).join(", ");
        let question = format!("Provider ({names}) or the base URL of a compatible server");
        let default = (question.as_str(), "openai");
        let provider =
            ask(respondent, choices.provider, default, |text| self.chosen_provider(text, region))?;
        let default = self.usual_model(&provider).unwrap_or_default();
        let question = ("Models, as the provider names them, separated by commas", default);
        let models = ask(respondent, choices.models, question, models)?;
        let port = ask(respondent, choices.port, ("Port of the gateway", "8080"), port)?;
        let question = ("Requests per model and minute, a number or `unlimited`", "unlimited");
        let requests_per_minute = ask(respondent, choices.requests_per_minute, question, rate)?;
        Ok(Answers { provider, models, region, port, requests_per_minute })
    }

    /// Returns the names of the providers with a URL in a region.
    fn provider_names(&self, region: &str) -> Vec<&str> {
        let names = self.known.iter().map(|(name, _)| name);
        names.filter(|name| self.base_url(name, region).is_some()).collect()
    }

    /// Returns the URL of a well-known provider in a region.
    fn base_url(&self, name: &str, region: &str) -> Option<&str> {
        let known = self.known.named(name)?;
        let url = if region == "eu" { &known.eu_base_url } else { &known.base_url };
        url.as_deref().filter(|url| !url.contains('{'))
    }

    fn chosen_provider(&self, text: &str, region: &str) -> Result<ChosenProvider, String> {
        if let Some(base_url) = self.base_url(text, region) {
            return Ok(ChosenProvider::Known {
                name: text.to_owned(),
                base_url: base_url.to_owned(),
            });
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(ChosenProvider::Server(text.to_owned()));
        }
        let names = self.provider_names(region).join("`, `");
        Err(format!("found `{text}`, allowed in `{region}`: `{names}`, or a URL"))
    }

    /// Returns the newest model of a provider in the catalogue.
    fn usual_model(&self, provider: &ChosenProvider) -> Option<&str> {
        let ChosenProvider::Known { name, .. } = provider else { return None };
        let family = self.known.named(name)?.family.as_deref()?;
        self.catalogue.family(family).next()
    }
}

fn region(text: &str) -> Result<&'static str, String> {
    let regions = [Region::Us, Region::Eu].map(Region::name);
    let found = regions.into_iter().find(|name| *name == text);
    found.ok_or_else(|| format!("found `{text}`, allowed: `us` or `eu`"))
}

fn models(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        Err("found no model, allowed: at least one".to_owned())
    } else {
        Ok(names)
    }
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("found `{text}`, allowed: a whole number from 1 to 65535"))
}

fn rate(text: &str) -> Result<Value, String> {
    let number = || text.parse::<u32>().map(|number| json!(number));
    let rate = if text == "unlimited" { Ok(json!(text)) } else { number() };
    rate.map_err(|_| format!("found `{text}`, allowed: a whole number, or `unlimited`"))
}
