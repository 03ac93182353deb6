//! Where a lane's entries lie: a few in HEAD itself, the rest in runs, which HEAD names.
//!
//! Nobody else ever writes under a run's name, and a run never changes. So two versions of the code, two rebuilds, a
//! lost HEAD or a retry can't collide: a run that HEAD does not name counts for nothing.

use super::entries::{Entries, PerSet, Set};

/// The level with one run at most.
const LAST_LEVEL: u8 = 3;

/// How a lane's entries are spread over HEAD and runs. Processes with different limits may count one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// The most bytes of entries that stay in HEAD, and with it in COUNT.
    pub near_bytes_max: usize,
    /// The most bytes in one row of a run, at least 1.
    pub chunk_bytes_max: usize,
    /// More runs of a level than these are merged; of the last but one, than a quarter of these.
    pub runs_of_a_level_max: usize,
    /// More runs than these are never named: merges have failed again and again.
    pub runs_max: usize,
    /// The most bytes in the run of the last level.
    pub merged_bytes_max: usize,
    /// How many runs are replaced before a lane is swept.
    pub replaced_max: u32,
    /// A flush ends once the keys of its entries have as many bytes.
    pub flush_bytes_max: usize,
}

/// With these, the last level holds some 160,000 rankings, and COUNT stays below 4 KB.
pub const RUN_LIMITS: RunLimits = RunLimits {
    near_bytes_max: 512,
    chunk_bytes_max: 256 * 1024,
    runs_of_a_level_max: 16,
    runs_max: 200,
    merged_bytes_max: 2 * 1024 * 1024,
    replaced_max: 200,
    flush_bytes_max: 1024 * 1024,
};

/// How an attempt to count writes its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Drawn for this attempt.
    pub random: u64,
    /// The limits of the process.
    pub limits: RunLimits,
}

impl Attempt {
    /// The name of its run of a multiset for a version of HEAD. The last bit says of which.
    pub fn run_name(&self, version: u64, set: Set) -> RunName {
        let last_bit = match set {
            Set::Cells => 0,
            Set::Ballots => 1,
        };
        RunName { version, attempt: self.random & !1 | last_bit }
    }
}

impl RunLimits {
    /// More runs of this level are merged.
    fn runs_of(&self, level: u8) -> usize {
        if level + 1 < LAST_LEVEL { self.runs_of_a_level_max } else { self.runs_of_a_level_max.div_ceil(4) }
    }

    /// Whether runs of this level are long enough to go past the next level into the last. The level between them is for
    /// lanes with few votes, where each merge of short runs would write the whole last run again.
    fn are_long(&self, level: u8, bytes: usize) -> bool {
        level + 2 == LAST_LEVEL && bytes >= self.merged_bytes_max / 4
    }
}

/// A run's name: HEAD's version when it was written, 63 random bits of the attempt, and one that says which multiset it is
/// of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    /// The version of HEAD that it was written for.
    pub version: u64,
    /// Drawn for each attempt.
    pub attempt: u64,
}

/// A run as HEAD names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name.
    pub name: RunName,
    /// 0 for what a flush wrote, one more for each merge.
    pub level: u8,
    /// How many rows it has.
    pub chunks: u16,
    /// How many bytes these hold.
    pub bytes: u32,
    /// By how much the count of any text may be wrong, as others were folded.
    pub missed: u64,
}

/// A run that is still to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// As HEAD will name it.
    pub run: Run,
    content: Vec<u8>,
    chunk_bytes_max: usize,
}

impl NewRun {
    /// A run of this level. `None` if the entries are too many for one.
    pub fn of(name: RunName, level: u8, entries: &Entries, limits: &RunLimits) -> Option<Self> {
        Self::missing(0, name, level, entries, limits)
    }

    /// The run that sums up others, which have missed `missed` together. If it were too long, texts are folded. `None` if
    /// that does not help.
    pub fn merged(missed: u64, name: RunName, level: u8, entries: &Entries, limits: &RunLimits) -> Option<Self> {
        let bytes_max = limits.merged_bytes_max;
        let whole = Self::missing(missed, name, level, entries, limits)?;
        if whole.run.bytes as usize <= bytes_max {
            return Some(whole);
        }
        let (folded, further) = entries.folded(bytes_max)?;
        Self::missing(missed.saturating_add(further), name, level, &folded, limits)
    }

