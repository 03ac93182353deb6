//! Where a lane's entries lie: a few in HEAD itself, the rest in runs, which HEAD names.
//!
//! Nobody else ever writes under a run's name, and a run never changes. So two versions of the code, two rebuilds, a
//! lost HEAD or a retry can't collide: a run that HEAD does not name counts for nothing.

use super::entries::Entries;

/// The level with one run at most.
const LAST_LEVEL: u8 = 2;

/// How a lane's entries are spread over HEAD and runs. Processes with different limits may count one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// The most bytes of entries that stay in HEAD, and with it in COUNT.
    pub near_bytes_max: usize,
    /// The most bytes in one row of a run, at least 1.
    pub chunk_bytes_max: usize,
    /// More runs of a level than these are merged.
    pub runs_of_a_level_max: usize,
    /// More runs than these are never named: merges have failed again and again.
    pub runs_max: usize,
    /// The most bytes in the run of the last level.
    pub merged_bytes_max: usize,
    /// How many runs are replaced before a lane is swept.
    pub replaced_max: u32,
}

/// With these, the last level holds some 160,000 rankings, and COUNT stays below 4 KB.
pub const RUN_LIMITS: RunLimits = RunLimits {
    near_bytes_max: 512,
    chunk_bytes_max: 256 * 1024,
    runs_of_a_level_max: 16,
    runs_max: 200,
    merged_bytes_max: 2 * 1024 * 1024,
    replaced_max: 200,
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
    /// The name of its run for a version of HEAD.
    pub fn run_name(&self, version: u64) -> RunName {
        RunName { version, attempt: self.random }
    }
}

/// A run's name: HEAD's version when it was written, and 64 random bits of the attempt.
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
        let (content, chunk_bytes_max) = (entries.encode(), limits.chunk_bytes_max);
        let run = Run {
            name,
            level,
            chunks: content.len().div_ceil(chunk_bytes_max).try_into().ok()?,
            bytes: content.len().try_into().ok()?,
        };
        Some(Self { run, content, chunk_bytes_max })
    }

    /// Whether it may stand.
    pub fn fits(&self, limits: &RunLimits) -> bool {
        self.run.bytes as usize <= limits.merged_bytes_max
    }

    /// What its rows hold.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.content.chunks(self.chunk_bytes_max)
    }
}

/// Why a lane has no entries any more. Its counters go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// A run was lost, or merges failed too often.
    Lost,
    /// There were more different ones than are kept.
    TooMany,
}

/// A lane's entries: the sum of those in HEAD and those in its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneEntries {
    /// Those in HEAD itself.
    pub near: Entries,
    /// The runs with the others, oldest first.
    pub runs: Vec<Run>,
    /// How often the lane was swept. Who writes over another number has not seen what was deleted.
    pub sweeps: u64,
    /// How many runs were replaced since then.
    pub replaced: u32,
    /// Set once the entries are dropped, for good; then there are none.
    pub dropped: Option<Dropped>,
}

impl LaneEntries {
    /// The lane's entries after a flush to HEAD's `version` that adds these, and the run that must be written before.
    pub fn plus(&self, added: &Entries, version: u64, attempt: &Attempt) -> (Self, Option<NewRun>) {
        if added.is_empty() || self.dropped.is_some() {
            return (self.clone(), None);
        }
        let mut near = self.near.clone();
        near.merge(added);
        let near = Self { near, ..self.clone() };
        if near.near.encode().len() <= attempt.limits.near_bytes_max {
            return (near, None);
        }
        match NewRun::of(attempt.run_name(version), 0, &near.near, &attempt.limits) {
            Some(run) if self.runs.len() < attempt.limits.runs_max => (near.with_run(run.run), Some(run)),
            _ => (self.without(Dropped::Lost), None),
        }
    }

