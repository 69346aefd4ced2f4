//! Text in the pieces it is streamed in.

/// Bytes of a piece of filler text. Our own number: a megabyte takes a thousand events.
const FILLER_PIECE: usize = 1024;

/// A text and where it is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    whole: String,
    /// Where each piece ends. Invariant: ascending character boundaries, the last is the end.
    ends: Vec<usize>,
}

impl Text {
    /// A piece per word; the space stays with the word before it.
    pub fn words(whole: String) -> Self {
        Self::split(whole, ' ')
    }

    /// A piece per member of a JSON text; the comma stays with the member before it.
    pub fn members(whole: String) -> Self {
        Self::split(whole, ',')
    }

    /// As many pieces as asked for, of nearly the same length, empty ones if need be.
    pub fn even(whole: String, pieces: usize) -> Self {
        let end = |piece: usize| whole.floor_char_boundary(whole.len() * piece / pieces);
        let ends = (1..=pieces).map(end).collect();
        Self { whole, ends }
    }

    /// The words of a text over and over, until there are `pieces` of them.
    pub fn repeated(words: &str, pieces: usize) -> Self {
        let words = words.split(' ').cycle().take(pieces);
        Self::words(words.collect::<Vec<_>>().join(" "))
    }

    /// `size` bytes of nothing in particular.
    pub fn filler(size: usize) -> Self {
        let mut whole = "word ".repeat(size.div_ceil(5));
        whole.truncate(size);
        Self::even(whole, size.div_ceil(FILLER_PIECE))
    }

    /// The same text in another number of pieces.
    pub fn in_pieces(self, pieces: usize) -> Self {
        Self::even(self.whole, pieces)
    }

    /// All of it.
    pub fn whole(&self) -> &str {
        &self.whole
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// The pieces in order; together they are the whole.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.whole[start..*end])
    }

    fn split(whole: String, after: char) -> Self {
        let mut ends: Vec<_> = whole.match_indices(after).map(|(at, _)| at + 1).collect();
        if ends.last().copied().unwrap_or(0) < whole.len() {
            ends.push(whole.len());
        }
        Self { whole, ends }
    }
}

/// How many words a text has: our unit of usage, where the vendors have tokens.
pub fn count_words(text: &str) -> usize {
    text.split_ascii_whitespace().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &Text) -> Vec<&str> {
        text.pieces().collect()
    }

    #[test]
    fn a_text_falls_into_its_words() {
        assert_eq!(pieces(&Text::words("Hello to you".to_owned())), ["Hello ", "to ", "you"]);
        assert_eq!(
            pieces(&Text::members("{\"a\":1,\"b\":2}".to_owned())),
            ["{\"a\":1,", "\"b\":2}"]
        );
        assert!(pieces(&Text::words(String::new())).is_empty());
    }

    #[test]
    fn even_pieces_never_cut_a_character() {
        assert_eq!(pieces(&Text::even("aé€x".to_owned(), 3)), ["a", "é", "€x"]);
        assert_eq!(pieces(&Text::even("ab".to_owned(), 4)), ["", "a", "", "b"]);
    }

    #[test]
    fn words_repeat_until_there_are_enough() {
        assert_eq!(pieces(&Text::repeated("a b", 5)), ["a ", "b ", "a ", "b ", "a"]);
    }

    #[test]
    fn filler_has_the_size_asked_for() {
        for size in [0, 1, 5, 1024, 1025, 100_000] {
            let filler = Text::filler(size);
            assert_eq!(filler.whole().len(), size);
            assert_eq!(filler.pieces().count(), size.div_ceil(1024), "{size} bytes");
        }
    }
}
