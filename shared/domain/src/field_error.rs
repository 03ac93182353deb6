//! What is wrong with a field of a body.

use serde::Serialize;

/// The most characters of a pointer that an error repeats: no field of ours has half as long a name.
const POINTER_CHARS_MAX: usize = 100;
/// The most characters of the reason why a field is refused.
const REASON_CHARS_MAX: usize = 300;

/// A field of a body that is to blame, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where the field is: a JSON pointer (RFC 6901), such as `/options/2`.
    pub pointer: String,
    /// Why it is refused.
    pub detail: String,
}

impl FieldError {
    /// A field error of a pointer and a reason. A long one is cut off: the pointer may hold a name of any length.
    pub fn new(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self {
            pointer: shortened(pointer.into(), POINTER_CHARS_MAX),
            detail: shortened(detail.to_string(), REASON_CHARS_MAX),
        }
    }
}

/// The text, with `…` in the place of what is more than `chars_max` characters.
pub fn shortened(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}