    /// A recount's entries in place of these in HEAD's `version`, and the run that must be written before.
    pub fn replaced_by(&self, entries: Entries, version: u64, attempt: &Attempt) -> (Self, Option<NewRun>) {
        let sweeps = self.sweeps;
        let replaced = self.replaced.saturating_add(self.runs.len() as u32);
        let none = Self { sweeps, replaced, ..Self::default() };
        if entries.encode().len() <= attempt.limits.near_bytes_max {
            return (Self { near: entries, ..none }, None);
        }
        match NewRun::of(attempt.run_name(version), LAST_LEVEL, &entries, &attempt.limits) {
            Some(run) if run.fits(&attempt.limits) => (none.with_run(run.run), Some(run)),
            _ => (none.without(Dropped::TooMany), None),
        }
    }

    fn with_run(mut self, run: Run) -> Self {
        self.runs.push(run);
        Self { near: Entries::default(), ..self }
    }

    /// The lane without entries.
    pub fn without(&self, dropped: Dropped) -> Self {
        let replaced = self.replaced.saturating_add(self.runs.len() as u32);
        Self { sweeps: self.sweeps, replaced, dropped: Some(dropped), ..Self::default() }
    }

    /// The runs that are to become one of the level, if there are too many of another.
    pub fn to_merge(&self, limits: &RunLimits) -> Option<(Vec<Run>, u8)> {
        let of = |level: u8| self.runs.iter().filter(move |run| run.level == level);
        (0..LAST_LEVEL).find(|level| of(*level).count() > limits.runs_of_a_level_max).map(|level| {
            let merged = level + 1;
            let takes_along = merged == LAST_LEVEL;
            let runs = of(level).chain(of(merged).filter(|_| takes_along));
            (runs.copied().collect(), merged)
        })
    }

