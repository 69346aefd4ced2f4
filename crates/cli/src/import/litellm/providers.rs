//! Entries of `providers`: one for each API, host and key of the deployments.

use serde_json::{Map, Value};

use super::{
    REGION,
    advice::Remark,
    source::{Deployment, Setting, Source},
};
use crate::known_providers::{KnownProvider, KnownProviders};

/// Entries of `providers`, in the order of their first deployment.
#[derive(Debug, Default)]
pub(super) struct ProviderEntries(Vec<ProviderEntry>);

/// Entry of `providers`.
#[derive(Debug)]
struct ProviderEntry {
    name: String,
    identity: Identity,
    fields: Map<String, Value>,
}

/// Facts that deployments of one entry share.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    known: String,
    base_url: String,
    key: Option<Setting>,
}

/// Entry of `providers` that serves a deployment.
pub(super) struct Assigned {
    /// Name of the entry.
    pub(super) provider: String,
    /// API schema of the provider.
    pub(super) api_schema: String,
    /// Name of the model in the provider's API.
    pub(super) upstream_model: String,
    /// Family of the model catalogue that the provider's own models belong to.
    pub(super) family: Option<String>,
}

/// Values of `api_key` for servers without keys, in lower case.
const NO_KEYS: [&str; 8] =
    ["", "none", "null", "empty", "dummy", "fake-key", "not-needed", "no-key-required"];

/// Ends of an `api_base` that are no part of a base URL.
const REQUEST_PATHS: [&str; 4] = ["/chat/completions", "/messages", "/models", "/"];

impl ProviderEntries {
    /// Returns the entry that serves a deployment, a new one if there is none. `None` comes with a
    /// remark.
    pub(super) fn assign(
        &mut self,
        deployment: &Deployment,
        source: &Source<'_>,
        known: &KnownProviders,
        remarks: &mut Vec<Remark>,
    ) -> Option<Assigned> {
        let model_path = format!("{}.litellm_params.model", deployment.path);
        let Some((name, provider)) = known.serving(&deployment.prefix, &deployment.model) else {
            remarks.push(Remark::new(model_path, unknown(&deployment.prefix)));
            return None;
        };
        let upstream_model = upstream_model(&deployment.model, provider);
        let base_url = base_url(deployment, provider, source, remarks)?;
        let own = Some((name, provider)).filter(|_| provider.owns(&base_url));
        let (name, provider) = own.or_else(|| known.compatible())?;
        let identity =
            Identity { known: name.to_owned(), base_url, key: key(deployment, provider) };
        let provider_name = self.name_of(identity, deployment, provider, remarks);
        Some(Assigned {
            provider: provider_name,
            api_schema: provider.api_schema().to_owned(),
            upstream_model: upstream_model.to_owned(),
            family: provider.family.clone(),
        })
    }

    /// Returns the name of the entry with an identity, a new one if there is none.
    fn name_of(
        &mut self,
        identity: Identity,
        deployment: &Deployment,
        provider: &KnownProvider,
        remarks: &mut Vec<Remark>,
    ) -> String {
        if let Some(entry) = self.0.iter().find(|entry| entry.identity == identity) {
            return entry.name.clone();
        }
        let same = self.0.iter().filter(|entry| entry.identity.known == identity.known).count();
        let name = match same {
            0 => identity.known.clone(),
            same => format!("{}-{}", identity.known, same + 1),
        };
        let needs_key = identity.key.is_some() || deployment.prefix.starts_with("vertex_ai");
        let key_file = needs_key.then(|| format!("secrets/{name}.key"));
        if let Some(file) = &key_file {
            let path = format!("{}.litellm_params.api_key", deployment.path);
            remarks.push(Remark::new(path, key_advice(identity.key.as_ref(), file)));
        }
        let fields = provider.entry(REGION, &identity.base_url, key_file.as_deref());
        self.0.push(ProviderEntry { name: name.clone(), identity, fields });
        name
    }

    /// Returns the section `providers`.
    pub(super) fn section(&self) -> Map<String, Value> {
        let entries = self.0.iter();
        let entries: Map<String, Value> =
            entries.map(|own| (own.name.clone(), Value::Object(own.fields.clone()))).collect();
        Map::from_iter([("providers".to_owned(), Value::Object(entries))])
    }
}

fn unknown(prefix: &str) -> String {
    format!(
        "left out: the gateway has no API schema for `{prefix}` and this model; if the server is \
         compatible with OpenAI, import it as `openai/MODEL` with its `api_base`"
    )
}

/// Returns the advice for a provider's key.
pub(super) fn key_advice(key: Option<&Setting>, file: &str) -> String {
    match key {
        Some(Setting::Variable(name)) => {
            format!("write the key to `{file}`: printf %s \"${name}\" >{file}")
        }
        Some(Setting::Text(_)) => {
            format!("not copied, because keys are in files of their own: write it to `{file}`")
        }
        None => format!("an access token: run `attache token --watch --out {file}`"),
    }
}

