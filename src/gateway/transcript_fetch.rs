//! Fetching a transcript before the first attempt.

use std::time::Duration;

use super::Gateway;
use crate::{
    chat::{
        error::Error,
        mistake::{Mistake, MistakeKind},
    },
    config::{TranscriptKey, Transcripts},
    http_call::CallResult,
    provider::MAX_ANSWER,
    region::Region,
    transcript::{self, Wanted},
};

/// A call for a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptCall {
    /// Where the transcript is: where the gateway stands, and nowhere else.
    pub region: Region,
    /// Envoy's cluster for it.
    pub cluster: String,
    /// The value of `:authority`.
    pub authority: String,
    /// The value of `:path`.
    pub path: String,
    /// Whose key is shown.
    pub key: TranscriptKey,
    /// How long it may take.
    pub timeout: Duration,
}

/// A transcript that is to be put into a request before its first attempt.
#[derive(Debug)]
pub(super) struct PendingTranscript {
    wanted: Wanted,
    /// How to come by it.
    pub(super) fetch: TranscriptCall,
}

impl PendingTranscript {
    /// Or what is wrong with asking for one.
    pub(super) fn new(gateway: &Gateway, wanted: Wanted) -> Result<Self, Error> {
        let region = gateway.region;
        let service = gateway.config.transcripts.as_ref();
        let Some((service, base)) = service.and_then(|own| Some((own, own.base_urls.get(region)?)))
        else {
            let problem = format!("transcript_id is not supported in region {}", region.name());
            let mistake = Mistake::new(MistakeKind::Unsupported, "transcript_id", &problem);
            return Err(Error::Invalid(vec![mistake]));
        };
        let fetch = TranscriptCall {
            region,
            cluster: Transcripts::cluster(region),
            authority: base.authority(),
            path: format!("{}/v2/transcript/{}", base.path, wanted.id),
            key: service.key.clone(),
            timeout: service.timeout,
        };
        Ok(Self { wanted, fetch })
    }

    /// The body of the request with the transcript in it.
    pub(super) fn insert(&self, body: &[u8], called: &CallResult) -> Result<Vec<u8>, Error> {
        let text = transcript::read(called)?;
        // Envoy keeps the body for later attempts, in a buffer that is made for answers too.
        if self.wanted.length(body, &text) > MAX_ANSWER {
            let limit = u32::try_from(MAX_ANSWER).unwrap_or(u32::MAX);
            return Err(Error::TooLarge { limit });
        }
        Ok(self.wanted.insert(body, &text))
    }
}
