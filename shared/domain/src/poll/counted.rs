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

    /// What is counted in each row of a segment and in each slot: its ballots, and where there are options these, or their
    /// levels.
    pub fn columns(&self, options: usize) -> usize {
        1 + options * self.scale.map_or(1, Scale::levels)
    }

    /// The most cells that its votes are counted in, with this number of slots.
    pub fn cells(&self, options: usize, slots: usize) -> usize {
        // One more for those whose value is unknown.
        let rows: usize = self.segments.iter().map(|dimension| dimension.values.len() + 1).sum();
        let levels = self.scale.map_or(0, |scale| options * scale.levels());
        (rows + slots) * self.columns(options) + levels
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
