//! Ballots of a file, as rankings that a poll could have taken.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use landslide_domain::ballot::OPTIONS_MAX;
use serde::Serialize;

/// The most ballots that a file may have, by their weights. Parts of votes are counted in 64 bits.
const BALLOTS_MAX: u64 = 1_000_000_000_000;

/// One rank of a ballot as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rank {
    /// These options: none for a skipped rank, several for tied ones.
    Of(Vec<u8>),
    /// Several options that the file does not name.
    Overvote,
}

/// How many ballots are counted otherwise than they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Treated {
    /// Counted down to a rank with several options.
    pub cut_at_tied_ranks: u64,
    /// Counted without the ranks that name nobody.
    pub closed_skipped_ranks: u64,
    /// Counted with the best rank of an option that was ranked more than once.
    pub without_repeated_options: u64,
    /// Counted without options that have withdrawn.
    pub without_withdrawn_options: u64,
    /// Not counted, as no option is left, or none was ranked.
    pub not_counted: u64,
}

/// What a file says.
#[derive(Debug, Default)]
pub struct Ballots {
    /// The election's name.
    pub title: Option<String>,
    /// Names by option id.
    pub options: Vec<String>,
    /// Which of them have withdrawn, while the file is read.
    pub withdrawn: Vec<u8>,
    /// How many win.
    pub seats: Option<u8>,
    /// How many ballots were treated.
    pub treated: Treated,
    /// How many ballots were read.
    pub read: u64,
    rankings: BTreeMap<Vec<u8>, u64>,
}

/// A number of ballots as a file has it.
pub fn count(text: &str) -> Result<u64> {
    text.parse().ok().with_context(|| format!("{text:?} is no number of ballots."))
}

impl Ballots {
    /// No ballots yet, and options whose names are not known yet.
    pub fn of_unnamed(options: u8, seats: u8) -> Self {
        Self { options: vec![String::new(); usize::from(options)], seats: Some(seats), ..Self::default() }
    }

    /// The option with this name, which becomes one if it is not yet.
    pub fn option(&mut self, name: &str) -> Result<u8> {
        if let Some(option) = self.known(name) {
            return Ok(option);
        }
        ensure!(!name.is_empty(), "An option has no name.");
        ensure!(self.options.len() < OPTIONS_MAX, "There are more than {OPTIONS_MAX} options.");
        self.options.push(name.to_owned());
        Ok(u8::try_from(self.options.len() - 1)?)
    }

    /// The option with this name.
    pub fn known(&self, name: &str) -> Option<u8> {
        (0..).zip(&self.options).find(|(_, option)| *option == name).map(|(id, _)| id)
    }

    /// How many options there are.
    pub fn option_count(&self) -> u8 {
        u8::try_from(self.options.len()).unwrap_or(u8::MAX)
    }

    /// Adds ballots with these ranks.
    pub fn add(&mut self, ballots: u64, ranks: &[Rank]) -> Result<()> {
        self.read = self
            .read
            .checked_add(ballots)
            .filter(|read| *read <= BALLOTS_MAX)
            .context("There are too many ballots.")?;
        let mut ranking = Vec::new();
        let (mut cut, mut skipped, mut closed, mut repeated, mut withdrawn) = (false, false, false, false, false);
        for rank in ranks {
            let Rank::Of(options) = rank else {
                cut = true;
                break;
            };
            let stays: Vec<u8> = options.iter().copied().filter(|option| !self.withdrawn.contains(option)).collect();
            withdrawn |= stays.len() < options.len();
            skipped |= options.is_empty();
            match *stays {
                [] => {}
                [option] => {
                    closed |= skipped;
                    if ranking.contains(&option) {
                        repeated = true;
                    } else {
                        ranking.push(option);
                    }
                }
                _ => {
                    cut = true;
                    break;
                }
            }
        }
        let treated = &mut self.treated;
        if ranking.is_empty() {
            treated.not_counted += ballots;
            return Ok(());
        }
        for (is, count) in [
            (cut, &mut treated.cut_at_tied_ranks),
            (closed, &mut treated.closed_skipped_ranks),
            (repeated, &mut treated.without_repeated_options),
            (withdrawn, &mut treated.without_withdrawn_options),
        ] {
            *count += if is { ballots } else { 0 };
        }
        *self.rankings.entry(ranking).or_default() += ballots;
        Ok(())
    }

    /// The rankings, each with its ballots.
    pub fn rankings(&self) -> Vec<(Vec<u8>, u64)> {
        self.rankings.iter().map(|(ranking, ballots)| (ranking.clone(), *ballots)).collect()
    }

    /// Takes withdrawn options off the list, and gives the rest their ids by it.
    pub fn without_withdrawn(mut self) -> Self {
        let stays: Vec<u8> = (0..self.option_count()).filter(|option| !self.withdrawn.contains(option)).collect();
        let renamed = |option: &u8| stays.iter().position(|stays| stays == option).and_then(|id| u8::try_from(id).ok());
        self.rankings = self
            .rankings
            .into_iter()
            .map(|(ranking, ballots)| (ranking.iter().filter_map(renamed).collect(), ballots))
            .collect();
        let mut ids = 0..;
        self.options.retain(|_| ids.next().is_some_and(|id| stays.contains(&id)));
        self
    }
}
