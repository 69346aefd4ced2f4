//! What a reader keeps in mind.

use super::strings::Text;
use crate::lookahead::NeedMoreInput;

/// An object or an array that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) shape: Shape,
    /// Whether anything is in it.
    pub(crate) filled: bool,
    /// Whether its bracket came twice.
    pub(crate) doubled: bool,
    /// Whether its opening bracket was left out.
    pub(crate) implied: bool,
    /// How far the line is indented that its bracket is on.
    pub(crate) outer: u16,
    /// How far what is in it is indented, if that stands on lines of its own.
    pub(crate) inner: Option<u16>,
    /// Where in what is written the last array in it ends, 0 if none does.
    pub(crate) nested: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Array,
    /// An array in round brackets.
    Tuple,
    /// An array in curly brackets.
    Set,
}

impl Shape {
    /// The bracket that closes it in the text.
    pub(crate) fn closer(self) -> u8 {
        match self {
            Self::Object | Self::Set => b'}',
            Self::Array => b']',
            Self::Tuple => b')',
        }
    }

    /// The bracket that closes it in JSON.
    pub(crate) fn json(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
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
pub(crate) enum Stop {
    /// More must come.
    Wait,
    /// The document is complete.
    Done,
    /// This cannot be mended without guessing.
    Hopeless,
}

impl From<NeedMoreInput> for Stop {
    fn from(_: NeedMoreInput) -> Self {
        Self::Wait
    }
}

/// What a step comes to: an error ends the reading.
pub(crate) type Step = Result<(), Stop>;

/// How to read, where there is a choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether to look far ahead although nothing was wrong yet.
    pub(crate) careful: bool,
    /// Whether indentation tells where a bracket is missing.
    pub(crate) layout: bool,
    /// What a bracket is taken for that may be several things.
    pub(crate) doubt: Doubt,
}

/// What a closing bracket is taken for that fits nowhere better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Others before it were left out.
    Missing,
    /// It should be another one.
    Wrong,
    /// It should not be there.
    Extra,
}

impl Frame {
    pub(crate) fn is_array(&self) -> bool {
        self.shape != Shape::Object
    }
}
