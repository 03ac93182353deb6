//! The multiset of rankings that a method counts.

use std::borrow::Cow;

use crate::{
    ballot::OPTIONS_MAX,
    entries::{BallotKey, Entries, EntriesBuilder},
};

/// Rankings with the number of ballots of each, over a poll's options. They are kept in the order of their ids, so that those
/// which begin alike are neighbours.
#[derive(Debug)]
pub struct Rankings<'a> {
    options: u8,
    entries: Cow<'a, Entries>,
    /// Those that name an option, by the first one that they name.
    first: Vec<Group>,
}

/// Neighbours among the entries. They agree in all ranks that were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Where it begins and ends, in bytes.
    from: usize,
    to: usize,
    /// How many ranks of each ranking were read.
    read: usize,
}

/// Rankings that name one option next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// The option. If `None`, no more options follow that count.
    pub(super) option: Option<u8>,
    /// The rankings, read up to and including that option.
    pub(super) stretch: Stretch,
    /// How many ballots have them.
    pub(super) ballots: u64,
}

impl<'a> Rankings<'a> {
    /// Rankings of a poll with `options` options, at most `OPTIONS_MAX`. Each holds option ids, best first, none twice. An id that the poll
    /// does not have is passed over. A ranking without any is no ballot.
    pub fn new<R: AsRef<[u8]>>(options: u8, counted: &[(R, u64)]) -> Self {
        let mut entries = EntriesBuilder::default();
        for (ranking, ballots) in counted {
            entries.add_ranking(ranking.as_ref(), i64::try_from(*ballots).unwrap_or(i64::MAX));
        }
        Self::among(options, Cow::Owned(entries.build()))
    }

    /// The rankings among a poll's entries. One whose count is below zero, as votes came out of order, counts nowhere.
    pub fn of_entries(options: u8, entries: &'a Entries) -> Self {
        Self::among(options, Cow::Borrowed(entries))
    }

    fn among(options: u8, entries: Cow<'a, Entries>) -> Self {
        let all = Stretch { from: 0, to: entries.as_bytes().len(), read: 0 };
        let mut rankings = Self { options: options.min(OPTIONS_MAX as u8), entries, first: Vec::new() };
        let mut first = Vec::new();
        rankings.deal(all, |option| option < rankings.options, |group| first.extend(group.option.map(|_| group)));
        rankings.first = first;
        rankings
    }

    /// How many options there are.
    pub fn options(&self) -> u8 {
        self.options
    }

    /// How many ballots have a ranking.
    pub fn ballots(&self) -> u64 {
        self.first.iter().map(|group| group.ballots).sum()
    }

    /// The rankings, each with its number of ballots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], i64)> {
        self.entries.rankings().filter(|(_, ballots)| *ballots > 0)
    }

    /// Those that name an option, in groups by the first one that they name.
    pub(super) fn first(&self) -> &[Group] {
        &self.first
    }

    /// Reads rankings on, each to the next option that counts, and gives them away in groups. So however much they differ
    /// further down, a few groups hold most of them.
    pub(super) fn deal(&self, stretch: Stretch, counts: impl Fn(u8) -> bool, mut give: impl FnMut(Group)) {
        // The ids that the last group's rankings agree in, from where they were read on.
        let mut last: Option<(&[u8], Group)> = None;
        let mut from = stretch.from;
        for (to, key, ballots) in self.entries.iter_in(stretch.from..stretch.to) {
            let start = std::mem::replace(&mut from, to);
            let (Some(BallotKey::Ranking(ids)), Ok(ballots @ 1..)) = (BallotKey::read(key), u64::try_from(ballots))
            else {
                continue;
            };
            let below = ids.get(stretch.read..).unwrap_or_default();
            if let Some((alike, group)) = &mut last
                && begins_with(below, alike)
            {
                group.stretch.to = to;
                group.ballots += ballots;
                continue;
            }
            last.take().into_iter().for_each(|(_, group)| give(group));
            let next = below.iter().position(|id| counts(*id));
            let alike = next.and_then(|place| below.get(..=place));
            let read = stretch.read + alike.unwrap_or(below).len();
            let option = alike.and_then(|ids| ids.last()).copied();
            let group = Group { option, stretch: Stretch { from: start, to, read }, ballots };
            match alike {
                Some(alike) => last = Some((alike, group)),
                None => give(group),
            }
        }
        last.into_iter().for_each(|(_, group)| give(group));
    }
}

/// Quicker for one or two ids than `starts_with`, which calls `memcmp`.
fn begins_with(ids: &[u8], alike: &[u8]) -> bool {
    ids.len() >= alike.len() && ids.iter().zip(alike).all(|(id, other)| id == other)
}
