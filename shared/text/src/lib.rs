//! Rules for text that people write: what is accepted, how it is stored, which two texts look the same.
//!
//! A crate of its own because of its Unicode tables, so that only functions that accept text link it. `docs/api.md`
//! lists the rules.

mod bidi;
mod likeness;
mod properties;

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;

pub use likeness::likeness;

/// Why a text is refused. The message continues a sentence that begins with the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It shows nothing.
    #[error("is blank")]
    Blank,
    /// It has more characters than the field accepts.
    #[error("has more than {0} characters")]
    TooLong(usize),
    /// It has a line, paragraph or page break.
    #[error("has a line break")]
    LineBreak,
    /// It has a control character.
    #[error("has a control character")]
    Control,
    /// It has a character that reorders the text around it: an override, or an embedding or isolate that is not closed.
    #[error(
        "has a directional override, or an embedding or isolate that is not closed, which would reorder the text around it"
    )]
    Reordering,
    /// It has U+FFFD, which gateways put in place of bytes that are not UTF-8.
    #[error("has a replacement character (U+FFFD), which stands for bytes that are not UTF-8")]
    Replacement,
}

/// The text in NFC, without white space at either end. At most `chars_max` characters, counted after that.
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

/// Like `normalise`, with a single space for each run of white space.
pub fn normalise_spaces(raw: &str, chars_max: usize) -> Result<String, TextError> {
    // Line breaks are white space too, and are refused, not replaced.
    if raw.trim().chars().any(properties::breaks_a_line) {
        return Err(TextError::LineBreak);
    }
    let words = raw.split(char::is_whitespace).filter(|word| !word.is_empty());
    normalise(&words.collect::<Vec<_>>().join(" "), chars_max)
}

/// The same for two texts that differ in compatibility forms (NFKC) and in case (Unicode's full case folding) only.
pub fn folded(text: &str) -> String {
    let compatible: String = text.nfkc().collect();
    CaseMapper::new().fold_string(&compatible).nfkc().collect()
}

/// The text in NFC.
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

#[cfg(test)]
mod tests;
