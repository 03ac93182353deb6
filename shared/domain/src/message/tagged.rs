//! Ballots of every kind in a message, each as long as it is.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the kind: 0 no ballot, 1 a ranking, 2 choices, 3 ratings, 4 a text, 5 a write-in, 6 a quiz; plus 128 if there are segments or a slot |
//! | of a ranking: 1 + n | how many ids, and the ids, best first |
//! | of choices, of a quiz: 1 + n | how many bytes, and a bit set |
//! | of ratings: 1 + 2 n | how many, and each option and its level |
//! | of a text: 2 + n | how many bytes, and UTF-8 |
//! | of a write-in | choices (a bit set of no bytes: none), and a text |
//! | if so: 1 + n + 2 | how many dimensions, the place in each, and the slot; 65,535: none |

use super::{DecodeError, Reader};
use crate::{
    ballot::{Answer, Ballot, Choices, Content, FullBallot, Ranking, Ratings, Segments},
    series::Slot,
};

const NO_BALLOT: u8 = 0;
const RANKING: u8 = 1;
const CHOICES: u8 = 2;
const RATINGS: u8 = 3;
const TEXT: u8 = 4;
const WRITE_IN: u8 = 5;
const QUIZ: u8 = 6;
/// In the kind: segments and a slot follow.
const PLACED: u8 = 0x80;
const NO_SLOT: u16 = u16::MAX;

/// How many bytes a ballot takes.
pub(super) fn bytes(ballot: Option<&Ballot>) -> usize {
    match ballot {
        None => 1,
        Some(Ballot::Choices(choices)) => 1 + bits_bytes(Some(*choices)),
        Some(Ballot::Full(full)) => 1 + content_bytes(&full.content) + placed_bytes(full),
    }
}

fn content_bytes(content: &Content) -> usize {
    match content {
        Content::Choices(choices) | Content::Quiz(choices) => bits_bytes(Some(*choices)),
        Content::WriteIn(choices, other) => bits_bytes(*choices) + 2 + other.as_str().len(),
        Content::Ranking(ranking) => 1 + ranking.as_slice().len(),
        Content::Ratings(ratings) => 1 + 2 * ratings.len(),
        Content::Text(text) => 2 + text.as_str().len(),
    }
}

fn bits_bytes(choices: Option<Choices>) -> usize {
    1 + choices.map_or(0, |choices| usize::from(choices.highest()) / 8 + 1)
}

fn is_placed(full: &FullBallot) -> bool {
    !full.segments.is_empty() || full.slot.is_some()
}

fn placed_bytes(full: &FullBallot) -> usize {
    if is_placed(full) { 1 + full.segments.as_slice().len() + 2 } else { 0 }
}

/// Writes a ballot.
pub(super) fn write(ballot: Option<&Ballot>, out: &mut Vec<u8>) {
    match ballot {
        None => out.push(NO_BALLOT),
        Some(Ballot::Choices(choices)) => {
            out.push(CHOICES);
            write_bits(Some(*choices), out);
        }
        Some(Ballot::Full(full)) => {
            out.push(kind_of(&full.content) | if is_placed(full) { PLACED } else { 0 });
            write_content(&full.content, out);
            if is_placed(full) {
                let places = full.segments.as_slice();
                out.push(places.len() as u8);
                out.extend(places);
                out.extend(full.slot.map_or(NO_SLOT, Slot::number).to_be_bytes());
            }
        }
    }
}

fn kind_of(content: &Content) -> u8 {
    match content {
        Content::Choices(_) => CHOICES,
        Content::WriteIn(..) => WRITE_IN,
        Content::Quiz(_) => QUIZ,
        Content::Ranking(_) => RANKING,
        Content::Ratings(_) => RATINGS,
        Content::Text(_) => TEXT,
    }
}

