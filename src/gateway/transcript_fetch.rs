//! The call for a transcript before the first attempt.

use std::time::Duration;

use super::Gateway;
use crate::{
    chat::{
        error::Error,
        mistake::{Mistake, MistakeKind},
    },
    config::{TranscriptKey, Transcripts},
    http_call::{CallResult, MAX_ANSWER, USER_AGENT},
    region::Region,
    transcript::{self, TranscriptRequest},
};

/// Call for a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptCall {
    /// Region of the transcript service: the gateway's, and no other.
    pub region: Region,
    /// Envoy's cluster for it.
    pub cluster: String,
    /// Value of `:authority`.
    pub authority: String,
    /// Value of `:path`.
    pub path: String,
    /// Key that the service gets.
    pub key: TranscriptKey,
    /// Timeout.
    pub timeout: Duration,
}

impl TranscriptCall {
    /// Returns the headers of the call. `caller_key` is the caller's own key, for
    /// [`TranscriptKey::Caller`].
    pub fn headers<'h>(&'h self, caller_key: Option<&'h str>) -> Vec<(&'h str, &'h str)> {
        let mut headers = vec![
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", self.authority.as_str()),
            (":path", &self.path),
            ("accept", "application/json"),
            ("user-agent", USER_AGENT),
        ];
        headers.extend(caller_key.map(|key| ("authorization", transcript::without_bearer(key))));
        headers
    }
}

/// Transcript that a request needs before its first attempt.
#[derive(Debug)]
pub(super) struct PendingTranscript {
    wanted: TranscriptRequest,
    /// Call that fetches it.
    pub(super) call: TranscriptCall,
}

impl PendingTranscript {
    /// Returns the transcript that a request names, or the error if the region has no service.
    pub(super) fn new(gateway: &Gateway, wanted: TranscriptRequest) -> Result<Self, Error> {
        let region = gateway.region;
        let service = gateway.config.transcripts.as_ref();
        let Some((service, base)) = service.and_then(|own| Some((own, own.base_urls.get(region)?)))
        else {
            let problem = format!("transcript_id is not supported in region {}", region.name());
            let mistake = Mistake::new(MistakeKind::Unsupported, "transcript_id", &problem);
            return Err(Error::Invalid(vec![mistake]));
        };
        let call = TranscriptCall {
            region,
            cluster: Transcripts::cluster(region),
            authority: base.authority(),
            path: format!("{}/v2/transcript/{}", base.path, wanted.id),
            key: service.key.clone(),
            timeout: service.timeout,
        };
        Ok(Self { wanted, call })
    }

    /// Returns the body of the request with the transcript in it.
    pub(super) fn insert(&self, body: &[u8], result: &CallResult) -> Result<Vec<u8>, Error> {
        let text = transcript::text_from_call(result)?;
        // Envoy keeps the body for later attempts, in a buffer that has room for the longest answer.
        if self.wanted.inserted_length(body, &text) > MAX_ANSWER {
            let limit = u32::try_from(MAX_ANSWER).unwrap_or(u32::MAX);
            return Err(Error::TooLarge { limit });
        }
        Ok(self.wanted.insert(body, &text))
    }
}
