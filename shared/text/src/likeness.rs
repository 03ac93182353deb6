//! Decides which texts look the same.

use unicode_normalization::UnicodeNormalization;

use crate::properties::{is_emoji, is_emoji_modifier, is_invisible, is_space};

/// Joins emojis into one, such as a woman and a computer.
const ZERO_WIDTH_JOINER: char = '\u{200d}';
/// The tags after it turn it into the flag of part of a country (UTS #51).
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';

/// A text's visible form, for comparing: equal for texts that differ only in compatibility forms (NFKC), in the kind
/// and number of spaces, or in invisible characters. Characters that join several emojis into one are kept, as people
/// see the difference.
pub fn likeness(text: &str) -> String {
    let compatible: Vec<char> = text.nfkc().collect();
    // A removed character may have stood between a letter and its mark.
    visible(&compatible).nfkc().collect()
}

fn visible(text: &[char]) -> String {
    let mut seen = String::new();
    let (mut rest, mut after_space, mut after_emoji) = (text, false, false);
    while let Some((&c, after)) = rest.split_first() {
        rest = after;
        if is_space(c) {
            (after_space, after_emoji) = (true, false);
            continue;
        }
        let joins = c == ZERO_WIDTH_JOINER && after_emoji && after.first().copied().is_some_and(is_emoji);
        if is_invisible(c) && !joins {
            continue;
        }
        if after_space && !seen.is_empty() {
            seen.push(' ');
        }
        seen.push(c);
        (after_space, after_emoji) = (false, is_emoji(c) || after_emoji && is_emoji_modifier(c));
        if c == BLACK_FLAG {
            let (tags, others) = after.split_at(tags_of_a_flag(after));
            seen.extend(tags);
            rest = others;
        }
    }
    seen
}

/// How many tags follow that turn the black flag into another: letters, digits and the end tag.
fn tags_of_a_flag(text: &[char]) -> usize {
    let is_tag = |c: &&char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let tags = text.iter().take_while(is_tag).count();
    if tags > 0 && text.get(tags) == Some(&CANCEL_TAG) { tags + 1 } else { 0 }
}