fn write_content(content: &Content, out: &mut Vec<u8>) {
    match content {
        Content::Choices(choices) | Content::Quiz(choices) => write_bits(Some(*choices), out),
        Content::WriteIn(choices, other) => {
            write_bits(*choices, out);
            write_text(other, out);
        }
        Content::Ranking(ranking) => {
            let ids = ranking.as_slice();
            out.push(ids.len() as u8);
            out.extend(ids);
        }
        Content::Ratings(ratings) => {
            out.push(ratings.len() as u8);
            out.extend(ratings.iter().flat_map(|rating| [rating.option, rating.value as u8]));
        }
        Content::Text(text) => write_text(text, out),
    }
}

fn write_bits(choices: Option<Choices>, out: &mut Vec<u8>) {
    let length = bits_bytes(choices) - 1;
    let bits = choices.map_or(0, Choices::bits).to_be_bytes();
    out.push(length as u8);
    out.extend(bits.iter().skip(bits.len() - length));
}

fn write_text(text: &Answer, out: &mut Vec<u8>) {
    let text = text.as_str().as_bytes();
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text);
}

/// Parses a ballot.
pub(super) fn read(input: &mut Reader<'_>) -> Result<Option<Ballot>, DecodeError> {
    let tag = input.number(1)? as u8;
    let Some(content) = read_content(tag & !PLACED, input)? else {
        return if tag == NO_BALLOT { Ok(None) } else { Err(DecodeError::Malformed("a place without a ballot")) };
    };
    if tag & PLACED == 0 {
        return Ok(Some(Ballot::of(content)));
    }
    let length = input.number(1)? as usize;
    let segments = Segments::of_places(input.take(length)?).ok_or(DecodeError::Malformed("no segments"))?;
    let slot = match input.number(2)? as u16 {
        NO_SLOT => None,
        slot => Some(Slot::of_number(i64::from(slot)).ok_or(DecodeError::Malformed("a slot past the last"))?),
    };
    Ok(Some(Ballot::new(content, segments, slot)))
}

fn read_content(kind: u8, input: &mut Reader<'_>) -> Result<Option<Content>, DecodeError> {
    let content = match kind {
        NO_BALLOT => return Ok(None),
        RANKING => {
            let length = input.number(1)? as usize;
            Ranking::of_bytes(input.take(length)?).map(Content::Ranking)
        }
        CHOICES => read_bits(input)?.map(Content::Choices),
        QUIZ => read_bits(input)?.map(Content::Quiz),
        RATINGS => {
            let length = input.number(1)? as usize;
            let (pairs, _) = input.take(2 * length)?.as_chunks::<2>();
            let numbers = pairs.iter().flat_map(|[option, level]| [i64::from(*option), i64::from(*level as i8)]);
            Ratings::stored(&numbers.collect::<Vec<_>>()).map(Content::Ratings)
        }
        TEXT => read_text(input)?.map(Content::Text),
        WRITE_IN => {
            let choices = read_bits(input)?;
            read_text(input)?.map(|other| Content::WriteIn(choices, other))
        }
        _ => return Err(DecodeError::Malformed("a ballot of no known kind")),
    };
    content.map(Some).ok_or(DecodeError::Malformed("no ballot of its kind"))
}

fn read_bits(input: &mut Reader<'_>) -> Result<Option<Choices>, DecodeError> {
    let length = input.number(1)? as usize;
    if length > size_of::<u128>() {
        return Err(DecodeError::Malformed("a bit set of no known width"));
    }
    match input.number(length)? {
        0 => Ok(None),
        bits => Choices::from_bits(bits).map(Some).ok_or(DecodeError::Malformed("an option past the last")),
    }
}

fn read_text(input: &mut Reader<'_>) -> Result<Option<Answer>, DecodeError> {
    let length = input.number(2)? as usize;
    let text =
        std::str::from_utf8(input.take(length)?).map_err(|_| DecodeError::Malformed("a text that is not UTF-8"))?;
    Ok(Answer::stored(text))
}
