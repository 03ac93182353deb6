use icu_properties::{
    CodePointMapData,
    props::{LineBreak, Script},
};
use proptest::prelude::*;

use super::*;

/// A script, and words in it with the joiners, marks and spaces that it is written with.
const SCRIPTS: [(Script, &str); 34] = [
    (Script::Latin, "Tiếng Việt, naïve Straße"),
    (Script::Greek, "Ποιο χρώμα; ᾠδή"),
    (Script::Cyrillic, "Какой цвет? Ґанок, й"),
    (Script::Armenian, "Ո՞ր գույնը"),
    (Script::Hebrew, "איזה צֶבַע?"),
    (Script::Arabic, "ما هو لونك المُفَضَّل؟"),
    (Script::Arabic, "می\u{200c}خواهم نامه\u{200c}ای بنویسم"), // Persian: ZWNJ parts what would join
    (Script::Syriac, "ܫܠܡܐ ܥܠܡܐ"),
    (Script::Thaana, "ދިވެހި ބަސް"),
    (Script::Nko, "ߒߞߏ ߛߓߍ"),
    (Script::Adlam, "𞤀𞤁𞤂𞤢𞤥 𞤆𞤵𞤤𞤢𞤪"),
    (Script::Devanagari, "क्\u{200d}ष र्\u{200c}य हिन्दी?"), // ZWJ asks for a half form, ZWNJ for a visible virama
    (Script::Bengali, "র\u{200d}্যাব বাংলা ভাষা"),
    (Script::Gurmukhi, "ਕਿਹੜਾ ਰੰਗ?"),
    (Script::Gujarati, "કયો રંગ?"),
    (Script::Oriya, "କେଉଁ ରଙ୍ଗ?"),
    (Script::Tamil, "எந்த நிறம்? ஸ்ரீ"),
    (Script::Telugu, "ఏ రంగు? కీ\u{200c}బోర్డ్"),
    (Script::Kannada, "ಯಾವ ಬಣ್ಣ? ರ\u{200d}್ಯ"),
    (Script::Malayalam, "ഏത് നിറം? അവന്\u{200d}"), // ZWJ at the end makes a chillu
    (Script::Sinhala, "ශ්\u{200d}රී ලංකා"),
    (Script::Thai, "ภาษา\u{200b}ไทย สีอะไร"), // ZWSP parts words
    (Script::Lao, "ສີ\u{200b}ຫຍັງ"),
    (Script::Khmer, "ពណ៌\u{200b}អ្វី"),
    (Script::Tibetan, "ཚོན་མདོག་ག་རེ།"),
    (Script::Myanmar, "ဘာအရောင်လဲ"),
    (Script::Mongolian, "ᠮᠣᠩᠭᠣᠯ\u{180e}ᠠ ᠪᠢᠴᠢᠭ\u{180b}"), // its vowel separator and variation selectors
    (Script::Georgian, "რა ფერი? ᲠᲐ"),
    (Script::Ethiopic, "ምን ቀለም፧"),
    (Script::Cherokee, "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ"),
    (Script::Hangul, "무슨 색깔?"),
    (Script::Hiragana, "どの色が好き？がぎ"),
    (Script::Katakana, "パーティー・ｶﾞ"),
    (Script::Han, "哪种颜色？　葛\u{e0100}城"), // with a selector of the glyph
];

/// Emojis that are more than one code point.
const EMOJIS: [&str; 12] = [
    "❤\u{fe0f}",
    "1\u{fe0f}\u{20e3}",
    "👍🏽",
    "👩\u{200d}💻",
    "👩🏽\u{200d}🚀",
    "👨\u{200d}👩\u{200d}👧\u{200d}👦",
    "👩\u{200d}❤\u{fe0f}\u{200d}👨",
    "🏳\u{fe0f}\u{200d}🌈",
    "🇳🇱",
    "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "🏴\u{200d}☠\u{fe0f}",
];

fn refusal(text: &str) -> Option<TextError> {
    normalise(text, 100).err()
}

fn look_alike(one: &str, other: &str) -> bool {
    likeness(one) == likeness(other)
}