    fn missing(missed: u64, name: RunName, level: u8, entries: &Entries, limits: &RunLimits) -> Option<Self> {
        let (content, chunk_bytes_max) = (entries.as_bytes().to_vec(), limits.chunk_bytes_max);
        let run = Run {
            name,
            level,
            chunks: content.len().div_ceil(chunk_bytes_max).try_into().ok()?,
            bytes: content.len().try_into().ok()?,
            missed,
        };
        Some(Self { run, content, chunk_bytes_max })
    }

    /// What its rows hold.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.content.chunks(self.chunk_bytes_max)
    }
}

/// Why a lane has no entries of a multiset any more. Its counters go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// A run was lost, or merges failed too often.
    Lost,
    /// There were more different ones than are kept.
    TooMany,
}

/// A lane's entries of one multiset: the sum of those in HEAD and those in its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Those in HEAD itself.
    pub near: Entries,
    /// The runs with the others, oldest first.
    pub runs: Vec<Run>,
    /// Set once the entries are dropped, for good; then there are none.
    pub dropped: Option<Dropped>,
}

impl Kept {
    fn dropped(why: Dropped) -> Self {
        Self { dropped: Some(why), ..Self::default() }
    }

    fn in_run(mut self, run: Run) -> Self {
        self.runs.push(run);
        Self { near: Entries::default(), ..self }
    }

    /// With further entries; and the run that must be written before, if they are too many for HEAD.
    fn plus(&self, added: &Entries, name: RunName, limits: &RunLimits) -> (Self, Option<NewRun>) {
        if self.dropped.is_some() {
            return (self.clone(), None);
        }
        let mut kept = self.clone();
        kept.near.merge(added);
        if kept.near.as_bytes().len() <= limits.near_bytes_max {
            return (kept, None);
        }
        match NewRun::of(name, 0, &kept.near, limits) {
            Some(run) if self.runs.len() < limits.runs_max => (kept.in_run(run.run), Some(run)),
            _ => (Self::dropped(Dropped::Lost), None),
        }
    }

    /// These entries alone; and the run that must be written before, if they are too many for HEAD.
    fn of(entries: Entries, name: RunName, limits: &RunLimits) -> (Self, Option<NewRun>) {
        if entries.as_bytes().len() <= limits.near_bytes_max {
            return (Self { near: entries, ..Self::default() }, None);
        }
        match NewRun::merged(0, name, LAST_LEVEL, &entries, limits) {
            Some(run) => (Self::default().in_run(run.run), Some(run)),
            None => (Self::dropped(Dropped::TooMany), None),
        }
    }

    /// The runs that are to become one of the level, if there are too many of another.
    fn to_merge(&self, limits: &RunLimits) -> Option<(Vec<Run>, u8)> {
        let of = |level: u8| self.runs.iter().filter(move |run| run.level == level);
        (0..LAST_LEVEL).find(|level| of(*level).count() > limits.runs_of(*level)).map(|level| {
            let bytes = of(level).map(|run| run.bytes as usize).sum();
            let merged = if limits.are_long(level, bytes) { LAST_LEVEL } else { level + 1 };
            let takes_along = merged == LAST_LEVEL;
            let others = self.runs.iter().filter(|run| takes_along && run.level > level);
            (of(level).chain(others).copied().collect(), merged)
        })
    }

    /// By how much the count of any text may be wrong.
    pub fn missed(&self) -> u64 {
        self.runs.iter().fold(0, |missed, run| missed.saturating_add(run.missed))
    }
}

/// A lane's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneEntries {
    /// Those of each multiset.
    pub kept: PerSet<Kept>,
    /// How often the lane was swept. Who writes over another number has not seen what was deleted.
    pub sweeps: u64,
    /// How many runs were replaced since then.
    pub replaced: u32,
}

/// Runs that are to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToMerge {
    /// The multiset that they are of.
    pub set: Set,
    /// Which.
    pub runs: Vec<Run>,
    /// The level of the one.
    pub level: u8,
}

impl LaneEntries {
    /// The lane's entries after a flush to HEAD's `version` that adds these, and the runs that must be written before.
    pub fn plus(&self, added: &PerSet<Entries>, version: u64, attempt: &Attempt) -> (Self, Vec<NewRun>) {
        let (mut lane, mut runs) = (self.clone(), Vec::new());
        for set in Set::ALL.into_iter().filter(|set| !added.of(*set).is_empty()) {
            let before = self.kept.of(set);
            let (kept, run) = before.plus(added.of(set), attempt.run_name(version, set), &attempt.limits);
            lane.put(set, kept);
            runs.extend(run);
        }
        (lane, runs)
    }

