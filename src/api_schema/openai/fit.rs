//! Limits of OpenAI's API: adapts a request that fits its model, by dropping or refusing content.

use super::{
    conversation::closing_message,
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
    let (forwards, caches) =
        (target.provider.forward_unknown, target.model.supports(Parameter::CacheControl));
    fit.drop_cache_control(request, |mark| match mark {
        CacheControlMark::Message(_) => false,
        CacheControlMark::Part(_) => caches,
        CacheControlMark::Tool(_) => caches || forwards_tools(target.provider),
    });
    if closing_message(request, target) == Some(ClosingMessage::Continue) {
        fit.emulated.push("prefill");
    }
    if !forwards && request.result_parts().any(|part| part.as_text().is_none()) {
        fit.emulated.push(MOVED_MEDIA);
    }
    if adapts_schemas(request, target.provider) {
        fit.emulated.push("tools.parameters");
    }
    for message in &request.messages {
        if message.function_call.is_some() && message.legacy_call().is_none() {
            let problem = "must be an object with name and arguments";
            refuse(fit, format!("messages[{}].function_call", message.index), problem);
        }
        if message.role != Role::User && !message.is_result() && !forwards {
            refuse_media(fit, message);
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

/// Refuses images, files and audio in a message of another role.
fn refuse_media(fit: &mut Fit<'_>, message: &Message<'_>) {
    for (number, part) in message.content.parts().iter().enumerate() {
        if let Some((input, _)) = part.input().filter(|(input, _)| *input != Modality::Text) {
            let problem = format!("{} input is for messages of a user only", input.name());
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