#[test]
fn text_of_every_script_is_kept_as_it_is() {
    let scripts = CodePointMapData::<Script>::new();
    for (script, text) in SCRIPTS {
        assert_eq!(normalise(text, 100).as_deref(), Ok(text), "{script:?}");
        let letters = text.chars().filter(|c| c.is_alphabetic());
        assert!(letters.clone().count() > 1 && letters.clone().any(|c| scripts.get(c) == script), "{script:?}: {text}");
    }
    for (place, (script, text)) in SCRIPTS.iter().enumerate() {
        for (_, other) in &SCRIPTS[..place] {
            assert!(!look_alike(text, other), "{script:?}: {text}, {other}");
        }
    }
}

#[test]
fn emojis_are_kept_as_they_are_and_told_apart() {
    for (place, emoji) in EMOJIS.iter().enumerate() {
        assert_eq!(normalise(emoji, 100).as_deref(), Ok(*emoji));
        for other in &EMOJIS[..place] {
            assert!(!look_alike(emoji, other), "{emoji} {other}");
        }
    }
    for (one, other) in [("👩\u{200d}💻", "👩💻"), ("🏴", EMOJIS[9]), ("👍", "👍🏽"), ("🏳\u{fe0f}\u{200d}🌈", "🏳🌈")]
    {
        assert!(!look_alike(one, other), "{one} {other}");
    }
    // Only the rendering differs, or there is no sequence: nobody sees the joiner, nor the tags.
    for (one, other) in [
        ("❤\u{fe0f}", "❤"),
        ("👍\u{200d}", "👍"),
        ("👍\u{e0067}\u{e0062}\u{e007f}", "👍"),
        ("🏴\u{e0067}\u{e0062}", "🏴"),
        ("a\u{200d}👍", "a👍"),
    ] {
        assert!(look_alike(one, other), "{one} {other}");
    }
}

#[test]
fn text_is_trimmed_and_composed() {
    assert_eq!(normalise("\u{3000} Cafe\u{301}\n", 10).unwrap(), "Caf\u{e9}");
}

#[test]
fn what_shows_nothing_is_blank() {
    for text in [
        "",
        " ",
        "\u{a0}\u{2003}\u{3000}",   // spaces
        "\u{200b}\u{feff}\u{2060}", // of no width
        "\u{200d}\u{200c}",         // joiners
        "\u{ad}\u{34f}\u{61c}\u{200e}\u{200f}",
        "\u{115f}\u{1160}\u{3164}\u{ffa0}", // Hangul fillers
        "\u{17b4}\u{17b5}",                 // Khmer vowels that are not drawn
        "\u{180b}\u{180e}\u{180f}",         // of Mongolian
        "\u{fe0f}\u{e0100}",                // selectors of glyphs
        "\u{2061}\u{2064}\u{206a}",         // of mathematics, and one that is deprecated
        "\u{e0001}\u{e0067}\u{e007f}",      // tags
        "\u{fff9}\u{fffa}\u{fffb}",         // annotations
        "\u{1bca0}\u{1d173}",               // of shorthand and of music
        "\u{13430}\u{13441}",               // of hieroglyphs
        "\u{2800}\u{1d159}\u{16fe4}",       // blanks
        "\u{fdd0}\u{fffe}",                 // no characters
        "\u{2067} \u{2069}",                // an isolate of nothing
    ] {
        assert_eq!(refusal(text), Some(TextError::Blank), "{}", text.escape_unicode());
    }
    for text in ["\u{301}", "\u{6dd}", "\u{600}", "\u{70f}", "\u{110bd}", ".", "\u{1f3fd}", "\u{e000}"] {
        assert_eq!(refusal(text), None, "{}", text.escape_unicode());
    }
}

#[test]
fn what_breaks_a_line_or_controls_is_refused() {
    for c in ['\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}'] {
        assert_eq!(refusal(&format!("a{c}b")), Some(TextError::LineBreak), "{}", c.escape_unicode());
    }
    for c in ['\0', '\t', '\u{7}', '\u{1b}', '\u{7f}', '\u{9f}'] {
        assert_eq!(refusal(&format!("a{c}b")), Some(TextError::Control), "{}", c.escape_unicode());
    }
    assert_eq!(refusal("a\u{fffd}"), Some(TextError::Replacement));
}

#[test]
fn lines_break_where_unicode_says_that_they_must() {
    let classes = CodePointMapData::<LineBreak>::new();
    for c in '\0'..=char::MAX {
        let must = [LineBreak::MandatoryBreak, LineBreak::CarriageReturn, LineBreak::LineFeed, LineBreak::NextLine];
        assert_eq!(properties::breaks_a_line(c), must.contains(&classes.get(c)), "{}", c.escape_unicode());
    }
}

