//! Limits of Responses: adapts a request that fits its model, by dropping, clamping or refusing
//! parameters.

use crate::{
    api_schema::openai::{fit_conversation, refuse_parts},
    chat::{message::Modality, parameter::Parameter, request::Request},
    config::Target,
    fit::Fit,
};

/// The lowest limit on a response, in tokens: OpenAI's error `integer_below_min_value` for
/// `max_output_tokens`.
const MIN_OUTPUT_TOKENS: u32 = 16;

/// Adapts a request to the limits of Responses. Results of tools may have images and files, and no
/// message may have audio: API reference, *Create a model response*, `input`.
pub(crate) fn fit(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    fit.drop_cache_control(request, |_| false);
    fit_conversation(fit, request, target);
    for message in &request.messages {
        refuse_parts(
            fit,
            message,
            |input| input == Modality::Audio,
            "is not supported by the provider",
        );
    }
    let limit = fit.value(Parameter::MaxTokens).and_then(|json| json.parse().ok());
    if limit.is_some_and(|limit: u32| limit < MIN_OUTPUT_TOKENS) {
        let least = MIN_OUTPUT_TOKENS.to_string();
        fit.clamp(Parameter::MaxTokens, least.clone(), least);
    }
}
