//! Which entries a ballot has, and what an entry's key says.
//!
//! By rules 1, the only ones there are. Keys of `ballots`:
//!
//! | bytes | what |
//! |---|---|
//! | `r`, ids | a ranking, best first |
//! | `q`, 13 bytes | the options of a quiz's ballot, as bits, big-endian |
//! | `t`, UTF-8 | an answer; without a text, all answers that were folded |
//! | `w`, UTF-8 | an option that voters wrote; without a text, all that were folded |
//!
//! Keys of `cells`:
//!
//! | bytes | what |
//! |---|---|
//! | `l`, option, level | ratings of an option |
//! | `s`, dimension, place, column | ballots of a segment's value |
//! | `c`, 2 bytes of the slot, column | ballots of a slot |
//!
//! A column is empty for all ballots; or an option that is chosen or ranked first; or an option and the level that it is
//! rated.

use super::{EntriesBuilder, PerSet};
use crate::ballot::{Ballot, Choices, Content, FullBallot};

const RANKING: u8 = b'r';
const QUIZ: u8 = b'q';
const TEXT: u8 = b't';
const WRITE_IN: u8 = b'w';
const LEVEL: u8 = b'l';
const SEGMENT: u8 = b's';
const SLOT: u8 = b'c';
/// Bytes for the bits of 100 options.
const QUIZ_BYTES: usize = 13;
/// The most bytes in a ranking's key. A ranking of another program names any option id once at most.
const RANKING_BYTES_MAX: usize = 1 + 256;
/// The most bytes in a cell's key.
const CELL_BYTES_MAX: usize = 5;

/// What an entry of `ballots` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BallotKey<'a> {
    /// Option ids, best first.
    Ranking(&'a [u8]),
    /// The options of a quiz's ballot.
    Quiz(Choices),
    /// An answer. Empty: all that were folded.
    Text(&'a str),
    /// An option that voters wrote. Empty: all that were folded.
    WriteIn(&'a str),
}

/// What is counted in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// All ballots.
    Ballots,
    /// Those that choose an option, or rank it first.
    Option(u8),
    /// Those that rate an option like this.
    Level(u8, i8),
}

/// What an entry of `cells` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKey {
    /// Ratings of an option with a level.
    Level(u8, i8),
    /// Ballots of a dimension's value, by its place.
    Segment(u8, u8, Column),
    /// Ballots of a slot.
    Slot(u16, Column),
}

impl<'a> BallotKey<'a> {
    /// Parses a key. `None` if no ballot has it.
    #[inline]
    pub fn read(key: &'a [u8]) -> Option<Self> {
        match key {
            [RANKING, ids @ ..] => Some(Self::Ranking(ids)),
            [QUIZ, bits @ ..] if bits.len() == QUIZ_BYTES => {
                let bits = bits.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
                Choices::from_bits(bits).map(Self::Quiz)
            }
            [TEXT, text @ ..] => std::str::from_utf8(text).ok().map(Self::Text),
            [WRITE_IN, text @ ..] => std::str::from_utf8(text).ok().map(Self::WriteIn),
            _ => None,
        }
    }
}

/// In place of a text's key, the key of all texts that were folded; `None` for what is no text.
pub(super) fn folded(key: &[u8]) -> Option<[u8; 1]> {
    match key {
        [kind @ (TEXT | WRITE_IN), _, ..] => Some([*kind]),
        _ => None,
    }
}

impl Column {
    fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] => Some(Self::Ballots),
            [option] => Some(Self::Option(*option)),
            [option, level] => Some(Self::Level(*option, *level as i8)),
            _ => None,
        }
    }
}

impl CellKey {
    /// Parses a key. `None` if no ballot has it.
    pub fn read(key: &[u8]) -> Option<Self> {
        match key {
            [LEVEL, option, level] => Some(Self::Level(*option, *level as i8)),
            [SEGMENT, dimension, place, column @ ..] => Some(Self::Segment(*dimension, *place, Column::read(column)?)),
            [SLOT, high, low, column @ ..] => {
                Some(Self::Slot(u16::from_be_bytes([*high, *low]), Column::read(column)?))
            }
            _ => None,
        }
    }
}

