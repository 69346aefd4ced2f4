//! A whole answer as a stream, for a client that asked for one where the provider has none.

use super::{
    answer::{Answer, Choice},
    delta::Delta,
};
use crate::json::into_str;

/// Translates an answer into the deltas of a stream.
pub fn to_deltas(answer: Answer<'_>) -> Vec<Delta<'_>> {
    let mut deltas = Vec::new();
    for (index, choice) in answer.choices.into_iter().enumerate() {
        add_choice(choice, index, &mut deltas);
    }
    deltas.extend(answer.usage.map(Delta::Usage));
    deltas.push(Delta::End);
    deltas
}

fn add_choice<'a>(own: Choice<'a>, choice: usize, deltas: &mut Vec<Delta<'a>>) {
    deltas.extend(own.reasoning.map(|text| Delta::Reasoning { choice, text }));
    let details = own.reasoning_details.into_iter();
    deltas.extend(details.map(|json| Delta::ReasoningDetail { choice, json }));
    deltas.extend(own.refusal.map(|text| Delta::Refusal { choice, text }));
    let logprobs = own.logprobs.map(into_str);
    deltas.extend(own.content.map(|text| Delta::Content { choice, text, logprobs }));
    deltas.extend(own.images.into_iter().map(|json| Delta::Image { choice, json }));
    let calls = own.calls.into_iter().filter(|call| !call.name.is_empty());
    for (call, tool_call) in calls.enumerate() {
        let (id, name, extra_content) = (tool_call.id, tool_call.name, tool_call.extra_content);
        deltas.push(Delta::Call { choice, call, id, name, extra_content });
        deltas.push(Delta::Arguments { choice, call, text: tool_call.arguments });
    }
    deltas.push(Delta::Finish { choice, finish: own.finish, native: own.native_finish });
}
