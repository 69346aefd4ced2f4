//! HTTP services of the operator's that the gateway role calls besides the providers, in one view.

use super::{BaseUrl, Config, Guard, TranscriptKey, Transcripts};
use crate::region::PerRegion;

/// HTTP service that the gateway role calls.
#[derive(Clone, Copy, Debug)]
pub struct Service<'c> {
    /// Name of its entry in the configuration.
    pub name: &'static str,
    /// Field of the entry that has the URLs.
    pub url_field: &'static str,
    /// Beginning of the names of its clusters, and name of its key's secret.
    pub cluster: &'static str,
    /// URL per region.
    pub urls: &'c PerRegion<BaseUrl>,
    /// Whether `http` and private hosts are accepted.
    pub allow_private: bool,
    /// File that holds the key, if Envoy sends one.
    pub key_file: Option<&'c String>,
    /// Text in front of the key in `authorization`.
    pub key_prefix: &'static str,
}

impl Config {
    /// Returns the services of the configuration.
    pub fn services(&self) -> impl Iterator<Item = Service<'_>> {
        let transcripts = self.transcripts.as_ref().map(Transcripts::service);
        transcripts.into_iter().chain(self.guard.as_ref().map(Guard::service))
    }
}

impl Transcripts {
    fn service(&self) -> Service<'_> {
        let key_file = match &self.key {
            TranscriptKey::File(file) => Some(file),
            TranscriptKey::Caller => None,
        };
        Service {
            name: "transcripts",
            url_field: "base_url",
            cluster: Self::CLUSTER,
            urls: &self.base_urls,
            allow_private: self.allow_private,
            key_file,
            key_prefix: "",
        }
    }
}

impl Guard {
    fn service(&self) -> Service<'_> {
        Service {
            name: "guard",
            url_field: "url",
            cluster: Self::CLUSTER,
            urls: &self.urls,
            allow_private: self.allow_private,
            key_file: self.key_file.as_ref(),
            key_prefix: "Bearer ",
        }
    }
}
