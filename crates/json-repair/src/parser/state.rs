//! The states of the parser, and its options.

use crate::{lookahead::NeedMoreInput, typography::Quote};

/// An open container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) container: Container,
    /// Whether the container has a key or a value.
    pub(super) has_content: bool,
    /// Whether the opening brace was written twice.
    pub(super) has_double_brace: bool,
    /// The indentation of the line with the opening bracket.
    pub(super) line_indent: u16,
    /// The indentation of the content, if the content is on lines of its own.
    pub(super) content_indent: Option<u16>,
    /// The offset in the output where the last array in this container ends, or 0.
    pub(super) last_array_end: usize,
}

/// A kind of container, as written in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
    /// An array in parentheses.
    Tuple,
    /// An array in braces.
    Set,
}

impl Container {
    /// Returns the bracket that closes the container in the text.
    pub(super) fn closing_bracket(self) -> u8 {
        match self {
            Self::Object | Self::Set => b'}',
            Self::Array => b']',
            Self::Tuple => b')',
        }
    }

    /// Returns the bracket that closes the container in JSON.
    pub(super) fn json_closing_bracket(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

/// The token that the parser expects next.
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
    /// A comma, or the end of the innermost container.
    AfterValue,
    /// More of a string.
    InString(StringState),
    /// Nothing, because the document is complete.
    Done,
}

/// The reason why the parser stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The source ends and is not complete.
    NeedMoreInput,
    /// The document is complete.
    Done,
    /// A repair would be a guess.
    Unrepairable,
}

impl From<NeedMoreInput> for StopReason {
    fn from(_: NeedMoreInput) -> Self {
        Self::NeedMoreInput
    }
}

/// The result of one step. An error stops the parser.
pub(super) type StepResult = Result<(), StopReason>;

/// The options of a parser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseOptions {
    /// Whether lookahead uses its full reach even before the first flaw.
    pub(super) always_look_ahead: bool,
    /// Whether indentation decides where a bracket is missing.
    pub(super) use_indentation: bool,
    /// The repair of a bracket that several repairs fit.
    pub(super) bracket_policy: BracketPolicy,
}

impl ParseOptions {
    /// Returns the options for a complete text.
    pub(crate) fn whole_text(bracket_policy: BracketPolicy) -> Self {
        Self { always_look_ahead: true, use_indentation: true, bracket_policy }
    }

    /// Returns the options for a text that arrives in pieces: output that was returned cannot
    /// change.
    pub(crate) fn stream() -> Self {
        Self {
            always_look_ahead: false,
            use_indentation: false,
            bracket_policy: BracketPolicy::Insert,
        }
    }
}

/// The preferred repair of an unexpected closing bracket where several fit equally well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BracketPolicy {
    /// Insert the brackets that are missing before this one.
    Insert,
    /// Replace this bracket by the one that fits.
    Replace,
    /// Drop this bracket.
    Drop,
}

impl Frame {
    /// Returns whether the container is an array in JSON.
    pub(super) fn is_array(&self) -> bool {
        self.container != Container::Object
    }
}

/// The role of a string or a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRole {
    Key,
    Value,
    Item,
}

/// The number of quotes at each end of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteCount {
    One,
    Two,
    Three,
}

/// The state inside of a string. Content before the parser's position has been written.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringState {
    pub(super) quote: Quote,
    pub(super) quote_count: QuoteCount,
    pub(super) role: TokenRole,
    /// The offset up to which the string was examined.
    pub(super) scan: usize,
    /// The offset up to which the content cannot belong to anything behind the string.
    pub(super) certain_to: usize,
    /// The offset of the string in the parser's pending text, while the string is held there.
    pub(super) pending_start: Option<usize>,
    /// Whether a byte behind the parser's position must be escaped.
    pub(super) needs_escaping: bool,
    /// Whether a string that begins with a quote of another kind has a double quote.
    pub(super) has_double_quote: bool,
    /// Whether the written content has a typographic quote.
    pub(super) has_curly_quote: bool,
    /// The number of quotes that belong to the content.
    pub(super) inner_quotes: u32,
    /// The number of brackets that are open in the content.
    pub(super) bracket_depth: i32,
    /// The offset up to which brackets were counted.
    pub(super) brackets_counted_to: usize,
    /// The first quote that did not end the string because a bracket was open.
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
    /// No repair fits better than another.
    Ambiguous,
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

impl RejectedEnd {
    /// Returns the length of the output before the quote, which is about to be removed.
    pub(super) fn take_length(&mut self) -> Option<usize> {
        self.output_length.as_mut().map(std::mem::take)
    }
}

impl StringState {
    /// Continues the string at `start`, in another one that is joined to it.
    pub(super) fn continue_at(&mut self, start: usize) {
        self.scan = start;
        self.certain_to = start;
        self.brackets_counted_to = start;
    }

    /// Adjusts all offsets after `count` bytes were removed from the source.
    pub(super) fn discard(&mut self, count: usize) {
        self.scan -= count;
        self.certain_to = self.certain_to.saturating_sub(count);
        self.brackets_counted_to = self.brackets_counted_to.saturating_sub(count);
        if let Some(rejected) = &mut self.rejected_end {
            rejected.at -= count;
        }
    }
}

/// Returns whether a byte at the end of a string may belong to the JSON behind the string, if the
/// closing quote is missing.
pub(super) fn is_structural(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b',' | b'{' | b'}' | b'[' | b']')
}
