//! What a voter writes: the answer in a poll of texts, or an option that is not listed.

/// The most characters in an answer.
pub const ANSWER_CHARS_MAX: usize = 140;
/// The most characters in an option that a voter writes.
pub const WRITE_IN_CHARS_MAX: usize = 100;
/// The most bytes in either. Every character fits.
pub const ANSWER_BYTES_MAX: usize = 4 * ANSWER_CHARS_MAX;

/// A text as it is stored and counted: in NFC, trimmed, with single spaces. Counting never compares texts otherwise than
/// by their bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Answer(Box<str>);

impl Answer {
    /// An answer as it was stored: not empty, at most `ANSWER_BYTES_MAX` bytes.
    pub fn stored(text: &str) -> Option<Self> {
        (1..=ANSWER_BYTES_MAX).contains(&text.len()).then(|| Self(text.into()))
    }

    /// The answer that a voter sent: visible, without line breaks, at most `chars_max` characters.
    #[cfg(any(test, feature = "text"))]
    pub fn parse(raw: &str, chars_max: usize) -> Result<Self, landslide_text::TextError> {
        landslide_text::normalise_spaces(raw, chars_max).map(|text| Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Answer {
    /// Leaves the text out, as people write what no log should hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_people_see_it() {
        let answer = |raw: &str| Answer::parse(raw, ANSWER_CHARS_MAX).map(|answer| answer.as_str().to_owned());
        assert_eq!(answer("  cafe\u{301} \u{a0}  au lait "), Ok("caf\u{e9} au lait".to_owned()));
        assert!(answer(" \u{200b} ").is_err() && answer("a\nb").is_err() && answer(&"x".repeat(141)).is_err());
        assert_eq!(answer(&"\u{1f600}".repeat(140)).map(|text| text.len()), Ok(ANSWER_BYTES_MAX));
    }

    #[test]
    fn what_is_stored_is_neither_empty_nor_too_long() {
        assert!(Answer::stored("").is_none() && Answer::stored(&"x".repeat(ANSWER_BYTES_MAX + 1)).is_none());
        assert_eq!(Answer::stored("A b").unwrap().as_str(), "A b");
    }

    #[test]
    fn no_log_shows_an_answer() {
        assert_eq!(format!("{:?}", Answer::stored("secret").unwrap()), "Answer(6 bytes)");
    }
}
