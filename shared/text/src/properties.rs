//! Unicode properties of a character.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BinaryProperty, DefaultIgnorableCodePoint, EmojiModifier, ExtendedPictographic, GeneralCategory,
        NoncharacterCodePoint, PrependedConcatenationMark,
    },
};

/// Characters that show nothing, by their names in the standard and by no property: blanks in Braille, Egyptian
/// hieroglyphs (two) and music, and the Khitan small script's filler.
const BLANKS: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{1d159}', '\u{16fe4}'];

fn is<P: BinaryProperty>(c: char) -> bool {
    CodePointSetData::new::<P>().contains(c)
}

/// Whether it shows nothing itself, whatever it does to others.
pub fn shows_nothing(c: char) -> bool {
    is_space(c) || is_invisible(c)
}

/// White space of any kind, and its lookalikes.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || BLANKS.contains(&c)
}

/// Whether it is neither visible nor as wide as a space: characters that a renderer ignores if it does not know them,
/// format characters (except those drawn around numbers), controls, and noncharacters.
pub fn is_invisible(c: char) -> bool {
    is::<DefaultIgnorableCodePoint>(c)
        || is_format(c) && !is::<PrependedConcatenationMark>(c)
        || c.is_control()
        || is::<NoncharacterCodePoint>(c)
}

fn is_format(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

/// Whether the text after it starts on a new line (classes BK, CR, LF and NL in UAX #14).
pub fn breaks_a_line(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether it is a picture that others may be joined to.
pub fn is_emoji(c: char) -> bool {
    is::<ExtendedPictographic>(c)
}

/// Whether it is a skin colour for the emoji before it.
pub fn is_emoji_modifier(c: char) -> bool {
    is::<EmojiModifier>(c)
}
