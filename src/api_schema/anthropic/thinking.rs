//! The ways in which Claude thinks before it answers. Guides *Extended thinking*, *Adaptive
//! thinking* and *Effort*.

use crate::{
    chat::{effort::Effort, parameter::Parameter},
    config::{Model, Target, Thinking},
    fit::Fit,
};

/// The smallest budget: Claude API reference, `thinking.budget_tokens`.
pub(super) const MIN_BUDGET: u32 = 1024;

/// The budgets for efforts, largest first. The efforts are OpenAI's, the numbers our own: each is
/// twice the next, down to the smallest that Claude takes.
pub(super) const BUDGETS: [(Effort, u32); 5] = [
    (Effort::Max, 16384),
    (Effort::Xhigh, 8192),
    (Effort::High, 4096),
    (Effort::Medium, 2048),
    (Effort::Low, MIN_BUDGET),
];

/// The parameters of sampling, which Claude refuses while it thinks: guide *Extended thinking*,
/// "Feature compatibility".
pub(super) const SAMPLING: [Parameter; 3] =
    [Parameter::Temperature, Parameter::TopP, Parameter::TopK];

/// The way in which a request asks the model to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThinkingMode {
    /// No thinking.
    None,
    /// No thinking, which the request states because the model thinks by default.
    Disabled,
    /// As much thinking as the model chooses, guided by an effort.
    Adaptive(Effort),
    /// Thinking with at most so many tokens.
    Budget(u32),
    /// No thinking, and an effort for the answer.
    Effort(Effort),
}

impl ThinkingMode {
    /// Returns whether the answer will hold thinking blocks.
    pub(super) fn is_enabled(self) -> bool {
        matches!(self, Self::Adaptive(_) | Self::Budget(_))
    }

    /// Returns the mode of a request whose thinking is fitted.
    pub(super) fn new(fit: &Fit<'_>, target: &Target<'_>) -> Self {
        let effort = fit.effort.filter(|effort| *effort != Effort::None);
        match (fit.budget, effort, target.model.thinking) {
            (Some(budget), _, _) => Self::Budget(budget.get()),
            (None, None, _) if disables_thinking(fit, target.model) => Self::Disabled,
            (None, None, _) => Self::None,
            (None, Some(effort), Some(Thinking::Budget)) => Self::Budget(budget_of(effort)),
            (None, Some(effort), Some(Thinking::Effort)) => Self::Effort(effort),
            (None, Some(effort), Some(Thinking::Adaptive) | None) => Self::Adaptive(effort),
        }
    }
}

/// Returns true if the model thinks unless a request disables that, as Claude 5 does. Such a model
/// accepts `thinking` in a request that forces a tool call: guide *Thinking*.
pub(super) fn thinks_by_default(model: &Model) -> bool {
    model.default_reasoning_effort != Effort::None
}

fn disables_thinking(fit: &Fit<'_>, model: &Model) -> bool {
    fit.effort == Some(Effort::None) && thinks_by_default(model)
}

fn budget_of(effort: Effort) -> u32 {
    let found = BUDGETS.iter().find(|(own, _)| *own <= effort);
    found.map_or(MIN_BUDGET, |(_, budget)| *budget)
}
