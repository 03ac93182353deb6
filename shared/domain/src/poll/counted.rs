//! In what a poll's votes are counted: plain counters, entries, cells; and how much work that is.

use super::{Kind, PollSpec};
use crate::ballot::Scale;

impl PollSpec {
    /// Whether its votes are plain: kept and counted as options alone, in the form that every release knows.
    pub fn has_plain_votes(&self) -> bool {
        self.kind.has_choices() && !self.write_in && self.correct.is_none() && self.segments.is_empty() && !self.series
    }

    /// Whether its results need more than counters.
    pub fn has_assembled_results(&self) -> bool {
        !self.kind.has_choices() || self.write_in || self.correct.is_some()
    }

    /// How much more work one of its votes is to count than a plain one.
    pub fn weight(&self) -> u32 {
        match self.kind {
            Kind::Text => 8,
            _ if self.write_in => 4,
            _ if !self.has_plain_votes() => 2,
            _ => 1,
        }
    }

    /// Its peak, as plain votes a second that are as much work.
    pub fn peak_plain_votes(&self) -> u32 {
        self.peak_votes_per_second.saturating_mul(self.weight())
    }

    /// What is counted in each row of a segment and in each slot besides its ballots: options, or their levels.
    pub fn columns(&self, options: usize) -> usize {
        options * self.scale.map_or(1, Scale::levels)
    }

    /// Whether its votes are counted in cells.
    pub fn has_cells(&self) -> bool {
        self.scale.is_some() || self.series || !self.segments.is_empty()
    }

    /// Whether its voters write answers, or options that are not listed.
    pub fn has_answers(&self) -> bool {
        self.kind == Kind::Text || self.write_in
    }

    /// Whether more is assembled of it than counts of rankings.
    pub fn has_further_parts(&self) -> bool {
        self.has_cells() || self.kind != Kind::Ranked
    }

    /// The most cells that its votes are counted in, with this number of slots.
    pub fn cells(&self, options: usize, slots: usize) -> usize {
        // One more for those whose value is unknown.
        let rows: usize = self.segments.iter().map(|dimension| dimension.values.len() + 1).sum();
        let levels = if self.scale.is_some() { self.columns(options) } else { 0 };
        (rows + slots) * (1 + self.columns(options)) + levels
    }
}

impl Kind {
    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multiple => "multiple",
            Self::Ranked => "ranked",
            Self::Rating => "rating",
            Self::Text => "text",
        }
    }

    /// Whether its votes choose options.
    pub fn has_choices(self) -> bool {
        matches!(self, Self::Single | Self::Multiple)
    }
}
