//! Reasoning effort.

use serde::{Deserialize, Serialize};

/// `reasoning_effort`, from least to most. OpenAI's API reference; `max` is Anthropic's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    /// All efforts, from least to most.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    /// Returns the name in a request.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Returns the effort with a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }

    /// Returns the closest of the offered efforts, and the lesser one of two. An effort other than
    /// `none` becomes `none` only if nothing else is offered. Returns `None` for an empty list.
    pub fn closest(self, offered: &[Self]) -> Option<Self> {
        let distance = |other: &Self| {
            let thinks_as_asked = (*other == Self::None) == (self == Self::None);
            (!thinks_as_asked, (*other as i8 - self as i8).abs(), *other)
        };
        offered.iter().copied().min_by_key(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::Effort::{self, High, Low, Max, Medium, Minimal, None as Off, Xhigh};

    #[test]
    fn the_closest_effort_is_offered_and_never_costs_more_on_a_tie() {
        let cases: &[(Effort, &[Effort], Option<Effort>)] = &[
            (Medium, &[Low, Medium, High], Some(Medium)),
            (Minimal, &[Off, Low, Medium, High], Some(Low)),
            (Medium, &[Low, High], Some(Low)),
            (Xhigh, &[Minimal, Low, Medium, High], Some(High)),
            (Max, &[Off], Some(Off)),
            (Off, &[Minimal, Low], Some(Minimal)),
            (Low, &[], None),
        ];
        for (asked, offered, found) in cases {
            assert_eq!(asked.closest(offered), *found, "{asked:?} of {offered:?}");
        }
    }
}
