//! Limits of OpenAI's API: adapts a request that fits its model, by dropping or refusing content.

use super::{
    conversation::{closing_message, keeps_media},
    tools::{adapts_schemas, forwards_tools},
};
use crate::{
    api_schema::tool_results::MOVED_MEDIA,
    chat::{
        message::{Message, Modality, Role},
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
        parameter::Parameter,
        request::Request,
    },
    config::Target,
    fit::{CacheControlMark, Fit, closing_message::ClosingMessage},
};

/// Adapts a request to the limits of OpenAI's API. Images, files and audio are permitted in
/// messages of users only: API reference, *Create chat completion*, `messages`. Those of results are
/// moved into one. A server with `forward_unknown` may accept them elsewhere.
pub(crate) fn fit(fit: &mut Fit<'_>, request: &Request<'_>, target: &Target<'_>) {
    let caches = target.model.supports(Parameter::CacheControl);
    fit.drop_cache_control(request, |mark| match mark {
        CacheControlMark::Message(_) => false,
        CacheControlMark::Part(_) => caches,
        CacheControlMark::Tool(_) => caches || forwards_tools(target.provider),
    });
    fit_conversation(fit, request, target);
    if !keeps_media(target) && request.result_parts().any(|part| part.as_text().is_none()) {
        fit.emulated.push(MOVED_MEDIA);
    }
    if adapts_schemas(request, target.provider) {
        fit.emulated.push("tools.parameters");
    }
}

/// Adapts the messages of a request: their end, their calls in the older form, and their images,
/// files and audio, which only come from a user.
pub(in crate::api_schema) fn fit_conversation(
    fit: &mut Fit<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
) {
    if closing_message(request, target) == Some(ClosingMessage::Continue) {
        fit.emulated.push("prefill");
    }
    for message in &request.messages {
        if message.function_call.is_some() && message.legacy_call().is_none() {
            let problem = "must be an object with name and arguments";
            refuse(fit, format!("messages[{}].function_call", message.index), problem);
        }
        let may_have_media = message.role == Role::User || message.is_result();
        if !may_have_media && !target.provider.forward_unknown {
            refuse_parts(
                fit,
                message,
                |input| input != Modality::Text,
                "is for messages of a user only",
            );
        }
    }
}

/// Returns the parameters that OpenAI's API refuses in this request: `metadata`, which voice
/// platforms send with every request, without `store` (API reference, *Create chat completion*,
/// `metadata`).
pub(crate) fn unsupported_parameters(request: &Request<'_>) -> &'static [Parameter] {
    let store = request.parameters.get(Parameter::Store);
    if store.is_some_and(|raw| raw.get() == "true") { &[] } else { &[Parameter::Metadata] }
}

/// Refuses the parts of a message with some kinds of input, each with the problem of its kind.
pub(in crate::api_schema) fn refuse_parts(
    fit: &mut Fit<'_>,
    message: &Message<'_>,
    is_refused: fn(Modality) -> bool,
    problem: &str,
) {
    for (number, part) in message.content.parts().iter().enumerate() {
        if let Some((input, _)) = part.input().filter(|(input, _)| is_refused(*input)) {
            let problem = format!("{} input {problem}", input.name());
            refuse(fit, message.part_path(number), &problem);
        }
    }
}

/// Records a problem with the parameter `param`, once and up to [`MAX_MISTAKES`].
fn refuse(fit: &mut Fit<'_>, param: String, problem: &str) {
    let is_reported = fit.refused.iter().any(|mistake| mistake.param == param);
    if !is_reported && fit.refused.len() < MAX_MISTAKES {
        let message = format!("{param}: {problem}");
        fit.refused.push(Mistake::new(MistakeKind::Invalid, param, &message));
    }
}