impl EntriesBuilder {
    /// Adds a ranking `times` times.
    pub fn add_ranking(&mut self, ids: &[u8], times: i64) {
        let mut key = [RANKING; RANKING_BYTES_MAX];
        for (byte, id) in key.iter_mut().skip(1).zip(ids) {
            *byte = *id;
        }
        self.add(key.get(..=ids.len()).unwrap_or_default(), times);
    }
}

impl PerSet<EntriesBuilder> {
    /// Adds a ballot's entries `times` times.
    pub fn add_ballot(&mut self, ballot: &Ballot, times: i64) {
        let Ballot::Full(ballot) = ballot else { return };
        add_content(&mut self.ballots, &ballot.content, times);
        add_cells(&mut self.cells, ballot, times);
    }
}

fn add_content(ballots: &mut EntriesBuilder, content: &Content, times: i64) {
    match content {
        Content::Ranking(ranking) => ballots.add_ranking(ranking.as_slice(), times),
        Content::Quiz(choices) => {
            let bits = choices.bits().to_be_bytes();
            let bits = bits.iter().skip(bits.len() - QUIZ_BYTES).copied();
            ballots.add(&std::iter::once(QUIZ).chain(bits).collect::<Vec<u8>>(), times);
        }
        Content::Text(text) => ballots.add(&[&[TEXT], text.as_str().as_bytes()].concat(), times),
        Content::WriteIn(_, text) => ballots.add(&[&[WRITE_IN], text.as_str().as_bytes()].concat(), times),
        Content::Choices(_) | Content::Ratings(_) => {}
    }
}

fn add_cells(cells: &mut EntriesBuilder, ballot: &FullBallot, times: i64) {
    let content = &ballot.content;
    if let Content::Ratings(ratings) = content {
        ratings.iter().for_each(|rating| cells.add(&[LEVEL, rating.option, rating.value as u8], times));
    }
    for (dimension, place) in (0..).zip(ballot.segments.as_slice()) {
        add_row(cells, [SEGMENT, dimension, *place], content, times);
    }
    if let Some(slot) = ballot.slot {
        let [high, low] = slot.number().to_be_bytes();
        add_row(cells, [SLOT, high, low], content, times);
    }
}

