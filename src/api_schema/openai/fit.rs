//! Limits of OpenAI's API: adapts a request that fits its model, by dropping or refusing content.

use super::{messages::closing_message, tools::forwards_tools};
use crate::{
    chat::{
        message::{Content, Function, Message, Modality, Role},
        mistake::{MAX_MISTAKES, Mistake, MistakeKind},
        parameter::Parameter,
        request::Request,
    },
    config::Target,
    fit::{CacheControlMark, Fit, closing_message::ClosingMessage},
};

/// Adapts a request to the limits of OpenAI's API. Images, files and audio are permitted in
/// messages of users only: API reference, *Create chat completion*, `messages`. A server with
/// `forward_unknown` may accept them elsewhere.
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
    for (index, message) in request.messages.iter().enumerate() {
        if let Some(raw) = message.function_call
            && serde_json::from_str::<Function<'_>>(raw.get()).is_err()
        {
            let problem = "must be an object with name and arguments";
            refuse(fit, format!("messages[{index}].function_call"), problem);
        }
        if message.role != Role::User && !forwards {
            refuse_media(fit, index, message);
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
fn refuse_media(fit: &mut Fit<'_>, index: usize, message: &Message<'_>) {
    let Content::Parts(parts) = &message.content else { return };
    for (number, part) in parts.iter().enumerate() {
        if let Some((input, _)) = part.input().filter(|(input, _)| *input != Modality::Text) {
            let problem = format!("{} input is for messages of a user only", input.name());
            refuse(fit, format!("messages[{index}].content[{number}]"), &problem);
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
