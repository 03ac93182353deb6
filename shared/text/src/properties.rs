//! What Unicode says of a character.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BinaryProperty, DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory,
        NoncharacterCodePoint, PrependedConcatenationMark,
    },
};

/// Characters that show nothing, by their names in the standard and by no property: the blanks of Braille, of Egyptian
/// hieroglyphs (two) and of music, and the filler of the Khitan small script.
const BLANKS: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{1d159}', '\u{16fe4}'];

fn is<P: BinaryProperty>(c: char) -> bool {
    CodePointSetData::new::<P>().contains(c)
}

/// Whether nothing of it can be seen, whatever it does to others.
pub fn shows_nothing(c: char) -> bool {
    is_space(c) || is_invisible(c)
}

/// White space of any kind, and what looks like it.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || BLANKS.contains(&c)
}

/// Neither seen nor as wide as a space: what Unicode's property has a renderer ignore where it does not know it, formats
/// (but for those that are drawn around numbers), controls, and what will never be a character.
pub fn is_invisible(c: char) -> bool {
    is::<DefaultIgnorableCodePoint>(c)
        || is_format(c) && !is::<PrependedConcatenationMark>(c)
        || c.is_control()
        || is::<NoncharacterCodePoint>(c)
}

fn is_format(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

/// Whether text goes on in a new line after it (the classes BK, CR, LF and NL of UAX #14).
pub fn breaks_a_line(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether it is a picture that others may be joined to.
pub fn is_emoji(c: char) -> bool {
    is::<ExtendedPictographic>(c)
}

/// Whether it is the skin colour of the emoji before.
pub fn is_emoji_modifier(c: char) -> bool {
    is::<EmojiModifier>(c)
}
