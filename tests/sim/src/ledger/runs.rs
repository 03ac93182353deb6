//! What is known of a lane's runs: each row as it was written, and which are gone.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::entries::{Kept, LaneEntries, Multiset, NamedRun, RunName, RunRow, Sums, add, add_sums, multiset};

/// A lane's runs.
#[derive(Default)]
pub struct LaneRuns {
    rows: BTreeMap<RunRow, Vec<u8>>,
    /// Rows that somebody deleted by hand.
    lost: BTreeSet<RunRow>,
    /// What HEAD names.
    head: BTreeSet<RunRow>,
    /// What COUNT names.
    count: BTreeSet<RunRow>,
    /// What runs add up to that were asked for.
    sums: RefCell<BTreeMap<RunName, Rc<Option<Sums>>>>,
}

impl LaneRuns {
    /// Keeps that a row was written.
    pub fn written(&mut self, row: RunRow, bytes: &[u8]) {
        self.forget_sums(row);
        self.rows.insert(row, bytes.to_vec());
    }

    /// Keeps that a row was deleted.
    pub fn deleted(&mut self, row: RunRow) {
        self.forget_sums(row);
        self.rows.remove(&row);
    }

    /// Keeps that somebody deleted a row by hand.
    pub fn lost(&mut self, row: RunRow) {
        self.deleted(row);
        self.lost.insert(row);
    }

    fn forget_sums(&mut self, (name, _): RunRow) {
        self.sums.get_mut().remove(&name);
    }

    /// Keeps what HEAD names from now on.
    pub fn named_in_head(&mut self, entries: &LaneEntries) {
        self.head = entries.rows().collect();
    }

    /// Keeps what COUNT names from now on.
    pub fn named_in_count(&mut self, entries: &LaneEntries) {
        self.count = entries.rows().collect();
    }

    /// The rows that HEAD names.
    pub fn head(&self) -> impl Iterator<Item = RunRow> {
        self.head.iter().copied()
    }

    /// Which of HEAD and COUNT name a row.
    pub fn namers(&self, row: RunRow) -> Vec<&'static str> {
        let named = [("HEAD", &self.head), ("COUNT", &self.count)];
        named.into_iter().filter(|(_, rows)| rows.contains(&row)).map(|(name, _)| name).collect()
    }

    /// The rows that are there and that neither HEAD nor COUNT names.
    pub fn unnamed(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.keys().filter(|row| self.namers(**row).is_empty())
    }

    /// The rows of these runs that are gone, though nobody deleted them by hand.
    pub fn missing(&self, runs: &[NamedRun]) -> impl Iterator<Item = RunRow> {
        let rows = runs.iter().flat_map(|run| run.rows());
        rows.filter(|row| !self.rows.contains_key(row) && !self.lost.contains(row))
    }

    /// Whether somebody has deleted a row of these runs by hand, also if a late write has put it there again.
    pub fn has_lost_one_of(&self, runs: &[NamedRun]) -> bool {
        runs.iter().flat_map(|run| run.rows()).any(|row| self.lost.contains(&row))
    }

    /// Whether somebody has ever deleted a row by hand.
    pub fn has_lost_any(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether all rows of a run are there.
    fn has_all_of(&self, run: &NamedRun) -> bool {
        run.rows().all(|row| self.rows.contains_key(&row))
    }

    /// What a run holds. `None` if that can't be read. All its rows must be there.
    fn read(&self, run: &NamedRun) -> Option<Multiset> {
        let rows: Vec<&[u8]> = run.rows().map(|row| self.rows[&row].as_slice()).collect();
        let bytes = rows.concat();
        multiset(&bytes).filter(|_| bytes.len() == run.bytes as usize)
    }

    fn sums_of_run(&self, run: &NamedRun) -> Rc<Option<Sums>> {
        let sums = || {
            let (entries, mut sums) = (self.read(run)?, Sums::new());
            add_sums(&mut sums, entries.iter().map(|(key, count)| (&key[..], *count)))?;
            Some(sums)
        };
        self.sums.borrow_mut().entry(run.name).or_insert_with(|| Rc::new(sums())).clone()
    }

    /// What these entries add up to; or an error if they can't be read. `None` if a row is gone.
    pub fn sums(&self, kept: &Kept) -> Option<Result<Sums, Unreadable>> {
        self.has_all(&kept.runs).then(|| {
            let mut all = Sums::new();
            let near = kept.near.as_ref().ok_or(Unreadable)?;
            add_sums(&mut all, near.iter().map(|(key, count)| (&key[..], *count))).ok_or(Unreadable)?;
            for run in &kept.runs {
                for (counter, count) in (*self.sums_of_run(run)).as_ref().ok_or(Unreadable)? {
                    *all.entry(*counter).or_default() += count;
                }
            }
            Ok(all)
        })
    }

    fn has_all(&self, runs: &[NamedRun]) -> bool {
        runs.iter().all(|run| self.has_all_of(run))
    }

    /// The sum of these runs; or an error if they can't be read. `None` if a row is gone.
    pub fn sum_of<'a>(&self, runs: impl IntoIterator<Item = &'a NamedRun>) -> Option<Result<Multiset, Unreadable>> {
        let mut sum = Multiset::new();
        for run in runs {
            if !self.has_all_of(run) {
                return None;
            }
            match self.read(run) {
                Some(entries) => add(&mut sum, entries),
                None => return Some(Err(Unreadable)),
            }
        }
        Some(Ok(sum))
    }

    /// All of these entries; or an error if they can't be read. `None` if a row is gone.
    pub fn sum(&self, kept: &Kept) -> Option<Result<Multiset, Unreadable>> {
        let sum = self.sum_of(&kept.runs)?;
        Some(sum.and_then(|mut sum| {
            add(&mut sum, kept.near.clone().ok_or(Unreadable)?);
            Ok(sum)
        }))
    }
}

/// Entries that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;
