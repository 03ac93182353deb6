//! Holds a lane's entries against the votes that it counted, and against the counters beside them. Pure.

use std::collections::BTreeMap;

use landslide_domain::entries::{BallotKey, CellKey, Column, Entries, Set};
use landslide_domain::keys;
use landslide_domain::poll::{Kind, PollSpec};
use landslide_domain::runs::Run;
use landslide_domain::tally::Head;

use super::compare::Examples;

/// A lane's entries as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEntries {
    /// Those in HEAD and in its runs together, of both multisets: no key is in both. `None` if one of these runs is gone or
    /// can't be read.
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

/// The keys that HEAD and the counted votes have in different numbers. A text's may differ by `missed`, as others were
/// folded; all texts together may not.
pub fn differences(head: &Entries, votes: &Entries, missed: u64) -> Examples {
    let mut both: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
    head.iter().for_each(|(key, count)| both.entry(key).or_default().0 = count);
    votes.iter().for_each(|(key, count)| both.entry(key).or_default().1 = count);
    let (mut found, mut of_texts) = (Examples::default(), 0);
    for (key, (head, votes)) in both.into_iter().filter(|(_, (head, votes))| head != votes) {
        let is_folded = match BallotKey::read(key) {
            Some(BallotKey::Text(text) | BallotKey::WriteIn(text)) if missed > 0 => {
                of_texts += head - votes;
                text.is_empty() || head.abs_diff(votes) <= missed
            }
            _ => false,
        };
        if !is_folded {
            found.add(1, || format!("{} (HEAD {head}, votes {votes})", text_of(key)));
        }
    }
    if of_texts != 0 {
        found.add(1, || format!("all texts ({of_texts:+} in HEAD)"));
    }
    found
}

/// What an entry says. What people wrote stays out of reports.
fn text_of(key: &[u8]) -> String {
    let ids =
        |ids: &mut dyn Iterator<Item = u8>, between| ids.map(|id| id.to_string()).collect::<Vec<_>>().join(between);
    match (BallotKey::read(key), CellKey::read(key)) {
        (Some(BallotKey::Ranking(ranking)), _) => ids(&mut ranking.iter().copied(), ">"),
        (Some(BallotKey::Quiz(choices)), _) => ids(&mut choices.iter(), "+"),
        (Some(BallotKey::Text(text) | BallotKey::WriteIn(text)), _) => format!("a text of {} bytes", text.len()),
        (None, Some(cell)) => format!("{cell:?}"),
        (None, None) => format!("{key:02x?}"),
    }
}

/// Ballots, and votes by option.
type Sums = (i64, BTreeMap<u8, i64>);

/// Whether the counters of the same HEAD say something else than its own entries: those of whole ballots, and each
/// dimension and the series of the poll.
pub fn sums_differ(spec: &PollSpec, entries: &Entries, head: &Head) -> bool {
    let kept = |set: Set| head.entries.kept.of(set).dropped.is_none();
    let cells = (0..spec.segments.len()).map(|dimension| Some(dimension as u8)).chain(spec.series.then_some(None));
    let of_cells = cells.filter(|_| kept(Set::Cells)).map(|row| of_rows(entries, row));
    let of_ballots = kept(Set::Ballots).then(|| of_ballots(spec, entries)).flatten();
    let counted = |id: u8| head.counters.option(id);
    of_cells.chain(of_ballots).any(|(ballots, options)| {
        let votes = |id: u8| options.get(&id).copied().unwrap_or(0);
        let options_differ = spec.kind != Kind::Text && (0..=u8::MAX).any(|id| counted(id) != votes(id));
        head.counters.ballots() != ballots || options_differ
    })
}

/// What the poll's whole ballots add up to. `None` if it keeps none.
fn of_ballots(spec: &PollSpec, entries: &Entries) -> Option<Sums> {
    if !matches!(spec.kind, Kind::Ranked | Kind::Text) && spec.correct.is_none() {
        return None;
    }
    let (mut ballots, mut options) = (0, BTreeMap::new());
    for (key, count) in entries.iter() {
        let named: Vec<u8> = match BallotKey::read(key) {
            Some(BallotKey::Ranking(ranking)) => ranking.iter().copied().take(1).collect(),
            Some(BallotKey::Quiz(choices)) => choices.iter().collect(),
            Some(BallotKey::Text(_)) => Vec::new(),
            Some(BallotKey::WriteIn(_)) | None => continue,
        };
        ballots += count;
        named.into_iter().for_each(|id| *options.entry(id).or_insert(0) += count);
    }
    Some((ballots, options))
}

/// What the rows of a dimension, or `None`: of the series, add up to.
fn of_rows(entries: &Entries, dimension: Option<u8>) -> Sums {
    let (mut ballots, mut options) = (0, BTreeMap::new());
    for (key, count) in entries.iter() {
        let column = match CellKey::read(key) {
            Some(CellKey::Segment(of, _, column)) if dimension == Some(of) => column,
            Some(CellKey::Slot(_, column)) if dimension.is_none() => column,
            _ => continue,
        };
        match column {
            Column::Ballots => ballots += count,
            Column::Option(id) | Column::Level(id, _) => *options.entry(id).or_insert(0) += count,
        }
    }
    (ballots, options)
}

#[cfg(test)]
mod tests;
