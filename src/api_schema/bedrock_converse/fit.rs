//! Parameters and parts that Converse takes in another form, or not at all.

use super::request::ConverseRequest;
use crate::{
    api_schema::anthropic::{
        AnthropicTools, MediaBlock, MediaSource, OutputFormat, fit_cache_control,
        limit_cache_control, media_block, to_turns,
    },
    chat::{
        mistake::{Mistake, add_invalid},
        parameter::Parameter,
        request::Request,
    },
    config::Target,
    fit::Fit,
};

/// Fits a request to Converse. Returns the request as the fit had to translate it.
pub(crate) fn fit<'q>(
    fit: &mut Fit<'q>,
    request: &'q Request<'q>,
    target: &Target<'_>,
) -> ConverseRequest<'q> {
    let mut mistakes = Vec::new();
    let mut conversation = to_turns(&request.messages, &mut mistakes);
    let mut tools = AnthropicTools::new(request, fit, &mut mistakes);
    refuse_urls(request, &mut mistakes);
    fit_cache_control(fit, request);
    limit_cache_control(fit, request, &mut conversation, &mut tools);
    fit.drop_image_detail(request);
    if conversation.has_thinking() {
        fit.dropped.push("messages.reasoning_details".into());
    }
    if tools.forbid_calls() && conversation.has_calls() {
        // A conversation with calls must declare tools, and no choice forbids them.
        fit.drop_parameter(Parameter::ToolChoice);
    }
    let format = OutputFormat::new(request, fit);
    format.report(fit);
    if let OutputFormat::Instruction(instruction) = &format {
        conversation.add_instruction(instruction);
    }
    let continues = target.model.continues_assistant(target.endpoint.api_schema);
    if conversation.ends_in_assistant && !continues {
        conversation.ask_to_continue();
        fit.emulated.push("prefill");
    }
    fit.refuse_others(mistakes);
    ConverseRequest { conversation, tools, format }
}

/// Refuses images and documents by URL, which Bedrock does not fetch.
fn refuse_urls(request: &Request<'_>, mistakes: &mut Vec<Mistake>) {
    for message in &request.messages {
        for (number, part) in message.content.parts().iter().enumerate() {
            let Ok(Some(
                MediaBlock::Image(MediaSource::Url(_))
                | MediaBlock::Document(MediaSource::Url(_), _),
            )) = media_block(part)
            else {
                continue;
            };
            let problem = "this provider fetches no URL, send a data URL";
            add_invalid(mistakes, message.part_path(number), problem);
        }
    }
}
