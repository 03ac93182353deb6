//! What is wrong with one field in a body.

use serde::Serialize;

/// The most characters of a pointer that an error repeats. Our own field names are less than half as long.
const POINTER_CHARS_MAX: usize = 100;
/// The most characters in a reason.
const REASON_CHARS_MAX: usize = 300;

/// A field that is not valid, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where the field is: a JSON pointer (RFC 6901), such as `/options/2`.
    pub pointer: String,
    /// Why it is refused.
    pub detail: String,
}

impl FieldError {
    /// Makes a field error. Cuts both texts, as a pointer may hold a name of any length.
    pub fn new(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self {
            pointer: shortened(pointer.into(), POINTER_CHARS_MAX),
            detail: shortened(detail.to_string(), REASON_CHARS_MAX),
        }
    }
}

/// Cuts the text to `chars_max` characters; `…` stands for the rest.
pub fn shortened(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}
