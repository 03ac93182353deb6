//! What is known of a lane's runs: each row as it was written, and which are gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::entries::{LaneEntries, Multiset, NamedRun, RunRow, add};

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
}

impl LaneRuns {
    /// Keeps that a row was written.
    pub fn written(&mut self, row: RunRow, bytes: &[u8]) {
        self.rows.insert(row, bytes.to_vec());
    }

    /// Keeps that a row was deleted.
    pub fn deleted(&mut self, row: RunRow) {
        self.rows.remove(&row);
    }

    /// Keeps that somebody deleted a row by hand.
    pub fn lost(&mut self, row: RunRow) {
        self.rows.remove(&row);
        self.lost.insert(row);
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

    /// The rows of these entries that are gone, though nobody deleted them by hand.
    pub fn missing(&self, entries: &LaneEntries) -> impl Iterator<Item = RunRow> {
        entries.rows().filter(|row| !self.rows.contains_key(row) && !self.lost.contains(row))
    }

    /// Whether somebody has deleted a row of these runs by hand, also if a late write has put it there again.
    pub fn has_lost_one_of(&self, runs: &[NamedRun]) -> bool {
        runs.iter().flat_map(|run| run.rows()).any(|row| self.lost.contains(&row))
    }

    /// Whether somebody has ever deleted a row by hand.
    pub fn has_lost_any(&self) -> bool {
        !self.lost.is_empty()
    }

    /// What these entries add up to. `None` if a row is gone.
    pub fn sum(&self, entries: &LaneEntries) -> Option<Multiset> {
        let mut sum = entries.near.clone();
        for run in &entries.runs {
            let rows: Option<Vec<&[u8]>> = run.rows().map(|row| self.rows.get(&row).map(Vec::as_slice)).collect();
            add(&mut sum, &rows?.concat());
        }
        Some(sum)
    }
}
