//! The order in which the endpoints of a model are asked.

use serde_json::value::RawValue;

use super::check::PlanContext;
use crate::{
    chat::{
        message::{Content, Message, Part, Role},
        parameter::Parameter,
        request::Request,
        request_variant::RequestVariant,
        text::Text,
    },
    config::{Endpoint, HashOn, PoolKey, Target, cluster},
    endpoint_choice::{Candidate, Draw, cool_downs},
    failover::EndpointIndex,
    region::Region,
    time::Timestamp,
};

impl PlanContext<'_> {
    /// Returns the endpoints of a target's model in its region, in the order in which they are asked.
    pub(super) fn endpoint_order(
        &self,
        target: &Target<'_>,
        request: &Request<'_>,
        variant: RequestVariant,
    ) -> Vec<EndpointIndex> {
        let Target { name, model, region, .. } = *target;
        let endpoints = model.endpoints_in(region);
        if endpoints.len() < 2 {
            return vec![EndpointIndex::FIRST];
        }
        let candidate = |(position, endpoint)| Candidate {
            index: EndpointIndex::new(position),
            endpoint,
            passed_over_until: self.passed_over_until(endpoint, region),
        };
        let draw = match (model.hash_on, request.messages.is_empty()) {
            (Some(HashOn::Account), _) => Draw::by_hash([self.account]),
            (Some(HashOn::Prompt), false) => Draw::by_hash(prompt_prefix(request)),
            // A request for embeddings has no prompt. Fallbacks are rarely asked, and do not disturb
            // the turns of requests for the model itself.
            _ => {
                let key = [name, "/", region.name(), "/", &*variant.to_text()].concat();
                self.gateway.draws.next(&key)
            }
        };
        draw.rank(endpoints.iter().enumerate().map(candidate).collect())
    }

    /// Returns the moment until which an endpoint is not asked: the end of its cool-down, or of the
    /// ejection of its provider.
    fn passed_over_until(&self, endpoint: &Endpoint, region: Region) -> Option<Timestamp> {
        let hosts = cluster(&endpoint.provider, region, PoolKey::FIRST);
        let ejected = self.gateway.ejections.end(&hosts, self.now);
        ejected.max(cool_downs::end(&*self.gateway.store, endpoint, region, self.now))
    }
}

/// Returns the texts that every turn of a conversation begins with: tools, instructions, and the first
/// message of the user. Marks for caches in messages are left out, because clients move them from turn to turn.
fn prompt_prefix<'r>(request: &'r Request<'_>) -> Vec<&'r str> {
    let parameters = [Parameter::Tools, Parameter::Functions, Parameter::TranscriptId];
    let raw = parameters.into_iter().filter_map(|own| request.parameters.get(own));
    let mut texts: Vec<&str> = raw.map(RawValue::get).collect();
    let is_user = |message: &Message<'_>| message.role == Role::User;
    let first = request.messages.iter().position(is_user).unwrap_or_default();
    for message in request.messages.iter().take(first + 1) {
        match &message.content {
            Content::Absent => {}
            Content::Text(text) => texts.push(text.json()),
            Content::Parts(parts) => parts.iter().for_each(|part| push_part(part, &mut texts)),
        }
    }
    texts
}

fn push_part<'p>(part: &'p Part<'_>, texts: &mut Vec<&'p str>) {
    texts.extend(part.text.as_ref().map(Text::json));
    texts.extend(part.image_url.as_ref().map(|image| image.url.json()));
    texts.extend([part.input_audio, part.file].into_iter().flatten().map(RawValue::get));
}
