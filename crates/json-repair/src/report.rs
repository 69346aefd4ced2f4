//! The result of a repair: kinds of flaws and their offsets, or the reason of a failure.

use std::{error::Error, fmt};

/// The reason why a text was not repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The text holds no JSON.
    NoJson,
    /// The text holds JSON whose repair would be a guess.
    Unrepairable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoJson => "the text holds no JSON",
            Self::Unrepairable => "the JSON cannot be repaired without a guess",
        })
    }
}

impl Error for Failure {}

/// A kind of flaw in JSON that a model wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlawKind {
    /// Text before or after the document.
    SurroundingText,
    /// A code fence around the document.
    CodeFence,
    /// A backslash before every quote of the document.
    Escaped,
    /// Several documents in a row: the items of an array, or the one that was chosen. In a stream,
    /// repetitions of the first.
    SeveralValues,
    /// A comma after the last value.
    TrailingComma,
    /// A second comma, or one before the first value.
    ExtraComma,
    /// No comma between two values.
    MissingComma,
    /// A semicolon for a comma.
    WrongComma,
    /// No colon after a key.
    MissingColon,
    /// An equals sign or an arrow for a colon, or a second colon.
    WrongColon,
    /// No bracket where one was meant.
    MissingBracket,
    /// A bracket of another kind, or the brackets of a tuple or a set.
    WrongBracket,
    /// A bracket too many.
    ExtraBracket,
    /// No quote at the beginning or the end of a string.
    MissingQuote,
    /// Single, curly, doubled or tripled quotes, or backticks.
    WrongQuote,
    /// A quote in a string without a backslash.
    UnescapedQuote,
    /// A key or a string without quotes.
    UnquotedText,
    /// A backslash that begins no escape of JSON.
    WrongEscape,
    /// A control character in a string, for example a line break.
    ControlCharacter,
    /// Strings joined by `+`.
    JoinedStrings,
    /// A number in the notation of another language.
    WrongNumber,
    /// A literal of another language: `True`, `None`, `undefined`, `NaN`.
    WrongLiteral,
    /// A key without a value.
    MissingValue,
    /// Dots in the place of more values.
    Ellipsis,
    /// A comment.
    Comment,
    /// White space that JSON does not have, or a control character between tokens.
    WhiteSpace,
    /// A call around a value: `ISODate("2020-01-01")`.
    Call,
    /// The text ends in the middle of the document.
    Truncated,
    /// A value of another type than the schema asks for.
    Coerced,
    /// A document inside of a JSON string.
    Unwrapped,
}

impl FlawKind {
    /// All kinds, in the order of the enum.
    pub const ALL: [Self; 30] = [
        Self::SurroundingText,
        Self::CodeFence,
        Self::Escaped,
        Self::SeveralValues,
        Self::TrailingComma,
        Self::ExtraComma,
        Self::MissingComma,
        Self::WrongComma,
        Self::MissingColon,
        Self::WrongColon,
        Self::MissingBracket,
        Self::WrongBracket,
        Self::ExtraBracket,
        Self::MissingQuote,
        Self::WrongQuote,
        Self::UnescapedQuote,
        Self::UnquotedText,
        Self::WrongEscape,
        Self::ControlCharacter,
        Self::JoinedStrings,
        Self::WrongNumber,
        Self::WrongLiteral,
        Self::MissingValue,
        Self::Ellipsis,
        Self::Comment,
        Self::WhiteSpace,
        Self::Call,
        Self::Truncated,
        Self::Coerced,
        Self::Unwrapped,
    ];

    /// Returns the name in `snake_case`, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::SurroundingText => "surrounding_text",
            Self::CodeFence => "code_fence",
            Self::Escaped => "escaped",
            Self::SeveralValues => "several_values",
            Self::TrailingComma => "trailing_comma",
            Self::ExtraComma => "extra_comma",
            Self::MissingComma => "missing_comma",
            Self::WrongComma => "wrong_comma",
            Self::MissingColon => "missing_colon",
            Self::WrongColon => "wrong_colon",
            Self::MissingBracket => "missing_bracket",
            Self::WrongBracket => "wrong_bracket",
            Self::ExtraBracket => "extra_bracket",
            Self::MissingQuote => "missing_quote",
            Self::WrongQuote => "wrong_quote",
            Self::UnescapedQuote => "unescaped_quote",
            Self::UnquotedText => "unquoted_text",
            Self::WrongEscape => "wrong_escape",
            Self::ControlCharacter => "control_character",
            Self::JoinedStrings => "joined_strings",
            Self::WrongNumber => "wrong_number",
            Self::WrongLiteral => "wrong_literal",
            Self::MissingValue => "missing_value",
            Self::Ellipsis => "ellipsis",
            Self::Comment => "comment",
            Self::WhiteSpace => "white_space",
            Self::Call => "call",
            Self::Truncated => "truncated",
            Self::Coerced => "coerced",
            Self::Unwrapped => "unwrapped",
        }
    }
}

/// The maximum number of flaws that a [`Report`] lists with their offsets.
pub const MAX_FLAWS: usize = 64;

/// A flaw that was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flaw {
    /// The kind of the flaw.
    pub kind: FlawKind,
    /// The byte of the text where the flaw was found.
    pub offset: usize,
}

/// The flaws that were repaired in one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One bit for each kind that was found.
    kinds: u32,
    /// The first flaws, in the order they were found. Invariant: at most [`MAX_FLAWS`].
    flaws: Vec<Flaw>,
    count: usize,
}

impl Report {
    /// Records a flaw at a byte of the text.
    pub(crate) fn add(&mut self, kind: FlawKind, offset: usize) {
        self.kinds |= 1 << kind as u32;
        self.count += 1;
        if self.flaws.len() < MAX_FLAWS {
            self.flaws.push(Flaw { kind, offset });
        }
    }

    /// Adds the flaws of another part of the same text.
    pub(crate) fn append(&mut self, other: &Self) {
        self.kinds |= other.kinds;
        self.count += other.count;
        let room = MAX_FLAWS - self.flaws.len();
        self.flaws.extend(other.flaws.iter().take(room));
    }

    /// Returns whether nothing was repaired.
    pub fn is_empty(&self) -> bool {
        self.kinds == 0
    }

    /// Returns the number of flaws, those beyond [`MAX_FLAWS`] included.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns each kind of flaw once, in the order of the enum.
    pub fn kinds(&self) -> impl Iterator<Item = FlawKind> + use<> {
        let kinds = self.kinds;
        FlawKind::ALL.into_iter().filter(move |kind| kinds & (1 << *kind as u32) != 0)
    }

    /// Returns the first flaws, at most [`MAX_FLAWS`], in the order they were found.
    ///
    /// An offset counts the bytes of the text, or those of the inner document where one was unwrapped
    /// or unescaped. Flaws around a document and coerced values have the offset 0 or the end of the
    /// document.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_bit_and_its_name() {
        let mut report = Report::default();
        for (index, kind) in FlawKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert!(FlawKind::ALL.iter().filter(|other| other.name() == kind.name()).count() == 1);
            report.add(kind, index);
        }
        assert_eq!(report.kinds().count(), FlawKind::ALL.len());
        assert_eq!(report.flaws().len(), FlawKind::ALL.len());
    }
}
