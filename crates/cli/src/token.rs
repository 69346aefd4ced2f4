//! `attache token`: access tokens of Google Cloud and of Microsoft Entra ID, written to the key files of
//! providers before the old ones end.

mod assertion;
mod credentials;
mod entra;
mod http_client;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use self::credentials::Credentials;
pub(crate) use self::{
    credentials::TokenSource,
    entra::{CertificateKey, ClientProof, EntraApplication, EntraSource},
    http_client::HttpClient,
};
use crate::output_dir::write_atomically;

/// An access token.
struct AccessToken {
    text: String,
    /// The time until it ends.
    lifetime: Duration,
}

/// The files that get a token, and where it comes from.
pub(crate) struct TokenFiles {
    pub(crate) source: TokenSource,
    pub(crate) http: HttpClient,
    /// The permissions that a token has: a URL.
    pub(crate) scope: String,
    pub(crate) files: Vec<PathBuf>,
}

/// Problem of an answer of a token service.
const NO_TOKEN: &str = "the answer of the token service has no token";

impl AccessToken {
    /// Returns the token in an answer of a token service (RFC 6749, section 5.1). Azure's metadata
    /// service writes its lifetime as text.
    fn in_answer(answer: &Value) -> Result<Self, String> {
        let text = answer.get("access_token").and_then(Value::as_str).ok_or(NO_TOKEN)?;
        let lifetime = answer.get("expires_in");
        let lifetime = lifetime.and_then(|own| own.as_u64().or_else(|| own.as_str()?.parse().ok()));
        let lifetime = Duration::from_secs(lifetime.ok_or(NO_TOKEN)?);
        Ok(Self { text: text.to_owned(), lifetime })
    }
}

impl TokenSource {
    /// Returns the source of a file with credentials, or the metadata server of this machine.
    pub(crate) fn new(credentials: Option<&Path>, metadata_server: &str) -> Result<Self, String> {
        match credentials {
            Some(file) => Ok(Self::Credentials(Credentials::read(file)?)),
            None => Ok(Self::MetadataServer(metadata_server.trim_end_matches('/').to_owned())),
        }
    }
}

impl TokenFiles {
    /// Writes a token into each file, and returns its lifetime.
    pub(crate) fn write(&self) -> Result<Duration, String> {
        let token = self.source.fetch(&self.http, &self.scope, SystemTime::now())?;
        for file in &self.files {
            let written = write_atomically(file, &token.text);
            written.map_err(|error| crate::at_path(file, &error))?;
        }
        Ok(token.lifetime)
    }

    /// Writes a new token before each token ends, for as long as the process runs. `wait` ends the
    /// loop by returning `None`.
    pub(crate) fn watch(&self, mut wait: impl FnMut(Duration) -> Option<()>) {
        let mut failures = 0;
        loop {
            let pause = match self.write() {
                Ok(lifetime) => {
                    failures = 0;
                    println!("wrote a token that ends in {} s", lifetime.as_secs());
                    renewal(lifetime)
                }
                Err(problem) => {
                    failures += 1;
                    eprintln!("{problem}");
                    back_off(failures)
                }
            };
            if wait(pause).is_none() {
                return;
            }
        }
    }
}

/// Waits, also while the machine is suspended, in which time a token ages.
pub(crate) fn wait(pause: Duration) -> Option<()> {
    let end = SystemTime::now() + pause;
    while let Ok(rest) = end.duration_since(SystemTime::now()) {
        thread::sleep(rest.min(LONGEST_SLEEP));
    }
    Some(())
}

/// The longest sleep after which the clock is read again.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The time before the end of a token in which it is replaced. The metadata server returns the same
/// token until five minutes before its end.
const MARGIN: Duration = Duration::from_secs(4 * 60);

/// Returns the time after which a token is replaced.
fn renewal(lifetime: Duration) -> Duration {
    let early = lifetime.saturating_sub(MARGIN);
    early.max(lifetime / 2).max(Duration::from_secs(1))
}

/// Returns the wait after a number of failures in a row: a second, which doubles up to a minute.
fn back_off(failures: u32) -> Duration {
    let doubled = 2_u64.saturating_pow(failures.saturating_sub(1));
    Duration::from_secs(doubled.min(60))
}