    /// A recount's entries in place of these in HEAD's `version`, and the runs that must be written before.
    pub fn replaced_by(&self, entries: PerSet<Entries>, version: u64, attempt: &Attempt) -> (Self, Vec<NewRun>) {
        let (mut lane, mut runs) = (self.clone(), Vec::new());
        entries.map(|set, entries| {
            let (kept, run) = Kept::of(entries, attempt.run_name(version, set), &attempt.limits);
            lane.put(set, kept);
            runs.extend(run);
        });
        (lane, runs)
    }

    /// Puts a multiset in place of another, and counts the runs that are not named any more.
    fn put(&mut self, set: Set, kept: Kept) {
        let before = self.kept.of_mut(set);
        let gone = before.runs.iter().filter(|run| !kept.runs.contains(run)).count();
        self.replaced = self.replaced.saturating_add(gone as u32);
        *before = kept;
    }

    /// The lane without entries of a multiset.
    pub fn without(&self, set: Set, dropped: Dropped) -> Self {
        let mut lane = self.clone();
        lane.put(set, Kept::dropped(dropped));
        lane
    }

    /// All runs that HEAD names.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        Set::ALL.into_iter().flat_map(|set| &self.kept.of(set).runs)
    }

    /// Runs that are to become one, if there are too many of a level.
    pub fn to_merge(&self, limits: &RunLimits) -> Option<ToMerge> {
        Set::ALL.into_iter().find_map(|set| {
            let (runs, level) = self.kept.of(set).to_merge(limits)?;
            Some(ToMerge { set, runs, level })
        })
    }

    /// The lane's entries with one run in place of those that it sums up. `None` if it does not have them all any more,
    /// or was swept since `before`.
    pub fn merged(&self, before: &Self, merge: &ToMerge, sum: Option<Run>) -> Option<Self> {
        let kept = self.kept.of(merge.set);
        if self.sweeps != before.sweeps || !merge.runs.iter().all(|run| kept.runs.contains(run)) {
            return None;
        }
        let others = kept.runs.iter().filter(|run| !merge.runs.contains(run)).copied();
        let mut lane = self.clone();
        lane.put(merge.set, Kept { runs: others.chain(sum).collect(), ..kept.clone() });
        Some(lane)
    }

    /// The same entries after a sweep.
    pub fn swept(&self) -> Self {
        Self { sweeps: self.sweeps + 1, replaced: 0, ..self.clone() }
    }

    /// Whether enough runs were replaced, so that their rows are worth deleting.
    pub fn is_to_be_swept(&self, limits: &RunLimits) -> bool {
        self.replaced >= limits.replaced_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ballot::Ballot, entries::EntriesBuilder};

    const LIMITS: RunLimits =
        RunLimits { near_bytes_max: 8, runs_of_a_level_max: 2, runs_max: 4, merged_bytes_max: 20, ..RUN_LIMITS };
    const ATTEMPT: Attempt = Attempt { random: 7, limits: LIMITS };

    /// Entries with this number of rankings, of 4 bytes each.
    fn entries(rankings: u64) -> Entries {
        let mut entries = PerSet::<EntriesBuilder>::default();
        (0..rankings).for_each(|id| entries.add_ballot(&Ballot::of_ranking(&[id]).unwrap(), 1));
        entries.build().ballots
    }

    fn ballots(rankings: u64) -> PerSet<Entries> {
        PerSet { ballots: entries(rankings), ..PerSet::default() }
    }

    fn run(version: u64, level: u8) -> Run {
        Run { name: RunName { version, attempt: 7 }, level, chunks: 1, bytes: 4, missed: 0 }
    }

    fn runs(levels: &[u8]) -> Kept {
        Kept { runs: levels.iter().zip(1..).map(|(level, version)| run(version, *level)).collect(), ..Kept::default() }
    }

    fn lane(levels: &[u8]) -> LaneEntries {
        LaneEntries { kept: PerSet { ballots: runs(levels), ..PerSet::default() }, ..LaneEntries::default() }
    }

    #[test]
    fn entries_stay_in_head_up_to_their_limit_and_then_become_a_run() {
        let (near, none) = LaneEntries::default().plus(&ballots(2), 1, &ATTEMPT);
        assert_eq!((&near.kept.ballots.near, near.runs().count(), none), (&entries(2), 0, vec![]));
        let (far, written) = near.plus(&ballots(3), 2, &ATTEMPT);
        let kept = &far.kept.ballots;
        assert_eq!((&kept.near, &kept.runs), (&Entries::default(), &vec![written[0].run]));
        let name = RunName { version: 2, attempt: 7 };
        assert_eq!(written[0].run, Run { name, level: 0, chunks: 1, bytes: 12, missed: 0 });
        let mut sum = entries(2);
        sum.merge(&entries(3));
        assert_eq!(written[0].chunks().collect::<Vec<_>>(), [sum.as_bytes()]);
    }

    #[test]
    fn each_multiset_has_runs_of_its_own() {
        let both = PerSet { cells: entries(3), ballots: entries(4) };
        let (lane, written) = LaneEntries::default().plus(&both, 1, &ATTEMPT);
        assert_eq!(lane.runs().copied().collect::<Vec<_>>(), written.iter().map(|new| new.run).collect::<Vec<_>>());
        let names: Vec<_> = written.iter().map(|new| (new.run.name.attempt, new.run.bytes)).collect();
        assert_eq!(names, [(6, 12), (7, 16)]);
        let dropped = lane.without(Set::Ballots, Dropped::TooMany);
        assert_eq!((&dropped.kept.cells, dropped.kept.ballots.runs.len()), (&lane.kept.cells, 0));
    }

    #[test]
    fn a_lane_with_too_many_runs_or_without_entries_keeps_none() {
        let full = lane(&[0, 0, 0, 0]);
        let (lost, written) = full.plus(&ballots(3), 9, &ATTEMPT);
        let kept = &lost.kept.ballots;
        assert_eq!((kept.dropped, kept.runs.len(), lost.replaced, written), (Some(Dropped::Lost), 0, 4, vec![]));
        assert_eq!(lost.plus(&ballots(3), 10, &ATTEMPT), (lost.clone(), vec![]));
        assert_eq!(full.plus(&PerSet::default(), 9, &ATTEMPT), (full.clone(), vec![]));
    }

    #[test]
    fn a_lane_that_drops_its_entries_still_fences_by_its_sweeps() {
        let swept = LaneEntries { replaced: 1, ..lane(&[0, 0]).swept() };
        let dropped = swept.without(Set::Ballots, Dropped::TooMany);
        assert_eq!((dropped.sweeps, dropped.replaced), (1, 3));
        assert_eq!(dropped.kept.ballots.dropped, Some(Dropped::TooMany));
    }

    #[test]
    fn runs_of_a_level_are_merged_once_they_are_too_many_and_the_last_level_is_one_run() {
        let to_merge = |levels: &[u8]| {
            let merge = lane(levels).to_merge(&RunLimits { merged_bytes_max: 64, ..LIMITS })?;
            Some((merge.runs.iter().map(|run| run.level).collect::<Vec<_>>(), merge.level))
        };
        assert_eq!(to_merge(&[0, 0, 1, 1, 2, 3]), None);
        assert_eq!(to_merge(&[0, 0, 0, 1]), Some((vec![0, 0, 0], 1)));
        assert_eq!(to_merge(&[2, 1, 1, 1, 0]), Some((vec![1, 1, 1], 2)));
        assert_eq!(to_merge(&[3, 2, 2, 1, 1]), Some((vec![2, 2, 3], 3)));
        let long = RunLimits { merged_bytes_max: 48, ..LIMITS };
        let merge = lane(&[3, 2, 1, 1, 0, 1]).to_merge(&long).unwrap();
        assert_eq!((merge.runs.len(), merge.level), (5, 3), "long ones go past a level");
        let mut apart = lane(&[0, 0]);
        apart.kept.cells = runs(&[0]);
        assert_eq!(apart.to_merge(&LIMITS), None, "three runs, of two multisets");
        apart.kept.cells = runs(&[0, 0, 0]);
        assert_eq!(apart.to_merge(&LIMITS).map(|merge| (merge.set, merge.runs.len())), Some((Set::Cells, 3)));
    }

    #[test]
    fn a_merge_keeps_runs_that_were_added_meanwhile_and_fails_where_others_are_gone_or_a_sweep_came_between() {
        let before = lane(&[0, 0, 0]);
        let merge = before.to_merge(&LIMITS).unwrap();
        let mut later = before.clone();
        later.kept.ballots.runs.push(run(8, 0));
        let merged = later.merged(&before, &merge, Some(run(9, 1))).unwrap();
        assert_eq!((&merged.kept.ballots.runs[..], merged.replaced), (&[run(8, 0), run(9, 1)][..], 3));
        assert_eq!(lane(&[0, 0]).merged(&before, &merge, None), None);
        assert_eq!(later.swept().merged(&before, &merge, None), None);
    }

    #[test]
    fn a_sweep_is_due_after_as_many_replaced_runs_as_the_limit_says() {
        let limits = RunLimits { replaced_max: 3, ..LIMITS };
        let lane = |replaced| LaneEntries { replaced, ..LaneEntries::default() };
        assert!(!lane(2).is_to_be_swept(&limits) && lane(3).is_to_be_swept(&limits));
        assert_eq!(lane(3).swept(), LaneEntries { sweeps: 1, ..LaneEntries::default() });
    }

    #[test]
    fn a_recount_stands_alone_in_head_in_one_run_or_not_at_all() {
        let mut before = LaneEntries { sweeps: 4, ..lane(&[0, 2]) };
        before.kept.cells.dropped = Some(Dropped::Lost);
        let (few, none) = before.replaced_by(ballots(2), 9, &ATTEMPT);
        let kept = &few.kept.ballots;
        assert_eq!((&kept.near, kept.runs.len(), few.sweeps, few.replaced), (&entries(2), 0, 4, 2));
        assert_eq!((few.kept.cells.dropped, none), (None, vec![]));
        let (more, written) = before.replaced_by(ballots(5), 9, &ATTEMPT);
        let kept = &more.kept.ballots;
        assert_eq!((&kept.runs[..], &kept.near), (&[written[0].run][..], &Entries::default()));
        assert_eq!(kept.runs[0].level, LAST_LEVEL);
        let (many, none) = before.replaced_by(ballots(6), 9, &ATTEMPT);
        let kept = &many.kept.ballots;
        assert_eq!((kept.dropped, kept.runs.len(), none), (Some(Dropped::TooMany), 0, vec![]));
    }

    #[test]
    fn of_too_many_texts_the_most_frequent_are_kept_and_what_is_missed_adds_up() {
        let limits = RunLimits { merged_bytes_max: 40, ..LIMITS };
        let mut answers = PerSet::<EntriesBuilder>::default();
        for (text, times) in [("often", 9), ("seldom", 3), ("once", 1)] {
            let text = crate::ballot::Answer::stored(text).unwrap();
            answers.add_ballot(&Ballot::of(crate::ballot::Content::Text(text)), times);
        }
        let answers = answers.build();
        let name = RunName { version: 1, attempt: 7 };
        let all = NewRun::merged(2, name, 1, &answers.ballots, &RUN_LIMITS).unwrap();
        assert_eq!((all.run.missed, all.run.bytes), (2, 24));
        let folded = NewRun::merged(2, name, 1, &answers.ballots, &RunLimits { merged_bytes_max: 23, ..limits });
        assert_eq!(folded, None, "no room for the entries of folded texts");
        let mut more = answers.ballots.clone();
        (0..9).for_each(|n| more.merge(&Entries::decode(vec![4, b't', b'x', b'y', b'0' + n, 2]).unwrap()));
        let folded = NewRun::merged(2, name, 1, &more, &limits).unwrap();
        assert_eq!(folded.run.missed, 2 + 3, "there is room for often alone");
        assert!(folded.run.bytes <= 40);
        let rankings = NewRun::merged(0, name, 1, &entries(11), &limits);
        assert_eq!(rankings, None, "rankings are never folded");
        let kept =
            Kept { runs: vec![Run { missed: 3, ..run(1, 0) }, Run { missed: 4, ..run(2, 1) }], ..Kept::default() };
        assert_eq!(kept.missed(), 7);
    }

    #[test]
    fn a_run_is_cut_into_rows_that_hold_all_of_it() {
        let limits = RunLimits { chunk_bytes_max: 10, ..LIMITS };
        let new = NewRun::of(RunName { version: 1, attempt: 2 }, 0, &entries(9), &limits).unwrap();
        let (content, chunks) = (entries(9).as_bytes().to_vec(), new.chunks().collect::<Vec<_>>());
        assert_eq!((usize::from(new.run.chunks), new.run.bytes as usize), (chunks.len(), content.len()));
        assert_eq!((chunks.len(), chunks.concat()), (4, content));
    }
}
