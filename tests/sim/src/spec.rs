//! What to replay: a seed, and by what its scenario was made smaller. As text `17 world=5 voters=3 off=crash,slow`.

use std::{fmt, str::FromStr};

use crate::{faults::Fault, scenario::Scenario};

/// A seed, and changes of its scenario in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The seed of the scenario.
    pub seed: u64,
    /// What is changed.
    pub changes: Vec<Change>,
}

/// One change of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another seed of what is drawn while it runs.
    World(u64),
    /// How many voters there are.
    Voters(usize),
    /// The most wishes of a voter.
    Wishes(usize),
    /// How many polls there are.
    Polls(usize),
    /// How many readers the queue has.
    Readers(usize),
    /// How many shards the stream has.
    Shards(usize),
    /// No owner acts.
    NoOwners,
    /// No month passes.
    NoMonths,
    /// No poll is rebuilt.
    NoRebuild,
    /// No poll's counts are made final.
    NoFinal,
    /// No poll's votes have entries.
    NoEntries,
    /// Nobody deletes a row of a run by hand.
    NoLostRuns,
    /// The queue and the tables are always there.
    NoOutage,
    /// A kind of fault is left out.
    Off(Fault),
}

impl Spec {
    /// The scenario of a seed alone.
    pub fn of(seed: u64) -> Self {
        Self { seed, changes: Vec::new() }
    }

    /// This one with a further change.
    pub fn with(&self, change: Change) -> Self {
        let is_same_kind = |other: &&Change| std::mem::discriminant(*other) != std::mem::discriminant(&change);
        let keeps_others = matches!(change, Change::Off(_));
        let kept = self.changes.iter().filter(|other| keeps_others || is_same_kind(other));
        Self { seed: self.seed, changes: kept.copied().chain([change]).collect() }
    }

    /// The scenario that it stands for.
    pub fn scenario(&self) -> Scenario {
        let mut scenario = Scenario::of(self.seed);
        for change in &self.changes {
            match *change {
                Change::World(seed) => scenario.seed = seed,
                Change::Voters(voters) => scenario.voters = voters,
                Change::Wishes(wishes) => scenario.wishes_max = wishes,
                Change::Polls(polls) => scenario.polls = polls,
                Change::Readers(readers) => scenario.queue_readers = readers,
                Change::Shards(shards) => scenario.shards = shards,
                Change::NoOwners => scenario.owners_act = false,
                Change::NoMonths => scenario.months_pass = false,
                Change::NoRebuild => scenario.rebuilds = false,
                Change::NoFinal => scenario.finalises = false,
                Change::NoEntries => scenario.has_entries = false,
                Change::NoLostRuns => scenario.loses_runs = false,
                Change::NoOutage => (scenario.queue_outage_ms, scenario.tallies_outage_ms) = (0, 0),
                Change::Off(fault) => scenario.rates[fault as usize] = 0.0,
            }
        }
        scenario
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        for change in &self.changes {
            match change {
                Change::World(seed) => write!(f, " world={seed}")?,
                Change::Voters(voters) => write!(f, " voters={voters}")?,
                Change::Wishes(wishes) => write!(f, " wishes={wishes}")?,
                Change::Polls(polls) => write!(f, " polls={polls}")?,
                Change::Readers(readers) => write!(f, " readers={readers}")?,
                Change::Shards(shards) => write!(f, " shards={shards}")?,
                Change::NoOwners => write!(f, " off=owners")?,
                Change::NoMonths => write!(f, " off=months")?,
                Change::NoRebuild => write!(f, " off=rebuild")?,
                Change::NoFinal => write!(f, " off=final")?,
                Change::NoEntries => write!(f, " off=entries")?,
                Change::NoLostRuns => write!(f, " off=lost-runs")?,
                Change::NoOutage => write!(f, " off=outage")?,
                Change::Off(fault) => write!(f, " off={}", fault.names().0)?,
            }
        }
        Ok(())
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let seed = words.next().and_then(|seed| seed.parse().ok()).ok_or("a seed is a number")?;
        let changes = words.map(read_change).collect::<Result<_, _>>()?;
        Ok(Self { seed, changes })
    }
}

fn read_change(word: &str) -> Result<Change, String> {
    let unknown = || format!("{word:?} is no change of a scenario");
    let (name, value) = word.split_once('=').ok_or_else(unknown)?;
    let number = || value.parse::<usize>().map_err(|_| unknown());
    Ok(match (name, value) {
        ("world", _) => Change::World(value.parse().map_err(|_| unknown())?),
        ("voters", _) => Change::Voters(number()?),
        ("wishes", _) => Change::Wishes(number()?),
        ("polls", _) => Change::Polls(number()?),
        ("readers", _) => Change::Readers(number()?),
        ("shards", _) => Change::Shards(number()?),
        ("off", "owners") => Change::NoOwners,
        ("off", "months") => Change::NoMonths,
        ("off", "rebuild") => Change::NoRebuild,
        ("off", "final") => Change::NoFinal,
        ("off", "entries") => Change::NoEntries,
        ("off", "lost-runs") => Change::NoLostRuns,
        ("off", "outage") => Change::NoOutage,
        ("off", fault) => Change::Off(*Fault::ALL.iter().find(|known| known.names().0 == fault).ok_or_else(unknown)?),
        _ => return Err(unknown()),
    })
}
