//! What a reader keeps in mind.

use super::{source::Wait, text::Text};

/// An object or an array that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) shape: Shape,
    /// Whether anything is in it.
    pub(super) filled: bool,
    /// Whether its bracket came twice.
    pub(super) doubled: bool,
    /// Whether its opening bracket was left out.
    pub(super) implied: bool,
    /// How far the line is indented that its bracket is on.
    pub(super) outer: u16,
    /// How far what is in it is indented, if that stands on lines of its own.
    pub(super) inner: Option<u16>,
    /// Where in what is written the last array in it ends, 0 if none does.
    pub(super) nested: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Object,
    Array,
    /// An array in round brackets.
    Tuple,
    /// An array in curly brackets.
    Set,
}

impl Shape {
    /// The bracket that closes it in the text.
    pub(super) fn closer(self) -> u8 {
        match self {
            Self::Object | Self::Set => b'}',
            Self::Array => b']',
            Self::Tuple => b')',
        }
    }

    /// The bracket that closes it in JSON.
    pub(super) fn json(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// A key, or the end of an object.
    Key,
    /// The colon after a key.
    Colon,
    /// The value of a key, or the whole document.
    Value,
    /// An item, or the end of an array.
    Item,
    /// A comma, or the end of what is open.
    After,
    /// More of a string.
    Text(Text),
    /// Nothing: the document is complete.
    Done,
}

/// Why the reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// More must come.
    Wait,
    /// The document is complete.
    Done,
    /// This cannot be mended without guessing.
    Hopeless,
}

impl From<Wait> for Stop {
    fn from(_: Wait) -> Self {
        Self::Wait
    }
}

/// What a step comes to: an error ends the reading.
pub(super) type Step = Result<(), Stop>;

/// How to read, where there is a choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether to look far ahead although nothing was wrong yet.
    pub(super) careful: bool,
    /// Whether indentation tells where a bracket is missing.
    pub(super) layout: bool,
    /// What a bracket is taken for that may be several things.
    pub(super) doubt: Doubt,
}

/// What a closing bracket is taken for that fits nowhere better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Others before it were left out.
    Missing,
    /// It should be another one.
    Wrong,
    /// It should not be there.
    Extra,
}

impl Frame {
    pub(super) fn is_array(&self) -> bool {
        self.shape != Shape::Object
    }
}
