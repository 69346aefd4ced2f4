//! Pieces of the tool calls in a provider's stream, each placed in the call that it belongs to.
//!
//! Providers count calls from 0, but some start at 1, leave numbers out, give several calls the same
//! one, repeat a call, or send arguments under another number than the name. A piece whose call
//! is not certain is an error, because a tool must not run with another call's arguments.

mod arguments;
mod placement;

use std::collections::BTreeMap;

use self::{arguments::ArgumentsProgress, placement::Placement};
use super::origin::ResponseContext;
use crate::{
    chat::{
        delta::{Delta, MAX_ITEMS},
        error::Error,
        finish::Finish,
        text::Text,
    },
    sse::MAX_EVENT,
};

/// Piece of a tool call. An empty text counts as a missing one.
#[derive(Clone, Debug, Default)]
pub(super) struct CallPiece<'d> {
    /// Index of the choice.
    pub(super) choice: usize,
    /// The provider's number of the call.
    pub(super) number: Option<usize>,
    /// The provider's id of the call.
    pub(super) id: Option<Text<'d>>,
    /// Name of the function, which begins a call.
    pub(super) name: Option<Text<'d>>,
    /// More arguments.
    pub(super) arguments: Option<Text<'d>>,
    /// `extra_content` of the call that the piece begins: an object in JSON.
    pub(super) extra_content: Option<String>,
}

/// Tool calls of a stream.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolCallPieces {
    choices: BTreeMap<usize, ChoiceCalls>,
}

/// Tool calls of one choice.
#[derive(Clone, Debug, Default)]
struct ChoiceCalls {
    /// The calls, in the order in which they began.
    calls: Vec<PlacedCall>,
    /// Pieces whose call has not begun. Bounded by [`MAX_ITEMS`] and [`MAX_EVENT`].
    waiting: Vec<CallPiece<'static>>,
    is_finished: bool,
}

/// Call that has begun.
#[derive(Clone, Debug)]
struct PlacedCall {
    /// The provider's number.
    number: Option<usize>,
    /// Another number, under which arguments of the call have come.
    other_number: Option<usize>,
    /// The provider's id, as JSON.
    id: Option<String>,
    /// Name of the function, as JSON.
    name: String,
    arguments: ArgumentsProgress,
}

/// Fault of a stream: a piece that fits no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StrayPiece;

/// Problem of an answer with such a piece.
pub(super) const STRAY_PIECE: &str = "holds a piece of a tool call that fits no call";

/// Problem of an answer with a call whose name is missing or empty.
pub(super) const NO_NAME: &str = "holds a tool call without a name";

/// Problem of an answer with a call whose arguments are no object.
pub(super) const NO_OBJECT: &str = "holds a tool call whose arguments are no object";

/// Problem of an answer whose finish reason is a tool call, and which has none.
pub(super) const NO_CALLS: &str = "ended in tool calls and holds none";

impl ToolCallPieces {
    /// Places a piece, and adds the deltas that it stands for. A choice over the bound has no calls.
    pub(super) fn place<'d>(
        &mut self,
        piece: CallPiece<'d>,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), Error> {
        if piece.choice >= MAX_ITEMS || piece.is_empty() {
            return Ok(());
        }
        let own = self.choices.entry(piece.choice).or_default();
        own.place(piece, deltas).map_err(|StrayPiece| origin.bad(STRAY_PIECE))
    }

    /// Ends the call that has come last in the first choice: its arguments are complete.
    pub(super) fn end_call(&mut self, deltas: &mut Vec<Delta<'_>>) {
        if let Some(own) = self.choices.get_mut(&0) {
            own.end_placeholders(0, deltas);
        }
    }

    /// Ends the calls of a choice, and checks that no piece is left.
    pub(super) fn finish(
        &mut self,
        choice: usize,
        finish: Finish,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        if choice >= MAX_ITEMS {
            return Ok(());
        }
        let own = self.choices.entry(choice).or_default();
        if std::mem::replace(&mut own.is_finished, true) {
            return Ok(());
        }
        own.end(choice, deltas).map_err(|StrayPiece| origin.bad(own.leftover_problem()))?;
        let lacks_calls = finish == Finish::ToolCalls && own.calls.is_empty();
        if lacks_calls { Err(origin.bad(NO_CALLS)) } else { Ok(()) }
    }

    /// Ends the calls of the choices that have no finish reason.
    pub(super) fn finish_all(
        &mut self,
        origin: ResponseContext<'_>,
        deltas: &mut Vec<Delta<'_>>,
    ) -> Result<(), Error> {
        let choices: Vec<usize> = self.choices.keys().copied().collect();
        choices.into_iter().try_for_each(|choice| self.finish(choice, Finish::Stop, origin, deltas))
    }
}

