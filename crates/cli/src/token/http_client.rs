//! The few HTTP requests of the command, with JSON in the answers.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use ureq::{
    Agent, Body,
    http::Response,
    tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem},
};

use crate::at_path;

/// Client for HTTP, with TLS for `https`.
pub(crate) struct HttpClient {
    /// The CA certificates that servers are verified with.
    pub(crate) ca_file: PathBuf,
}

/// The deadline of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer in bytes.
const MAX_BODY: u64 = 64 * 1024;

/// The longest message of an error in characters.
const MAX_MESSAGE: usize = 200;

impl HttpClient {
    /// Sends `GET`.
    pub(super) fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Value, String> {
        let mut request = self.agent(url)?.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(url, request.call())
    }

    /// Sends `POST` with the fields of a form.
    pub(super) fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Value, String> {
        answer(url, self.agent(url)?.post(url).send_form(fields.iter().copied()))
    }

    /// Sends `POST` with JSON, authorized by a token.
    pub(super) fn post_json(&self, url: &str, token: &str, body: &Value) -> Result<Value, String> {
        let request = self.agent(url)?.post(url).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}"));
        answer(url, request.send(body.to_string()))
    }

    /// Returns an agent for a URL. Without TLS, no proxy is used: the metadata server is at this
    /// machine.
    fn agent(&self, url: &str) -> Result<Agent, String> {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT));
        let config = config.http_status_as_error(false).max_redirects(0);
        let config = match url.starts_with("https://") {
            true => config.tls_config(self.tls()?),
            false => config.proxy(None),
        };
        Ok(config.build().into())
    }

    fn tls(&self) -> Result<TlsConfig, String> {
        let pem = fs::read(&self.ca_file).map_err(|error| at_path(&self.ca_file, &error))?;
        let certificates = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let certificates: Vec<_> = certificates.collect();
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .build())
    }
}

/// Returns the JSON of an answer, or an error with the reason that the server gives.
fn answer(url: &str, result: Result<Response<Body>, ureq::Error>) -> Result<Value, String> {
    let about = |problem: &str| format!("{}: {problem}", without_query(url));
    let mut response = result.map_err(|error| about(&error.to_string()))?;
    let status = response.status();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_string();
    let body = body.map_err(|error| about(&error.to_string()))?;
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    if status.is_success() { Ok(body) } else { Err(about(&format!("{status}{}", reason(&body)))) }
}

/// Returns the reason in an error's body: RFC 6749, section 5.2, or Google's format of errors.
fn reason(body: &Value) -> String {
    let places = ["/error_description", "/error/message", "/error"];
    let reason = places.iter().find_map(|place| body.pointer(place)?.as_str());
    let short = |reason: &str| reason.chars().take(MAX_MESSAGE).collect::<String>();
    reason.map(|reason| format!(": {}", short(reason))).unwrap_or_default()
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}
