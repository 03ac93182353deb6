//! Holds a lane's entries against the votes that it counted, and against the counters beside them. Pure.

use std::collections::BTreeMap;

use landslide_domain::entries::{Entries, ranking_of};
use landslide_domain::keys;
use landslide_domain::runs::Run;
use landslide_domain::tally::Counters;

use super::compare::Examples;

/// A lane's entries as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEntries {
    /// Those in HEAD and in its runs together. `None` if one of these runs is gone or can't be read.
    pub sum: Option<Entries>,
    /// Runs that HEAD or COUNT names, and that lack rows.
    pub gone: Examples,
    /// Runs that HEAD or COUNT names, and that can't be read.
    pub unreadable: Examples,
    /// Rows of runs that neither names.
    pub unnamed_rows: u64,
}

/// A run in examples: its first row's sort key.
pub fn first_row(run: &Run) -> String {
    keys::run(run.name, 0)
}

/// The keys that HEAD and the counted votes have in different numbers.
pub fn differences(head: &Entries, votes: &Entries) -> Examples {
    let mut both: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
    head.iter().for_each(|(key, count)| both.entry(key).or_default().0 = count);
    votes.iter().for_each(|(key, count)| both.entry(key).or_default().1 = count);
    let mut found = Examples::default();
    for (key, (head, votes)) in both.into_iter().filter(|(_, (head, votes))| head != votes) {
        found.add(1, || format!("{} (HEAD {head}, votes {votes})", text_of(key)));
    }
    found
}

/// A ranking as its option ids, best first.
fn text_of(key: &[u8]) -> String {
    match ranking_of(key) {
        Some(ids) => ids.iter().map(u8::to_string).collect::<Vec<_>>().join(">"),
        None => format!("{key:02x?}"),
    }
}

/// Whether the counters of the same HEAD say something else than the rankings' number and first choices.
pub fn first_choices_differ(entries: &Entries, counters: &Counters) -> bool {
    let (mut ballots, mut firsts) = (0, BTreeMap::new());
    for (ids, count) in entries.rankings() {
        ballots += count;
        *firsts.entry(ids.first().copied().unwrap_or(u8::MAX)).or_insert(0) += count;
    }
    let votes = |id: u8| firsts.get(&id).copied().unwrap_or(0);
    counters.ballots() != ballots || (0..=u8::MAX).any(|id| counters.option(id) != votes(id))
}

#[cfg(test)]
mod tests;