    /// The lane's entries with one run in place of those that it sums up. `None` if it does not have them all any more,
    /// or was swept since `before`.
    pub fn merged(&self, before: &Self, runs: &[Run], sum: Option<Run>) -> Option<Self> {
        if self.sweeps != before.sweeps || !runs.iter().all(|run| self.runs.contains(run)) {
            return None;
        }
        let kept = self.runs.iter().filter(|run| !runs.contains(run)).copied();
        let replaced = self.replaced.saturating_add(runs.len() as u32);
        Some(Self { runs: kept.chain(sum).collect(), replaced, ..self.clone() })
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
    use crate::ballot::Ballot;

    const LIMITS: RunLimits =
        RunLimits { near_bytes_max: 8, runs_of_a_level_max: 2, runs_max: 4, merged_bytes_max: 20, ..RUN_LIMITS };
    const ATTEMPT: Attempt = Attempt { random: 7, limits: LIMITS };

    /// Entries with this number of keys, of 4 bytes each.
    fn entries(keys: u64) -> Entries {
        let mut entries = Entries::default();
        (0..keys).for_each(|id| entries.add_ballot(&Ballot::of_ranking(&[id]).unwrap(), 1));
        entries
    }

    fn run(version: u64, level: u8) -> Run {
        Run { name: RunName { version, attempt: 7 }, level, chunks: 1, bytes: 4 }
    }

    fn lane(levels: &[u8]) -> LaneEntries {
        let runs = levels.iter().zip(1..).map(|(level, version)| run(version, *level)).collect();
        LaneEntries { runs, ..LaneEntries::default() }
    }

    #[test]
    fn entries_stay_in_head_up_to_their_limit_and_then_become_a_run() {
        let (near, none) = LaneEntries::default().plus(&entries(2), 1, &ATTEMPT);
        assert_eq!((near.near.clone(), near.runs.len(), none), (entries(2), 0, None));
        let (far, run) = near.plus(&entries(3), 2, &ATTEMPT);
        let run = run.unwrap();
        assert_eq!((far.near, far.runs), (Entries::default(), vec![run.run]));
        assert_eq!(run.run, Run { name: RunName { version: 2, attempt: 7 }, level: 0, chunks: 1, bytes: 12 });
        let mut sum = entries(2);
        sum.merge(&entries(3));
        assert_eq!(run.chunks().collect::<Vec<_>>(), [sum.encode()]);
    }

    #[test]
    fn a_lane_with_too_many_runs_or_without_entries_keeps_none() {
        let full = lane(&[0, 0, 0, 0]);
        let (lost, run) = full.plus(&entries(3), 9, &ATTEMPT);
        assert_eq!((lost.dropped, lost.runs.len(), lost.replaced, run), (Some(Dropped::Lost), 0, 4, None));
        assert_eq!(lost.plus(&entries(3), 10, &ATTEMPT), (lost.clone(), None));
        assert_eq!(full.plus(&Entries::default(), 9, &ATTEMPT), (full.clone(), None));
    }

    #[test]
    fn a_lane_that_drops_its_entries_still_fences_by_its_sweeps() {
        let swept = LaneEntries { replaced: 1, ..lane(&[0, 0]).swept() };
        let dropped = swept.without(Dropped::TooMany);
        assert_eq!((dropped.sweeps, dropped.replaced, dropped.dropped), (1, 3, Some(Dropped::TooMany)));
    }

    #[test]
    fn runs_of_a_level_are_merged_once_they_are_too_many_and_the_last_level_is_one_run() {
        let to_merge = |levels: &[u8]| {
            let merged = lane(levels).to_merge(&LIMITS);
            merged.map(|(runs, level)| (runs.iter().map(|run| run.level).collect::<Vec<_>>(), level))
        };
        assert_eq!(to_merge(&[0, 0, 1, 1, 2]), None);
        assert_eq!(to_merge(&[0, 0, 0, 1]), Some((vec![0, 0, 0], 1)));
        assert_eq!(to_merge(&[2, 1, 1, 1, 0]), Some((vec![1, 1, 1, 2], 2)));
    }

    #[test]
    fn a_merge_keeps_runs_that_were_added_meanwhile_and_fails_where_others_are_gone_or_a_sweep_came_between() {
        let before = lane(&[0, 0, 0]);
        let later = LaneEntries { runs: [before.runs.clone(), vec![run(8, 0)]].concat(), ..before.clone() };
        let merged = later.merged(&before, &before.runs, Some(run(9, 1))).unwrap();
        assert_eq!((merged.runs, merged.replaced), (vec![run(8, 0), run(9, 1)], 3));
        assert_eq!(lane(&[0, 0]).merged(&before, &before.runs, None), None);
        assert_eq!(later.swept().merged(&before, &before.runs, None), None);
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
        let before = LaneEntries { sweeps: 4, dropped: Some(Dropped::Lost), ..lane(&[0, 2]) };
        let (few, none) = before.replaced_by(entries(2), 9, &ATTEMPT);
        assert_eq!(
            (few.near, few.runs.len(), few.sweeps, few.replaced, few.dropped, none),
            (entries(2), 0, 4, 2, None, None)
        );
        let (more, run) = before.replaced_by(entries(5), 9, &ATTEMPT);
        assert_eq!((&more.runs[..], &more.near), (&[run.unwrap().run][..], &Entries::default()));
        assert_eq!(more.runs[0].level, LAST_LEVEL);
        let (many, none) = before.replaced_by(entries(6), 9, &ATTEMPT);
        assert_eq!((many.dropped, many.runs.len(), none), (Some(Dropped::TooMany), 0, None));
    }

    #[test]
    fn a_run_is_cut_into_rows_that_hold_all_of_it() {
        let limits = RunLimits { chunk_bytes_max: 10, ..LIMITS };
        let new = NewRun::of(RunName { version: 1, attempt: 2 }, 0, &entries(9), &limits).unwrap();
        let (content, chunks) = (entries(9).encode(), new.chunks().collect::<Vec<_>>());
        assert_eq!((usize::from(new.run.chunks), new.run.bytes as usize), (chunks.len(), content.len()));
        assert_eq!((chunks.len(), chunks.concat()), (4, content));
    }
}