fn add_row(cells: &mut EntriesBuilder, row: [u8; 3], content: &Content, times: i64) {
    cells.add(&row, times);
    let mut add = |column: &[u8]| {
        let mut key = [0; CELL_BYTES_MAX];
        for (byte, of) in key.iter_mut().zip(row.iter().chain(column)) {
            *byte = *of;
        }
        cells.add(key.get(..row.len() + column.len()).unwrap_or_default(), times);
    };
    match content {
        Content::Ratings(ratings) => ratings.iter().for_each(|rating| add(&[rating.option, rating.value as u8])),
        content => content.for_each_counted(|option| add(&[option])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ballot::{Answer, Ranking, Ratings, Segments},
        entries::Entries,
        series::Slot,
    };

    fn entries_of(content: Content, places: &[u8], slot: Option<i64>) -> PerSet<Entries> {
        let (segments, slot) = (Segments::of_places(places).unwrap(), slot.map(|slot| Slot::of_number(slot).unwrap()));
        let mut entries = PerSet::<EntriesBuilder>::default();
        entries.add_ballot(&Ballot::new(content, segments, slot), 1);
        entries.build()
    }

    fn ballots(entries: &PerSet<Entries>) -> Vec<BallotKey<'_>> {
        entries.ballots.iter().map(|(key, _)| BallotKey::read(key).unwrap()).collect()
    }

    fn cells(entries: &PerSet<Entries>) -> Vec<CellKey> {
        entries.cells.iter().map(|(key, _)| CellKey::read(key).unwrap()).collect()
    }

    #[test]
    fn a_plain_ballot_has_no_entries() {
        let mut entries = PerSet::<EntriesBuilder>::default();
        entries.add_ballot(&Ballot::of_bits(5).unwrap(), 1);
        assert!(entries.build().is_empty());
    }

    #[test]
    fn what_is_said_is_an_entry() {
        let (choices, answer) = (Choices::of_ids(&[0, 99]).unwrap(), Answer::stored("\u{e9}").unwrap());
        let ranking = entries_of(Content::Ranking(Ranking::of_ids(&[2, 0]).unwrap()), &[], None);
        assert_eq!((ballots(&ranking), cells(&ranking)), (vec![BallotKey::Ranking(&[2, 0])], vec![]));
        let quiz = entries_of(Content::Quiz(choices), &[], None);
        assert_eq!((ballots(&quiz), cells(&quiz)), (vec![BallotKey::Quiz(choices)], vec![]));
        let text = entries_of(Content::Text(answer.clone()), &[], None);
        assert_eq!((ballots(&text), cells(&text)), (vec![BallotKey::Text("\u{e9}")], vec![]));
        let other = entries_of(Content::WriteIn(Some(choices), answer), &[], None);
        assert_eq!((ballots(&other), cells(&other)), (vec![BallotKey::WriteIn("\u{e9}")], vec![]));
        let ratings = entries_of(Content::Ratings(Ratings::stored(&[0, -3, 7, 10]).unwrap()), &[], None);
        assert_eq!((ballots(&ratings), cells(&ratings)), (vec![], vec![CellKey::Level(0, -3), CellKey::Level(7, 10)]));
    }

    #[test]
    fn a_row_counts_ballots_and_options_or_levels_and_never_rankings_or_answers() {
        let rows = |content, columns: &[Column]| {
            let entries = entries_of(content, &[2, 0], Some(300));
            let row = |row: &dyn Fn(Column) -> CellKey| columns.iter().map(|column| row(*column)).collect::<Vec<_>>();
            let slot = row(&|column| CellKey::Slot(300, column));
            let known = row(&|column| CellKey::Segment(0, 2, column));
            let unknown = row(&|column| CellKey::Segment(1, 0, column));
            let levels =
                cells(&entries).into_iter().filter(|key| !matches!(key, CellKey::Level(..))).collect::<Vec<_>>();
            assert_eq!(levels, [slot, known, unknown].concat());
        };
        let answer = Answer::stored("a").unwrap();
        rows(
            Content::Choices(Choices::of_ids(&[0, 3]).unwrap()),
            &[Column::Ballots, Column::Option(0), Column::Option(3)],
        );
        rows(Content::Quiz(Choices::of_ids(&[3]).unwrap()), &[Column::Ballots, Column::Option(3)]);
        rows(Content::WriteIn(Choices::of_ids(&[1]), answer.clone()), &[Column::Ballots, Column::Option(1)]);
        rows(Content::Ranking(Ranking::of_ids(&[4, 1]).unwrap()), &[Column::Ballots, Column::Option(4)]);
        rows(Content::Ratings(Ratings::stored(&[1, -2]).unwrap()), &[Column::Ballots, Column::Level(1, -2)]);
        rows(Content::Text(answer), &[Column::Ballots]);
    }

    #[test]
    fn a_key_that_no_ballot_has_is_none() {
        for key in [&b""[..], b"x", b"q\x01", &[b'q'; 14], b"t\xff", b"w\xff"] {
            assert_eq!(BallotKey::read(key), None, "{key:?}");
        }
        for key in [&b""[..], b"l\x01", b"s\x01", b"c\x01", b"s\x01\x01\x01\x01\x01", b"r\x01"] {
            assert_eq!(CellKey::read(key), None, "{key:?}");
        }
    }
}
