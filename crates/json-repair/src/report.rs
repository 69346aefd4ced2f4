//! What was mended: kinds of flaws, and where they were.

/// A kind of flaw in what a model wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FlawKind {
    SurroundingText,
    CodeFence,
    Escaped,
    SeveralValues,
    TrailingComma,
    ExtraComma,
    MissingComma,
    WrongComma,
    MissingColon,
    WrongColon,
    MissingBracket,
    WrongBracket,
    ExtraBracket,
    MissingQuote,
    WrongQuote,
    UnescapedQuote,
    UnquotedText,
    WrongEscape,
    ControlCharacter,
    JoinedStrings,
    WrongNumber,
    WrongLiteral,
    MissingValue,
    Ellipsis,
    Comment,
    WhiteSpace,
    Call,
    Truncated,
    Coerced,
    Unwrapped,
}

impl FlawKind {
    /// Every kind, in the order of the enum.
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

    /// The word in headers and metrics.
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

/// The most flaws of one text that are kept with their places. Kinds are kept all.
pub const MAX_FLAWS: usize = 64;

/// What was mended in one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One bit per kind.
    kinds: u32,
    /// Kinds and the bytes of the text where they were, in the order they were found.
    flaws: Vec<(FlawKind, usize)>,
    /// How many flaws there were.
    count: usize,
}

impl Report {
    /// Keeps a flaw that was found at a byte of the text.
    pub fn add(&mut self, kind: FlawKind, at: usize) {
        self.kinds |= 1 << kind as u32;
        self.count += 1;
        if self.flaws.len() < MAX_FLAWS {
            self.flaws.push((kind, at));
        }
    }

    /// Takes in what was found in another part of the same text.
    pub fn append(&mut self, other: &Self) {
        self.kinds |= other.kinds;
        self.count += other.count;
        let room = MAX_FLAWS - self.flaws.len();
        self.flaws.extend(other.flaws.iter().take(room));
    }

    /// Whether nothing was mended.
    pub fn is_empty(&self) -> bool {
        self.kinds == 0
    }

    /// How many flaws there were.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The kinds of flaws, each once.
    pub fn kinds(&self) -> impl Iterator<Item = FlawKind> + use<> {
        let kinds = self.kinds;
        FlawKind::ALL.into_iter().filter(move |kind| kinds & (1 << *kind as u32) != 0)
    }

    /// The first flaws, each with the byte of the text where it was.
    pub fn flaws(&self) -> &[(FlawKind, usize)] {
        &self.flaws
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
