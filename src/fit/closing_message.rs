//! Messages of the user that the gateway adds to the end of a conversation, for a model that refuses
//! a conversation that ends with an assistant message. The API schemas decide when one is needed.

/// Message that closes a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosingMessage {
    /// Request to continue, after an assistant message. Reported as `emulated=prefill`.
    Continue,
    /// Placeholder for a message of the user without content.
    Placeholder,
}

impl ClosingMessage {
    /// Returns the text of the message.
    pub fn text(self) -> &'static str {
        match self {
            Self::Continue => "Continue.",
            Self::Placeholder => ".",
        }
    }
}