/// Returns the key of a deployment, by custom in an environment variable. `None`: no key is sent.
fn key(deployment: &Deployment, provider: &KnownProvider) -> Option<Setting> {
    let own = deployment.params.get("api_key").and_then(Setting::read);
    let key = own.or_else(|| provider.key_variable.clone().map(Setting::Variable));
    let is_none = |key: &Setting| match key {
        Setting::Text(text) => NO_KEYS.contains(&text.to_ascii_lowercase().as_str()),
        Setting::Variable(_) => false,
    };
    key.filter(|key| !is_none(key))
}

/// Returns the name of a model in the provider's API.
fn upstream_model<'m>(model: &'m str, provider: &KnownProvider) -> &'m str {
    let route =
        model.split_once('/').filter(|(word, _)| provider.routes.iter().any(|own| own == word));
    route.map_or(model, |(_, rest)| rest)
}

/// Returns the base URL of a deployment. `None` comes with a remark.
fn base_url(
    deployment: &Deployment,
    provider: &KnownProvider,
    source: &Source<'_>,
    remarks: &mut Vec<Remark>,
) -> Option<String> {
    let own = ["api_base", "base_url"].into_iter().find_map(|key| {
        let setting = deployment.params.get(key).and_then(Setting::read)?;
        Some((format!("{}.litellm_params.{key}", deployment.path), setting))
    });
    match (own, &provider.base_url) {
        (Some((path, setting)), _) => {
            let url = url_of(&path, &setting, source, remarks);
            Some(with_api_path(&url, provider.api_path.as_deref().unwrap_or_default()))
        }
        (None, Some(usual)) => Some(filled_in(usual, deployment, source, remarks)),
        (None, None) => {
            let advice = "left out: the provider has no usual address, and there is no `api_base`";
            remarks.push(Remark::new(&deployment.path, advice));
            None
        }
    }
}

/// Returns the value of an `api_base`, or a placeholder with a remark.
fn url_of(path: &str, setting: &Setting, source: &Source<'_>, remarks: &mut Vec<Remark>) -> String {
    let (url, name) = match setting {
        Setting::Text(text) => (Some(text.clone()), "api-base"),
        Setting::Variable(name) => (source.variable(name), name.as_str()),
    };
    let is_url = |url: &String| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '#', ' ', '<']))
    };
    if let Some(url) = url.filter(is_url) {
        return url;
    }
    let host = format!("{}.invalid", name.to_ascii_lowercase().replace('_', "-"));
    let advice =
        format!("the URL is unknown here: replace `{host}` in the `base_url` of the provider");
    remarks.push(Remark::new(path, advice));
    format!("https://{host}")
}

/// Returns an `api_base` as a base URL: without the path of a request, with the end that every base
/// URL of the API has.
fn with_api_path(url: &str, api_path: &str) -> String {
    let (mut url, _) = url.split_once('?').unwrap_or((url, ""));
    // Azure's older URLs name the deployment, which is the name of the model in its `v1` API.
    if let Some((resource, _)) = url.split_once("/openai/deployments/") {
        url = resource;
    }
    while let Some(shorter) = REQUEST_PATHS.iter().find_map(|end| url.strip_suffix(end)) {
        url = shorter;
    }
    // A part of the path may be there already, as in `https://HOST/openai` or `https://HOST/v1`.
    let starts = api_path.match_indices('/').map(|(at, _)| at).chain([api_path.len()]);
    let mut splits = starts.filter_map(|at| api_path.split_at_checked(at));
    let there = splits.rfind(|(front, _)| url.ends_with(front));
    format!("{url}{}", there.map_or(api_path, |(_, missing)| missing))
}

/// Parameters in usual base URLs, each with the environment variables and the value that LiteLLM uses
/// without one.
const PARAMETERS: [(&str, [&str; 2], &str); 3] = [
    ("aws_region_name", ["AWS_REGION_NAME", "AWS_REGION"], "us-west-2"),
    ("vertex_location", ["VERTEXAI_LOCATION", "VERTEX_LOCATION"], "us-central1"),
    ("vertex_project", ["VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"], "my-project"),
];

/// Returns a usual base URL with the parameters of a deployment.
fn filled_in(
    usual: &str,
    deployment: &Deployment,
    source: &Source<'_>,
    remarks: &mut Vec<Remark>,
) -> String {
    let mut url = usual.to_owned();
    for (parameter, variables, default) in PARAMETERS {
        let place = format!("{{{parameter}}}");
        if !url.contains(&place) {
            continue;
        }
        let own = match deployment.params.get(parameter).and_then(Setting::read) {
            Some(Setting::Text(text)) => Some(text),
            Some(Setting::Variable(name)) => source.variable(&name),
            None => variables.into_iter().find_map(|name| source.variable(name)),
        };
        let value = own.unwrap_or_else(|| {
            let path = format!("{}.litellm_params.{parameter}", deployment.path);
            let advice =
                format!("unknown here: replace `{default}` in the `base_url` of the provider");
            remarks.push(Remark::new(path, advice));
            default.to_owned()
        });
        if parameter == "vertex_location" {
            url = url.replace("{vertex_host}", &vertex_host(&value));
        }
        url = url.replace(&place, &value);
    }
    url
}

/// Returns the host of a location of Vertex AI. "Data residency": multi-regions have hosts of their
/// own.
fn vertex_host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        _ => format!("{location}-aiplatform.googleapis.com"),
    }
}
