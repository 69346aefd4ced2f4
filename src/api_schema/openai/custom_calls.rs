//! Calls of custom tools in a stream, as calls of functions with one string, `input`: the input comes
//! as plain text, and the arguments of a function are JSON.

use super::wire::{WireCall, to_index};
use crate::{api_schema::tool_call_pieces::CallPiece, chat::text::Text};

/// The call of a custom tool that a stream is in.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::api_schema) struct CustomCalls {
    /// The choice and the number of the call.
    open: Option<(usize, Option<usize>)>,
}

impl CustomCalls {
    /// Returns the pieces that an entry of `tool_calls` stands for.
    pub(in crate::api_schema) fn read<'d>(
        &mut self,
        choice: usize,
        wire: WireCall<'d>,
    ) -> Vec<CallPiece<'d>> {
        let (number, id) = (wire.index.map(to_index), wire.id.clone());
        let is_filled = |name: &Text<'_>| !name.is_empty();
        let mut begun = None;
        let (name, arguments) = match wire.custom {
            None => wire.into_function(),
            Some(custom) => {
                let name = custom.name.filter(is_filled);
                begun = name.as_ref().map(|_| (choice, number));
                let start = if name.is_some() { "{\"input\":\"" } else { "" };
                let input = custom.input.as_ref().map(Text::escaped).unwrap_or_default();
                (name, Some(Text::new(&format!("{start}{input}"))))
            }
        };
        let mut pieces = Vec::new();
        if name.as_ref().is_some_and(is_filled) {
            pieces.extend(self.end());
            self.open = begun;
        }
        pieces.push(CallPiece { choice, number, id, name, arguments, extra_content: None });
        pieces
    }

    /// Returns the piece that ends the call.
    pub(in crate::api_schema) fn end(&mut self) -> Option<CallPiece<'static>> {
        let (choice, number) = self.open.take()?;
        let arguments = Some(Text::new("\"}"));
        Some(CallPiece { choice, number, arguments, ..CallPiece::default() })
    }
}
