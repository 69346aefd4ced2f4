//! A minimal `gateway.yaml` from five answers: the provider, its models, the region, the port, and the
//! limit of requests.

mod dialogue;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::Path,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

pub(crate) use self::dialogue::Choices;
use self::dialogue::{Answers, ChosenProvider, Dialogue, Silent};
use crate::{
    at_path,
    catalogue::Catalogue,
    generated_file,
    known_providers::{KnownProvider, KnownProviders},
    new_file::{self, Existing},
    served_model::{ServedModel, valid_name},
};

/// Name of the account and of its plan.
const ACCOUNT: &str = "default";

/// Name of the entry of a server that is no well-known provider.
const SERVER: &str = "server";

/// Writes a `gateway.yaml`, and the account's key beside it. Choices that are missing are questions on
/// a terminal, and have their defaults elsewhere.
pub(crate) fn run(choices: Choices, path: &Path, existing: Existing) -> Result<(), String> {
    let setup = Setup { catalogue: Catalogue::built_in()?, known: KnownProviders::built_in()? };
    let (mut input, mut output) = (io::stdin().lock(), io::stderr());
    let answers = match io::stdin().is_terminal() {
        true => setup.answers(choices, &mut Dialogue { input: &mut input, output: &mut output }),
        false => setup.answers(choices, &mut Silent),
    }?;
    let document = setup.document(&answers);
    let file = generated_file::write(path, &document, "by `attache init`", existing)?;
    let dir = file.base_dir()?.join("secrets");
    new_file::write_secret(&dir.join(format!("{ACCOUNT}.key")), &random_key()?)?;
    let (models, providers) = (file.config.models.len(), file.config.providers.len());
    file.report(&format!("{models} models of {providers} providers, no mistakes"));
    print!("{}", setup.next_steps(&answers, path));
    Ok(())
}

/// Data that a new file is made from.
struct Setup {
    catalogue: Catalogue,
    known: KnownProviders,
}

impl Setup {
    /// Returns the document of the file.
    fn document(&self, answers: &Answers) -> Value {
        let (name, known) = self.provider(answers);
        let region = answers.region;
        let key_file = known.filter(|known| known.key_variable.is_some());
        let key_file = key_file.map(|_| key_file_of(name));
        let entry = match (&answers.provider, known) {
            (
                ChosenProvider::Known { base_url, .. } | ChosenProvider::Server(base_url),
                Some(known),
            ) => known.entry(region, base_url, key_file.as_deref()),
            (_, None) => Map::new(),
        };
        let models = answers.models.iter().map(|model| self.model(model, name, known, region));
        let models: Map<String, Value> = models.collect();
        let mut document = json!({
            "listeners": {region: {"port": answers.port}},
            "plans": {ACCOUNT: {"requests_per_minute": answers.requests_per_minute}},
            "accounts": {ACCOUNT: {"plan": ACCOUNT, "key_files": [key_file_of(ACCOUNT)]}},
            "providers": {name: entry},
            "models": models,
        });
        generated_file::allow_private_hosts(&mut document, &self.catalogue);
        document
    }

    /// Returns the name of the provider's entry, and the provider.
    fn provider<'s>(&'s self, answers: &'s Answers) -> (&'s str, Option<&'s KnownProvider>) {
        match &answers.provider {
            ChosenProvider::Known { name, .. } => (name, self.known.named(name)),
            ChosenProvider::Server(_) => (SERVER, self.known.compatible().map(|(_, known)| known)),
        }
    }

    fn model(
        &self,
        upstream_model: &str,
        provider: &str,
        known: Option<&KnownProvider>,
        region: &'static str,
    ) -> (String, Value) {
        let served = ServedModel {
            region,
            provider: provider.to_owned(),
            api_schema: known.map(KnownProvider::api_schema).unwrap_or_default().to_owned(),
            upstream_model: upstream_model.to_owned(),
            base_model: None,
        };
        let name = model_name(upstream_model);
        let (entry, _) = served.entry(&name, &self.catalogue, &self.known);
        (name, Value::Object(entry))
    }

    /// Returns the commands that follow.
    fn next_steps(&self, answers: &Answers, path: &Path) -> String {
        let (name, known) = self.provider(answers);
        let secrets = path.parent().unwrap_or(Path::new("")).join("secrets");
        let key = known.and_then(|known| known.key_variable.as_ref()).map(|variable| {
            let file = secrets.join(format!("{name}.key"));
            format!("  printf %s \"${variable}\" >{}\n", file.display())
        });
        let model = answers.models.first().map(|model| model_name(model)).unwrap_or_default();
        format!(
            "Next:\n{}  attache render {} --out rendered --module attache.wasm\n  \
             envoy -c rendered/envoy.yaml\n  \
             curl http://127.0.0.1:{}/v1/chat/completions -H \"Authorization: Bearer $(cat {})\" \
             -H 'Content-Type: application/json' \
             -d '{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n",
            key.unwrap_or_default(),
            path.display(),
            answers.port,
            secrets.join(format!("{ACCOUNT}.key")).display(),
        )
    }
}

fn key_file_of(name: &str) -> String {
    format!("secrets/{name}.key")
}

/// Returns the name of an entry of `models`: the last part of a path.
fn model_name(upstream_model: &str) -> String {
    let (_, name) = upstream_model.rsplit_once('/').unwrap_or(("", upstream_model));
    valid_name(name)
}

/// Returns a new key for an account, from the system's random numbers.
fn random_key() -> Result<String, String> {
    let source = Path::new("/dev/urandom");
    let mut bytes = [0; 24];
    let read = File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| at_path(source, &error))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
