//! What a reader keeps in mind.

use super::strings::StringState;
use crate::lookahead::NeedMoreInput;

/// An object or an array that is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) container: Container,
    /// Whether anything is in it.
    pub(crate) has_content: bool,
    /// Whether its bracket came twice.
    pub(crate) has_double_brace: bool,
    /// Whether its opening bracket was left out.
    pub(crate) is_implied: bool,
    /// How far the line is indented that its bracket is on.
    pub(crate) line_indent: u16,
    /// How far what is in it is indented, if that stands on lines of its own.
    pub(crate) content_indent: Option<u16>,
    /// Where in what is written the last array in it ends, 0 if none does.
    pub(crate) last_array_end: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
    /// An array in round brackets.
    Tuple,
    /// An array in curly brackets.
    Set,
}

impl Container {
    /// The bracket that closes it in the text.
    pub(crate) fn closing_bracket(self) -> u8 {
        match self {
            Self::Object | Self::Set => b'}',
            Self::Array => b']',
            Self::Tuple => b')',
        }
    }

    /// The bracket that closes it in JSON.
    pub(crate) fn json_closing_bracket(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ParserState {
    /// A key, or the end of an object.
    ExpectKey,
    /// The colon after a key.
    ExpectColon,
    /// The value of a key, or the whole document.
    ExpectValue,
    /// An item, or the end of an array.
    ExpectItem,
    /// A comma, or the end of what is open.
    AfterValue,
    /// More of a string.
    InString(StringState),
    /// Nothing: the document is complete.
    Done,
}

/// Why the reading stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// More must come.
    NeedMoreInput,
    /// The document is complete.
    Done,
    /// This cannot be mended without guessing.
    Unrepairable,
}

impl From<NeedMoreInput> for StopReason {
    fn from(_: NeedMoreInput) -> Self {
        Self::NeedMoreInput
    }
}

/// What a step comes to: an error ends the reading.
pub(crate) type StepResult = Result<(), StopReason>;

/// How to read, where there is a choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseOptions {
    /// Whether to look far ahead although nothing was wrong yet.
    pub(crate) always_look_ahead: bool,
    /// Whether indentation tells where a bracket is missing.
    pub(crate) use_indentation: bool,
    /// What a bracket is taken for that may be several things.
    pub(crate) bracket_policy: BracketPolicy,
}

/// What a closing bracket is taken for that fits nowhere better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BracketPolicy {
    /// Others before it were left out.
    Insert,
    /// It should be another one.
    Replace,
    /// It should not be there.
    Drop,
}

impl Frame {
    pub(crate) fn is_array(&self) -> bool {
        self.container != Container::Object
    }
}
