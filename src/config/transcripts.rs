//! Where transcripts come from.

use std::{collections::BTreeSet, time::Duration};

use super::{
    base_url::{BaseUrl, read_base_urls},
    provider::read_key_file,
    read::{ObjectReader, ValueReader},
};
use crate::region::{PerRegion, Region};

/// A service with AssemblyAI's API: `GET {base_url}/v2/transcript/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcripts {
    /// Where it listens, per region. A request takes its own region's and no other.
    pub base_urls: PerRegion<BaseUrl>,
    /// Whether it may be where only machines near the gateway can reach it, and without TLS.
    pub allow_private: bool,
    /// Whose key it is shown.
    pub key: TranscriptKey,
    /// How long it may take.
    pub timeout: Duration,
}

/// Whose key the service is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptKey {
    /// The operator's, out of this file. Envoy puts it on, and the module never sees it.
    File(String),
    /// The one the client came with.
    Caller,
}

/// How long the service may take without a word from the operator: a lookup, and no more.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Transcripts {
    /// Reads `transcripts`. `keys` are the files that hold accounts' keys.
    pub(super) fn read(node: &ValueReader<'_>, keys: &BTreeSet<String>) -> Self {
        let mut entry = node.object();
        let allow_private = entry.optional("allow_private").is_some_and(|node| node.bool());
        let base_urls = read_base_urls(&mut entry, &[Region::Us, Region::Eu], allow_private);
        let key = read_key(&mut entry, keys);
        let timeout = entry.optional("timeout").map_or(TIMEOUT, |node| node.duration());
        entry.finish();
        Self { base_urls, allow_private, key, timeout }
    }

    /// The name of Envoy's cluster in a region. No provider's name begins so.
    pub fn cluster(region: Region) -> String {
        super::cluster(Self::CLUSTER, region)
    }

    /// What the clusters' names begin with.
    pub const CLUSTER: &'static str = "_transcripts";
}

fn read_key(entry: &mut ObjectReader<'_>, keys: &BTreeSet<String>) -> TranscriptKey {
    let file = entry.optional("key_file").map(|node| read_key_file(&node, keys));
    let is_callers = entry.optional("caller_key").is_some_and(|node| node.bool());
    match (file, is_callers) {
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
