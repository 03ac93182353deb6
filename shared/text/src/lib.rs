//! Text that people write and others read: what of it is taken, how it is kept, and which two texts look the same.
//!
//! A crate of its own for its tables of Unicode, which only functions that take text link. `docs/api.md` lists the rules.

mod bidi;
mod likeness;
mod properties;

use unicode_normalization::UnicodeNormalization;

pub use likeness::likeness;

/// Why a text is refused. The words continue a sentence that begins with the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It shows nothing.
    #[error("is blank")]
    Blank,
    /// More characters than the field takes.
    #[error("has more than {0} characters")]
    TooLong(usize),
    /// A line break, or a break of paragraphs or pages.
    #[error("has a line break")]
    LineBreak,
    /// A control character.
    #[error("has a control character")]
    Control,
    /// A character that moves the text around it: an override, or an embedding or isolate that is not closed.
    #[error(
        "has a directional override, or an embedding or isolate that is not closed, which would reorder the text around it"
    )]
    Reordering,
    /// U+FFFD, which gateways put for bytes that are not UTF-8.
    #[error("has a replacement character (U+FFFD), which stands for bytes that are not UTF-8")]
    Replacement,
}

/// The text in NFC, without white space at its ends. At most `chars_max` characters, counted after that.
pub fn normalise(raw: &str, chars_max: usize) -> Result<String, TextError> {
    let text: String = raw.trim().nfc().collect();
    if text.chars().any(properties::breaks_a_line) {
        return Err(TextError::LineBreak);
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(TextError::Replacement);
    }
    if bidi::reorders_its_surroundings(&text) {
        return Err(TextError::Reordering);
    }
    if text.chars().all(properties::shows_nothing) {
        return Err(TextError::Blank);
    }
    if text.chars().nth(chars_max).is_some() {
        return Err(TextError::TooLong(chars_max));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
