//! Text that people write: normalised, trimmed, without what can't be seen.

use unicode_normalization::UnicodeNormalization;

/// Why a text is refused. The words continue a sentence that begins with the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing to be seen in it.
    #[error("is blank")]
    Blank,
    /// More characters than the field takes.
    #[error("has more than {0} characters")]
    TooLong(usize),
    /// A control character, a line break among them.
    #[error("has a control character")]
    Control,
    /// U+FFFD, which gateways put for bytes that are not UTF-8.
    #[error("has a replacement character (U+FFFD), which stands for bytes that are not UTF-8")]
    Replacement,
}

/// The text in NFC, without white space at its ends. At most `chars_max` characters, counted after that.
pub fn normalise(raw: &str, chars_max: usize) -> Result<String, TextError> {
    let text: String = raw.trim().nfc().collect();
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(TextError::Replacement);
    }
    if text.chars().all(is_invisible) {
        return Err(TextError::Blank);
    }
    if text.chars().nth(chars_max).is_some() {
        return Err(TextError::TooLong(chars_max));
    }
    Ok(text)
}

/// White space, and the zero-width characters that a label of nothing else would hide behind.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_trimmed_and_composed() {
        assert_eq!(normalise("  Cafe\u{301} ", 10).unwrap(), "Caf\u{e9}");
    }

    #[test]
    fn what_can_not_be_seen_is_refused() {
        assert_eq!(normalise(" \u{200b}\u{feff} ", 10), Err(TextError::Blank));
        assert_eq!(normalise("", 10), Err(TextError::Blank));
        assert_eq!(normalise("a\nb", 10), Err(TextError::Control));
        assert_eq!(normalise("a\u{0}", 10), Err(TextError::Control));
        assert_eq!(normalise("a\u{fffd}", 10), Err(TextError::Replacement));
        assert_eq!(normalise("abcd", 3), Err(TextError::TooLong(3)));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(raw in "\\PC{0,30}") {
            if let Ok(once) = normalise(&raw, 100) {
                prop_assert_eq!(normalise(&once, 100), Ok(once.clone()));
            }
        }
    }
}
