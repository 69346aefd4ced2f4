//! The requests that one client request describes.

use std::borrow::Cow;

/// Request that a body describes: the client's own, or the one that an entry of `fallbacks` makes of
/// it. As a number: 0 is the client's own, n the fallback with index n - 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestVariant(usize);

impl RequestVariant {
    /// The client's own request.
    pub const OWN: Self = Self(0);

    /// The request of the fallback with this index.
    pub const fn fallback(index: usize) -> Self {
        Self(index.saturating_add(1))
    }

    /// Returns the index of the fallback. `None` for the client's own request.
    pub fn fallback_index(self) -> Option<usize> {
        self.0.checked_sub(1)
    }

    /// Reads the number that [`Self::to_text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// Returns the number. Nearly all are 0, which costs no allocation.
    pub fn to_text(self) -> Cow<'static, str> {
        if self.0 == 0 { Cow::Borrowed("0") } else { Cow::Owned(self.0.to_string()) }
    }
}
