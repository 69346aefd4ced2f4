//! An attempt before it begins: its request is translated, and the reading of its answer prepared.

use std::rc::Rc;

use super::{Attempt, AttemptProgress, AttemptState, ProviderCluster};
use crate::{
    api_schema::{
        Decoder, PreparedRequest, prepare, translate,
        translation::{TranslatedRequest, TranslationInput},
    },
    chat::{envelope::Envelope, error::Error, price::Price, request::Request},
    collections::set_of,
    config::Target,
    fit::{StreamMode, response_format::FormatMode},
    handoff::ticket::Ticket,
    inlet::{self, Inlet},
    post_processing::RepairRequest,
    time::Timestamp,
};

/// Attempt that has not begun. Nothing in it borrows from the client's request.
#[derive(Debug)]
pub struct AttemptDraft {
    cluster: Rc<ProviderCluster>,
    request: TranslatedRequest,
    decoder: Decoder,
    stream: StreamMode,
    /// Fields of the answer, without the time.
    envelope: Envelope,
    price: Option<Price>,
    /// Name of the endpoint, if the model has several.
    endpoint: Option<String>,
    /// Value of `x-attache-params`.
    params: String,
    repair: Option<Rc<RepairRequest>>,
    /// Model of the client's request, if this is another.
    request_model: Option<String>,
}

/// Facts of an exchange that a draft needs.
#[derive(Clone, Copy, Debug)]
pub struct DraftContext<'r> {
    /// Id of the exchange.
    pub request_id: &'r str,
    /// API in which the client asks.
    pub inlet: Inlet,
}

impl AttemptDraft {
    /// Translates the request that a ticket and the client's body describe.
    pub fn read(
        cluster: &Rc<ProviderCluster>,
        ticket: &Ticket,
        body: &[u8],
    ) -> Result<Self, Error> {
        let read = ticket.inlet.reread(body)?;
        let (request, mistakes, request_model) =
            cluster.read(read.parameters()?, ticket.target.route.variant)?;
        if !mistakes.is_empty() {
            return Err(Error::Invalid(mistakes));
        }
        let target = cluster.target(&request, ticket.target.route.endpoint)?;
        let prepared = prepare(&request, &target);
        if !prepared.fit.refused.is_empty() {
            return Err(Error::Invalid(prepared.fit.refused));
        }
        let context = DraftContext { request_id: &ticket.request_id, inlet: ticket.inlet };
        let draft = Self::new(cluster, &request, target, &prepared, context);
        Ok(Self { request_model, ..draft })
    }

    /// Translates a request that is fitted to its target, and not refused.
    pub(crate) fn new(
        cluster: &Rc<ProviderCluster>,
        request: &Request<'_>,
        target: Target<'_>,
        prepared: &PreparedRequest<'_>,
        context: DraftContext<'_>,
    ) -> Self {
        let DraftContext { request_id, inlet } = context;
        let PreparedRequest { fit, schema_request } = prepared;
        let input = TranslationInput { request, fit, target, request_id, inlet };
        let (outgoing, decoder) = translate(&input, schema_request);
        let is_whole = fit.stream == StreamMode::Off;
        let shown = cluster.config.shown_name(target.name, &request.model);
        Self {
            cluster: Rc::clone(cluster),
            request: outgoing,
            decoder,
            stream: fit.stream,
            envelope: Envelope {
                request_id: request_id.to_owned(),
                model: shown.to_owned(),
                request: match inlet::echo(request) {
                    Some(echo) => echo,
                    None if is_whole => fit.echo(shown),
                    // Chunks of a stream have no field for the request.
                    None => Vec::new(),
                },
                call_form: request.call_form,
                custom_tools: set_of(request.custom_tools().map(|name| name.decode().into_owned())),
                include_usage: request.include_usage,
                price: target.model.price.filter(|_| cluster.config.report_cost),
                carries_reasoning: inlet::carries_reasoning(request),
                ..Envelope::default()
            },
            price: target.model.price,
            endpoint: target.endpoint.label.clone(),
            params: fit.report(),
            repair: match fit.format {
                FormatMode::Native => RepairRequest::from_request(request),
                FormatMode::JsonMode | FormatMode::Instruction => {
                    Some(RepairRequest::for_emulated_format(request))
                }
            },
            request_model: None,
        }
    }

    /// Begins the attempt of a ticket, unless the data may not go to the provider's region.
    pub fn begin(
        self,
        ticket: Rc<Ticket>,
        now: Timestamp,
    ) -> Result<(Attempt, TranslatedRequest), Error> {
        if !ticket.gateway_region.may_reach(self.cluster.region) {
            let problem = "a request came to a region that it may not reach";
            return Err(Error::Misconfigured { problem });
        }
        let envelope = Envelope { created: now.as_secs(), ..self.envelope };
        let attempt = Attempt {
            cluster: self.cluster,
            envelope,
            stream: self.stream,
            endpoint: self.endpoint,
            params: self.params,
            decoder: self.decoder,
            repair: self.repair,
            repairs: None,
            began: now,
            sent: ticket.due.map_or(now, |due| due.max(now)),
            request_model: self.request_model,
            refused: Vec::new(),
            progress: AttemptProgress { price: self.price, ..AttemptProgress::default() },
            report: None,
            failures: None,
            state: AttemptState::Waiting,
            buffered: None,
            ticket,
        };
        Ok((attempt, self.request))
    }
}
