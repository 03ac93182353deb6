//! Kinds of faults, and how many of each there were.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

/// What goes wrong, each of its kind on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process of a function was killed (SIGKILL).
    Killed,
    /// All processes of all functions were killed at once.
    KilledAll,
    /// Both event sources were disabled, all processes killed, and the sources enabled again.
    Restarted,
    /// A process was stopped where it was (SIGSTOP), and went on seconds later.
    Frozen,
    /// A call of AWS was throttled.
    Throttled,
    /// A call of AWS was late, some of them after the caller had given it up.
    Delayed,
    /// A call of AWS was carried out, and the answer lost.
    Unanswered,
    /// A message was said to have been refused, though the queue took it.
    Disowned,
    /// A batch of stream records came again, shuffled and cut otherwise.
    Replayed,
    /// A message came again, under another deduplication id.
    Duplicated,
    /// A message or a stream record that nobody can read.
    Poisoned,
    /// The Tallies table was out of reach until messages had no tries left.
    Outage,
    /// A server of analytics, or what syncs to it, was killed. Only in a stack that has them.
    AnalyticsKilled,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Killed,
        Self::KilledAll,
        Self::Restarted,
        Self::Frozen,
        Self::Throttled,
        Self::Delayed,
        Self::Unanswered,
        Self::Disowned,
        Self::Replayed,
        Self::Duplicated,
        Self::Poisoned,
        Self::Outage,
        Self::AnalyticsKilled,
    ];

    /// What its line of the report says.
    fn line(self) -> &'static str {
        match self {
            Self::Killed => "processes killed",
            Self::KilledAll => "times all processes killed at once",
            Self::Restarted => "restarts of the counting",
            Self::Frozen => "processes frozen for seconds",
            Self::Throttled => "calls throttled",
            Self::Delayed => "calls delayed",
            Self::Unanswered => "calls carried out, answer lost",
            Self::Disowned => "messages taken, said to be refused",
            Self::Replayed => "batches of records replayed",
            Self::Duplicated => "messages duplicated",
            Self::Poisoned => "poison messages and records",
            Self::Outage => "outages up to dead letters",
            Self::AnalyticsKilled => "servers or syncs of analytics killed",
        }
    }
}

/// Counts faults of all who make some.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<BTreeMap<Fault, u64>>>);

impl Faults {
    /// One more.
    pub fn happened(&self, fault: Fault) {
        *self.0.lock().unwrap().entry(fault).or_default() += 1;
    }

    /// Kinds that never happened.
    pub fn missing(&self) -> Vec<Fault> {
        let happened = self.0.lock().unwrap();
        Fault::ALL.into_iter().filter(|fault| !happened.contains_key(fault)).collect()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let happened = self.0.lock().unwrap();
        for fault in Fault::ALL {
            writeln!(f, "{:<40}{:>8}", fault.line(), happened.get(&fault).copied().unwrap_or_default())?;
        }
        Ok(())
    }
}