impl ChoiceCalls {
    fn place<'d>(
        &mut self,
        piece: CallPiece<'d>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), StrayPiece> {
        let placement = self.placement(&piece);
        if self.is_finished && placement != Placement::Repeats {
            let is_lost = piece.has_arguments() || placement == Placement::Begins;
            return if is_lost { Err(StrayPiece) } else { Ok(()) };
        }
        match placement {
            // A call over the bound is left out.
            Placement::Begins | Placement::Precedes if self.calls.len() >= MAX_ITEMS => Ok(()),
            Placement::Begins => self.begin(piece, deltas),
            Placement::Continues(index) => {
                self.add(index, piece, deltas);
                Ok(())
            }
            Placement::Repeats => Ok(()),
            Placement::Precedes => self.wait(piece),
            Placement::Unknown => Err(StrayPiece),
        }
    }

    /// Begins a call. The arguments that came before its name are its first ones.
    fn begin<'d>(
        &mut self,
        mut piece: CallPiece<'d>,
        deltas: &mut Vec<Delta<'d>>,
    ) -> Result<(), StrayPiece> {
        let (choice, call) = (piece.choice, self.calls.len());
        let name = piece.name.take().ok_or(StrayPiece)?;
        self.end_placeholders(choice, deltas);
        let (own, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| waiting.may_precede(&piece));
        self.waiting = others;
        let id = piece.id().or_else(|| own.iter().find_map(CallPiece::id)).cloned();
        self.calls.push(PlacedCall {
            number: piece.number,
            other_number: None,
            id: id.as_ref().map(|id| id.json().to_owned()),
            name: name.json().to_owned(),
            arguments: ArgumentsProgress::default(),
        });
        let extra_content = piece.extra_content.take();
        deltas.push(Delta::Call { choice, call, id, name, extra_content });
        for waiting in own {
            self.add(call, waiting, deltas);
        }
        self.add(call, piece, deltas);
        Ok(())
    }

    /// Adds a piece to a call that has begun.
    fn add<'d>(&mut self, index: usize, piece: CallPiece<'d>, deltas: &mut Vec<Delta<'d>>) {
        let Some(call) = self.calls.get_mut(index) else { return };
        if call.id.is_none() {
            call.id = piece.id().map(|id| id.json().to_owned());
        }
        if piece.number.is_some() && piece.number != call.number {
            call.other_number = piece.number;
        }
        let (choice, arguments) = (piece.choice, piece.arguments);
        if let Some(text) = arguments.filter(|text| !text.is_empty() && call.arguments.add(text)) {
            deltas.push(Delta::Arguments { choice, call: index, text });
        }
    }

    /// Keeps a piece whose call has not begun.
    fn wait(&mut self, piece: CallPiece<'_>) -> Result<(), StrayPiece> {
        let sizes = self.waiting.iter().map(CallPiece::size);
        if self.waiting.len() >= MAX_ITEMS || sizes.sum::<usize>() + piece.size() > MAX_EVENT {
            return Err(StrayPiece);
        }
        self.waiting.push(piece.into_owned());
        Ok(())
    }

    /// Forwards the empty objects after which no arguments have come.
    fn end_placeholders(&mut self, choice: usize, deltas: &mut Vec<Delta<'_>>) {
        for (call, own) in self.calls.iter_mut().enumerate() {
            if own.arguments.end_placeholder() {
                deltas.push(Delta::Arguments { choice, call, text: Text::new("{}") });
            }
        }
    }

    /// Ends the calls.
    fn end(&mut self, choice: usize, deltas: &mut Vec<Delta<'_>>) -> Result<(), StrayPiece> {
        self.end_placeholders(choice, deltas);
        if self.waiting.is_empty() && !self.has_doubt() { Ok(()) } else { Err(StrayPiece) }
    }

    /// Returns the index of the only call with a property.
    fn only(&self, has: impl Fn(&PlacedCall) -> bool) -> Option<usize> {
        let mut found = self.calls.iter().enumerate().filter(|(_, call)| has(call));
        let (index, _) = found.next()?;
        found.next().is_none().then_some(index)
    }

    /// Returns `true` if another call has arguments that came under the number of a call without any.
    fn has_doubt(&self) -> bool {
        let mut missing = self.calls.iter().filter(|call| call.arguments.is_missing());
        missing.any(|call| {
            let number = call.number;
            number.is_some() && self.calls.iter().any(|other| other.other_number == number)
        })
    }

    /// Returns the problem of the pieces that are left.
    fn leftover_problem(&self) -> &'static str {
        if self.calls.is_empty() { NO_NAME } else { STRAY_PIECE }
    }
}

impl<'d> CallPiece<'d> {
    fn id(&self) -> Option<&Text<'d>> {
        self.id.as_ref().filter(|id| !id.is_empty())
    }

    fn name(&self) -> Option<&Text<'d>> {
        self.name.as_ref().filter(|name| !name.is_empty())
    }

    fn arguments(&self) -> Option<&Text<'d>> {
        self.arguments.as_ref().filter(|text| !text.is_empty())
    }

    fn has_arguments(&self) -> bool {
        self.arguments().is_some()
    }

    /// Returns `true` for a piece without id, name and arguments.
    fn is_empty(&self) -> bool {
        self.id().is_none() && self.name().is_none() && !self.has_arguments()
    }

    /// Returns the length of its texts, in bytes.
    fn size(&self) -> usize {
        let texts = [self.id(), self.arguments()];
        texts.into_iter().flatten().map(|text| text.json().len()).sum()
    }

    /// Returns `true` if the piece came before its call, which another piece begins.
    fn may_precede(&self, beginning: &CallPiece<'_>) -> bool {
        match (self.id(), beginning.id()) {
            (Some(own), Some(other)) => own.json() == other.json(),
            _ => self.number.is_none() || self.number == beginning.number,
        }
    }

    fn into_owned(self) -> CallPiece<'static> {
        CallPiece {
            choice: self.choice,
            number: self.number,
            id: self.id.map(Text::into_owned),
            name: self.name.map(Text::into_owned),
            arguments: self.arguments.map(Text::into_owned),
            extra_content: self.extra_content,
        }
    }
}

#[cfg(test)]
mod tests;