#[test]
fn what_reorders_the_text_around_it_is_refused() {
    for text in [
        "\u{202e}abc",
        "\u{202d}abc",
        "\u{202e}abc\u{202c}", // closed, and still read backwards
        "abc\u{202a}",
        "\u{202b}abc",
        "\u{2066}abc",
        "abc\u{2067}",
        "\u{2068}abc",
        "abc\u{202c}",
        "abc\u{2069}", // closes what the text around has opened
        "\u{2069}abc\u{2066}",
        "\u{2066}\u{202a}abc\u{2069}\u{202c}",
        "\u{2066}\u{2067}abc\u{2069}",
    ] {
        assert_eq!(refusal(text), Some(TextError::Reordering), "{}", text.escape_unicode());
    }
    for text in [
        "\u{2066}abc\u{2069}",
        "אבג \u{2068}abc\u{2069} דה",
        "\u{202b}אבג\u{202c}",
        "\u{2067}\u{202a}abc\u{202c}\u{2068}d\u{2069}\u{2069}",
        "C++\u{200e} אבג\u{200f}!\u{61c}",
    ] {
        assert_eq!(normalise(text, 100).as_deref(), Ok(text), "{}", text.escape_unicode());
    }
}

#[test]
fn characters_are_counted_as_they_are_kept() {
    assert_eq!(normalise("abcd", 3), Err(TextError::TooLong(3)));
    assert_eq!(normalise(" e\u{301}e\u{301}e\u{301} ", 3).unwrap(), "ééé");
    assert_eq!(normalise("🏴🏴🏴", 3).unwrap(), "🏴🏴🏴");
}

#[test]
fn what_people_do_not_see_makes_no_other_text() {
    for (one, other) in [
        ("ice cream", "ice\u{a0}cream"),
        ("ice cream", "ice \u{2009}\u{3000} cream"),
        ("ice cream", "ice\u{2800}cream"),
        ("red", "r\u{200b}e\u{ad}d\u{2060}"),
        ("red", "\u{feff}red\u{200e}"),
        ("red", "\u{2066}red\u{2069}"),
        ("red", "red\u{e0072}\u{e0065}\u{e0064}"),
        ("red", "\u{ff52}\u{ff45}\u{ff44}"), // of full width
        ("ﬁne", "fine"),                     // a ligature
        ("x²", "x2"),
        ("①", "1"),
        ("ｶﾞ", "ガ"),
        ("\u{2126}", "Ω"),
        ("café", "cafe\u{301}"),
        ("café", "cafe\u{34f}\u{301}"), // as if it were composed
        ("می\u{200c}خواهم", "میخواهم"),
        ("ﷲ", "الله"),
        ("한", "\u{1112}\u{1161}\u{11ab}"),
    ] {
        assert!(look_alike(one, other), "{one} {other}");
    }
}

#[test]
fn what_people_see_makes_another_text() {
    for (one, other) in [
        ("ice cream", "icecream"),
        ("red", "Red"),
        ("resume", "résumé"),
        ("a", "\u{430}"), // Cyrillic
        ("O", "0"),
        ("l", "I"),
        ("1", "1."),
        ("-", "–"),
    ] {
        assert!(!look_alike(one, other), "{one} {other}");
    }
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(raw in "\\PC{0,30}") {
        if let Ok(once) = normalise(&raw, 100) {
            prop_assert_eq!(normalise(&once, 100), Ok(once.clone()));
        }
    }

    #[test]
    fn a_text_that_is_kept_can_be_seen_and_looks_like_what_was_sent(raw in any::<String>()) {
        if let Ok(kept) = normalise(&raw, 1_000) {
            prop_assert!(!likeness(&kept).is_empty());
            prop_assert!(look_alike(&kept, &raw));
        }
    }

    #[test]
    fn a_likeness_looks_like_itself(raw in any::<String>()) {
        prop_assert_eq!(likeness(&likeness(&raw)), likeness(&raw));
    }

    #[test]
    fn what_shows_nothing_changes_no_likeness(
        before in "\\PC{0,8}", invisible in "[\u{ad}\u{34f}\u{200b}\u{200c}\u{200e}\u{2060}\u{2066}\u{feff}\u{fe0e}\u{e0001}]{1,3}",
        after in "\\PC{0,8}",
    ) {
        let (with, without) = (format!("{before}{invisible}{after}"), format!("{before}{after}"));
        prop_assert!(look_alike(&with, &without));
    }
}
