//! The call that a piece belongs to.

use super::{
    CallPiece, ChoiceCalls, PlacedCall,
    arguments::{begins_object, is_empty_object},
};
use crate::chat::text::Text;

/// Relation of a piece to the calls that have begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// The piece begins a call.
    Begins,
    /// The piece continues the call with this index.
    Continues(usize),
    /// The piece repeats what is known.
    Repeats,
    /// The piece belongs to a call that has not begun.
    Precedes,
    /// The piece may belong to several calls.
    Unknown,
}

impl ChoiceCalls {
    /// Returns the placement of a piece.
    pub(super) fn placement(&self, piece: &CallPiece<'_>) -> Placement {
        match (piece.name(), piece.arguments()) {
            (Some(name), _) => self.placement_by_name(piece, name),
            (None, Some(arguments)) => self.placement_of_arguments(piece, arguments),
            (None, None) => self.placement_of_id(piece),
        }
    }

    /// Returns the placement of a piece with a name: the beginning of a call, or the repetition of
    /// one.
    fn placement_by_name(&self, piece: &CallPiece<'_>, name: &Text<'_>) -> Placement {
        let Some((index, call)) = self.named_call(piece, name) else { return Placement::Begins };
        let has_same_name = call.name == name.json();
        if !has_same_name {
            let is_other = call.arguments.may_end()
                || call.number != piece.number
                || (piece.id().is_some() && call.id.is_none());
            return if is_other { Placement::Begins } else { Placement::Unknown };
        }
        if !call.arguments.is_complete() {
            return Placement::Continues(index);
        }
        match piece.arguments() {
            None if piece.number.is_some() && piece.number != call.number => Placement::Begins,
            None => Placement::Repeats,
            Some(text) if call.arguments.are_repeated_by(text) => Placement::Repeats,
            Some(text) if begins_object(text) => Placement::Begins,
            Some(_) => Placement::Continues(index),
        }
    }

    /// Returns the call that a piece with a name may continue or repeat.
    fn named_call(&self, piece: &CallPiece<'_>, name: &Text<'_>) -> Option<(usize, &PlacedCall)> {
        if let Some(found) = self.find_by_id(piece) {
            return Some(found);
        }
        if piece.number.is_some() {
            let found = self.find_by_number(piece);
            return found.filter(|(_, call)| piece.id().is_none() || call.id.is_none());
        }
        if piece.id().is_some() {
            return None;
        }
        // Without id and number, only the arguments tell a repetition from a new call.
        let is_last = |index| index + 1 == self.calls.len();
        self.find(|index, call| {
            let arguments = &call.arguments;
            let continues = is_last(index) && !arguments.is_complete() && !arguments.is_missing();
            let repeats = || piece.arguments().is_some_and(|text| arguments.are_repeated_by(text));
            call.name == name.json() && (continues || repeats())
        })
    }

    /// Returns the placement of arguments without a name.
    fn placement_of_arguments(&self, piece: &CallPiece<'_>, arguments: &Text<'_>) -> Placement {
        let found = self.find_by_id(piece).or_else(|| self.find_by_number(piece));
        let has_neither = piece.number.is_none() && piece.id().is_none();
        let named = found.or_else(|| self.find(|_, _| has_neither));
        if let Some((index, call)) = named {
            if !call.arguments.is_complete() {
                return Placement::Continues(index);
            }
            if call.arguments.are_repeated_by(arguments) {
                return Placement::Repeats;
            }
            if !begins_object(arguments) {
                return Placement::Continues(index);
            }
        }
        // Arguments under a number that has all of them, or that no call has.
        let open = self.only(|call| !call.arguments.is_complete());
        match open.filter(|index| piece.id().is_none() && index + 1 == self.calls.len()) {
            Some(index) => Placement::Continues(index),
            // An empty object is no loss, whatever its call is.
            None if is_empty_object(arguments) => Placement::Repeats,
            None => Placement::Precedes,
        }
    }

    /// Returns the placement of an id without anything else.
    fn placement_of_id(&self, piece: &CallPiece<'_>) -> Placement {
        if self.find_by_id(piece).is_some() {
            return Placement::Repeats;
        }
        match self.find_by_number(piece) {
            Some((index, call)) if call.id.is_none() => Placement::Continues(index),
            // Some servers send another id with each piece.
            Some((_, call)) if !call.arguments.is_complete() => Placement::Repeats,
            _ => Placement::Precedes,
        }
    }

    /// Returns the last call with the id of a piece, if possible with its number too.
    fn find_by_id(&self, piece: &CallPiece<'_>) -> Option<(usize, &PlacedCall)> {
        let id = piece.id()?.json();
        let has_id = |call: &PlacedCall| call.id.as_deref() == Some(id);
        let exact = self.find(|_, call| has_id(call) && call.number == piece.number);
        exact.or_else(|| self.find(|_, call| has_id(call)))
    }

    /// Returns the last call with the number of a piece.
    fn find_by_number(&self, piece: &CallPiece<'_>) -> Option<(usize, &PlacedCall)> {
        let number = Some(piece.number?);
        self.find(|_, call| call.number == number || call.other_number == number)
    }

    /// Returns the last call with a property.
    fn find(&self, has: impl Fn(usize, &PlacedCall) -> bool) -> Option<(usize, &PlacedCall)> {
        self.calls.iter().enumerate().rev().find(|(index, call)| has(*index, call))
    }
}
