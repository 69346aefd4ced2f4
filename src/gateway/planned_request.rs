//! A request that is planned.

use super::{Caller, plan::Plan, transcript_fetch::PendingTranscript};
use crate::{
    attempt::{AttemptDraft, DraftContext},
    chat::{error::Error, parameter::Parameter, request},
    transcript::TranscriptRequest,
};

/// Request that is planned.
pub(super) struct PlannedRequest {
    /// Plan.
    pub(super) plan: Plan,
    /// Draft of the first attempt, if there is one.
    pub(super) draft: Option<AttemptDraft>,
    /// Transcript that the request refers to.
    pub(super) transcript: Option<PendingTranscript>,
}

impl PlannedRequest {
    /// Plans a request, and the call for the transcript that it refers to.
    pub(super) fn new(caller: &Caller, body: &[u8]) -> Result<Self, Error> {
        let Caller { gateway, account, request_id, started, inlet } = caller;
        if body.is_empty() {
            return Err(Error::NoBody);
        }
        let read = inlet.read(body)?;
        let parameters = read.parameters()?;
        let has_transcript = parameters.has(Parameter::TranscriptId);
        let request = DraftContext { request_id, inlet: *inlet };
        let (plan, draft) =
            Plan::new(gateway, account, request, parameters, *started).map_err(Error::Invalid)?;
        let wanted = if has_transcript {
            let in_place = request::checked_parameters(body)?;
            let includes = |variant| plan.includes(variant);
            TranscriptRequest::find(body, &in_place, inlet.prompt_fields(), includes)
        } else {
            None
        };
        let transcript =
            wanted.map(|wanted| PendingTranscript::new(gateway, wanted)).transpose()?;
        Ok(Self { plan, draft, transcript })
    }
}
