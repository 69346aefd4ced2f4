//! Fields of a request that depend on the target: the model, and the way in which it thinks.

use super::{response_format::OutputFormat, thinking::ThinkingMode};
use crate::{
    chat::effort::Effort,
    config::{Quirk, Target},
    json::Object,
};

/// The version of the API on Vertex AI, which is sent in the body: Vertex AI, *Claude models*.
const VERTEX_VERSION: &str = "vertex-2023-10-16";

/// Writes the model, or on Vertex AI, whose path names the model, the version of the API.
pub(super) fn write_model(body: &mut Object<'_>, target: &Target<'_>) {
    if target.provider.has(Quirk::RawPredict) {
        body.value("anthropic_version", VERTEX_VERSION);
    } else {
        body.value("model", &target.endpoint.upstream_model);
    }
}

/// Writes the way of thinking and the format of the answer, which share `output_config`. The
/// display is given because the newest models omit the text of their thinking by default (guide
/// *Adaptive thinking*).
pub(super) fn write_thinking(body: &mut Object<'_>, thinking: ThinkingMode, format: &OutputFormat) {
    match thinking {
        ThinkingMode::Budget(budget) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "enabled").value("budget_tokens", &budget);
            });
        }
        ThinkingMode::Adaptive(_) => {
            body.object("thinking", |thinking| {
                thinking.value("type", "adaptive").value("display", "summarized");
            });
        }
        ThinkingMode::Disabled => {
            body.object("thinking", |thinking| {
                thinking.value("type", "disabled");
            });
        }
        ThinkingMode::None | ThinkingMode::Effort(_) => {}
    }
    let effort = match thinking {
        ThinkingMode::Adaptive(effort) | ThinkingMode::Effort(effort) => Some(effort),
        ThinkingMode::None | ThinkingMode::Disabled | ThinkingMode::Budget(_) => None,
    };
    if effort.is_some() || matches!(format, OutputFormat::Schema(_)) {
        body.object("output_config", |output| {
            effort.map(|effort| output.value("effort", effort_name(effort)));
            format.write(output);
        });
    }
}

/// Returns Claude's name of an effort. Its lowest is `low`.
fn effort_name(effort: Effort) -> &'static str {
    if effort <= Effort::Low { "low" } else { effort.name() }
}
