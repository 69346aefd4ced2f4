//! Guard: the operator's service that decides on requests and answers.

use std::{collections::BTreeSet, time::Duration};

use super::{
    base_url::{BaseUrl, read_base_urls},
    key_file::read_key_file,
    listener::Listener,
    read::ObjectReader,
    table::{
        ValueType::{self, Flag, Object, Path, Url},
        defaults_to, object_table, optional, required, word, words, words_of,
    },
};
use crate::region::{PerRegion, Region};

object_table! {
    /// Service that decides on each request before a provider gets it, and on each answer
    /// before the client gets it.
    pub(super) static GUARD = "guard" {
        /// Accepts URLs with `http` or a private host.
        "allow_private": Flag, defaults_to("false");
        /// URL per region, one for each gateway. A gateway calls the URL of its own region and no
        /// other.
        "url": Object(&GUARD_URLS), required("an object, `us` or `eu` to URL");
        /// File that holds a key, which is sent as `authorization: Bearer KEY`.
        "key_file": Path, optional("no key is sent");
        /// Deadline of one call.
        "timeout": ValueType::Duration, defaults_to("500ms");
        /// Action when the guard does not answer: `refuse` refuses the request with 503, `admit`
        /// continues without the guard.
        "on_error": word(|| words_of(&GuardFailurePolicy::WORDS)), defaults_to("refuse");
        /// Subjects on which the guard decides: `request`, `answer`. Answers of streams are not
        /// among them.
        "stages": words(|| words_of(&GuardStage::WORDS)), optional("both");
    }
}

object_table! {
    /// URLs of a guard.
    static GUARD_URLS = "guard.url" {
        /// URL for requests to the US gateway.
        "us": Url, optional("no US gateway");
        /// URL for requests to the EU gateway.
        "eu": Url, optional("no EU gateway");
    }
}

/// The operator's service that decides on requests and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// URL per region. A request uses the URL of its own region and no other.
    pub urls: PerRegion<BaseUrl>,
    /// Whether `http` and private hosts are accepted.
    pub allow_private: bool,
    /// File that holds the key. Envoy adds the key to each call; the module never sees it.
    pub key_file: Option<String>,
    /// Deadline of one call.
    pub timeout: Duration,
    /// Action when the guard does not answer.
    pub on_error: GuardFailurePolicy,
    /// Subjects about which the guard is asked.
    pub stages: Vec<GuardStage>,
}

/// Subject about which a guard is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardStage {
    /// A request, before its first attempt.
    Request,
    /// An answer in one piece.
    Answer,
}

impl GuardStage {
    const WORDS: [(&'static str, Self); 2] = [("request", Self::Request), ("answer", Self::Answer)];

    /// Returns the word in the configuration, in calls and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Answer => "answer",
        }
    }
}

/// Action when a guard does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardFailurePolicy {
    /// Go on without the guard.
    Admit,
    /// Refuse the request.
    Refuse,
}

impl GuardFailurePolicy {
    const WORDS: [(&'static str, Self); 2] = [("refuse", Self::Refuse), ("admit", Self::Admit)];
}

impl Guard {
    /// Beginning of the clusters' names.
    pub const CLUSTER: &'static str = "_guard";

    /// Reads `guard`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(
        entry: ObjectReader<'_>,
        keys: &BTreeSet<String>,
        listeners: &PerRegion<Listener>,
    ) -> Self {
        let allow_private = entry.flag("allow_private");
        let urls = read_base_urls(&entry, "url", "`us` or `eu`", allow_private);
        if urls.iter().next().is_some()
            && let Some(given) = entry.get("url")
        {
            for (region, _) in listeners.iter().filter(|(region, _)| urls.get(*region).is_none()) {
                let allowed = format!("a URL, because there is `listeners.{}`", region.name());
                given.object().wrong(region.name(), allowed);
            }
        }
        let mut stages = entry.words("stages", &GuardStage::WORDS);
        if stages.is_empty() {
            stages = GuardStage::WORDS.map(|(_, stage)| stage).into();
        }
        let on_error = entry.word("on_error", &GuardFailurePolicy::WORDS);
        let guard = Self {
            urls,
            allow_private,
            key_file: entry.get("key_file").map(|path| read_key_file(&path, keys)),
            timeout: entry.duration("timeout"),
            on_error: on_error.unwrap_or(GuardFailurePolicy::Refuse),
            stages,
        };
        entry.finish();
        guard
    }

    /// Returns the name of Envoy's cluster in a region. No provider's name begins with an underscore.
    pub fn cluster(region: Region) -> String {
        super::cluster(Self::CLUSTER, region, super::PoolKey::FIRST)
    }
}
