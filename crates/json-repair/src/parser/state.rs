//! What a reader keeps in mind.

use crate::lookahead::{NeedMoreInput, Quote};

/// An object or an array that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) container: Container,
    /// Whether anything is in it.
    pub(super) has_content: bool,
    /// Whether its bracket came twice.
    pub(super) has_double_brace: bool,
    /// How far the line is indented that its bracket is on.
    pub(super) line_indent: u16,
    /// How far what is in it is indented, if that stands on lines of its own.
    pub(super) content_indent: Option<u16>,
    /// Where in what is written the last array in it ends, 0 if none does.
    pub(super) last_array_end: usize,
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
    pub(super) fn closing_bracket(self) -> u8 {
        match self {
            Self::Object | Self::Set => b'}',
            Self::Array => b']',
            Self::Tuple => b')',
        }
    }

    /// The bracket that closes it in JSON.
    pub(super) fn json_closing_bracket(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum ParserState {
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
pub(super) type StepResult = Result<(), StopReason>;

/// How to read, where there is a choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseOptions {
    /// Whether to look far ahead although nothing was wrong yet.
    pub(super) always_look_ahead: bool,
    /// Whether indentation tells where a bracket is missing.
    pub(super) use_indentation: bool,
    /// What a bracket is taken for that may be several things.
    pub(super) bracket_policy: BracketPolicy,
}

impl ParseOptions {
    /// The options for a text of which all is there.
    pub(crate) fn whole_text(bracket_policy: BracketPolicy) -> Self {
        Self { always_look_ahead: true, use_indentation: true, bracket_policy }
    }

    /// The options for a text that streams: it is never read again.
    pub(crate) fn stream() -> Self {
        Self {
            always_look_ahead: false,
            use_indentation: false,
            bracket_policy: BracketPolicy::Insert,
        }
    }
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
    pub(super) fn is_array(&self) -> bool {
        self.container != Container::Object
    }
}

/// What a string stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRole {
    Key,
    Value,
    Item,
}

/// How a string's quotes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteCount {
    One,
    Two,
    Three,
}

/// A string being read. What has been read of it, up to the parser's place, has been written.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringState {
    pub(super) quote: Quote,
    pub(super) quote_count: QuoteCount,
    pub(super) role: TokenRole,
    /// How far it has been looked through.
    pub(super) scan: usize,
    /// How far it holds nothing that could belong to what comes after it.
    pub(super) certain_to: usize,
    /// Where in `pending` it begins, as long as it is held there.
    pub(super) pending_start: Option<usize>,
    /// Whether a byte since the parser's place must be escaped.
    pub(super) needs_escaping: bool,
    /// How many quotes are in it.
    pub(super) inner_quotes: u32,
    /// How many brackets are open in it, and how far they are counted.
    pub(super) bracket_depth: i32,
    pub(super) brackets_counted_to: usize,
    /// Where it would have ended, were no bracket open in it: there, and how much was written.
    pub(super) rejected_end: Option<RejectedEnd>,
}

/// A quote that would have ended a string, had no bracket been open in the string.
#[derive(Clone, Copy, Debug)]
pub(super) struct RejectedEnd {
    /// The offset of the quote.
    pub(super) at: usize,
    /// The length of the output before the quote, once the quote is written.
    pub(super) output_length: Option<usize>,
}

/// The meaning of a quote in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteClass {
    /// The quote ends the string.
    Closing {
        /// The offset behind the quote.
        after: usize,
    },
    /// The quote belongs to the string.
    Content,
    /// The quote begins another string, and this one ended before without its own quote.
    ClosedBefore {
        /// The offset where the string ended.
        end: usize,
    },
    /// The quote begins another string, which a `+` joins to this one, whose own quote is missing.
    JoinedBefore {
        /// The offset where the string ended.
        end: usize,
        /// The offset of the other string's content.
        start: usize,
    },
    /// The quote ends the string, and a `+` joins another one to it.
    Joined {
        /// The offset of the other string's content.
        start: usize,
        /// The quote of the other string.
        quote: Quote,
    },
}

impl StringState {
    /// Continues the string at `start`, in another one that is joined to it.
    pub(super) fn continue_at(&mut self, start: usize) {
        self.scan = start;
        self.certain_to = start;
        self.brackets_counted_to = start;
    }

    /// So many bytes before the source's first are forgotten.
    pub(super) fn discard(&mut self, count: usize) {
        self.scan -= count;
        self.certain_to = self.certain_to.saturating_sub(count);
        self.brackets_counted_to = self.brackets_counted_to.saturating_sub(count);
    }
}

/// What of a string's bytes may belong to what comes after it, if its quote is missing.
pub(super) fn is_structural(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b',' | b'{' | b'}' | b'[' | b']')
}
