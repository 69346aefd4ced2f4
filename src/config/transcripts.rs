//! Service that transcripts are fetched from.

use std::{collections::BTreeSet, time::Duration};

use super::{
    PoolKey,
    base_url::{BaseUrl, read_base_urls},
    key_file::read_key_file,
    read::ObjectReader,
    table::{
        ValueType::{self, Flag, Object, Path, Url},
        defaults_to, object_table, optional, required, required_unless,
    },
};
use crate::region::{PerRegion, Region};

object_table! {
    /// Service with AssemblyAI's API, `GET {base_url}/v2/transcript/{id}`.
    pub(super) static TRANSCRIPTS = "transcripts" {
        /// Accepts URLs with `http` or a private host.
        "allow_private": Flag, defaults_to("false");
        /// URL of the service per region, at least one. A gateway calls the URL of its own region and
        /// no other.
        "base_url": Object(&TRANSCRIPT_URLS), required("an object, `us` or `eu` to URL");
        /// File that holds the key, which is sent as `authorization: KEY`.
        "key_file": Path, required_unless("caller_key");
        /// Sends the client's own key, without `Bearer`, in place of a `key_file`.
        "caller_key": Flag, defaults_to("false");
        /// Deadline of one fetch.
        "timeout": ValueType::Duration, defaults_to("10s");
    }
}

object_table! {
    /// URLs of a transcript service.
    static TRANSCRIPT_URLS = "transcripts.base_url" {
        /// URL for requests to the US gateway.
        "us": Url, optional("no transcripts in the US");
        /// URL for requests to the EU gateway.
        "eu": Url, optional("no transcripts in the EU");
    }
}

/// Service with AssemblyAI's API: `GET {base_url}/v2/transcript/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcripts {
    /// Address per region. A request uses the address of its own region and no other.
    pub base_urls: PerRegion<BaseUrl>,
    /// Whether `http` and private hosts are accepted.
    pub allow_private: bool,
    /// Key that the service receives.
    pub key: TranscriptKey,
    /// Deadline of one fetch.
    pub timeout: Duration,
}

/// Key that the transcript service receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptKey {
    /// The operator's key in this file. Envoy adds it to the request; the module never sees it.
    File(String),
    /// The client's own key.
    Caller,
}

impl Transcripts {
    /// Reads `transcripts`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(entry: ObjectReader<'_>, keys: &BTreeSet<String>) -> Self {
        let allow_private = entry.flag("allow_private");
        let transcripts = Self {
            base_urls: read_base_urls(&entry, "base_url", "`us` or `eu`", allow_private),
            allow_private,
            key: read_key(&entry, keys),
            timeout: entry.duration("timeout"),
        };
        entry.finish();
        transcripts
    }

    /// Returns the name of Envoy's cluster in a region. No provider's name begins with an underscore.
    pub fn cluster(region: Region) -> String {
        super::cluster(Self::CLUSTER, region, PoolKey::FIRST)
    }

    /// Beginning of the clusters' names.
    pub const CLUSTER: &'static str = "_transcripts";
}

fn read_key(entry: &ObjectReader<'_>, keys: &BTreeSet<String>) -> TranscriptKey {
    let file = entry.get("key_file").map(|path| read_key_file(&path, keys));
    match (file, entry.flag("caller_key")) {
        (Some(file), false) => TranscriptKey::File(file),
        (None, true) => TranscriptKey::Caller,
        (Some(_), true) => {
            entry.wrong("caller_key", "`false`, as there is a `key_file`");
            TranscriptKey::Caller
        }
        (None, false) => {
            entry.wrong("key_file", "the path of a file, or `caller_key: true` in its place");
            TranscriptKey::Caller
        }
    }
}
