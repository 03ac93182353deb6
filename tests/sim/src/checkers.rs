//! The promises: each has a checker of its own, which holds it against what happens and against what is true.

mod closing;
mod durability;
mod entries;
mod exactness;
mod finality;
mod freshness;
mod monotonicity;
mod pausing;
mod rejection;
#[cfg(test)]
mod tests;
mod uniqueness;

use std::fmt;

use crate::{events::Event, ledger::Ledger};

/// Looks at what happens, which the ledger does not have yet, and tells what breaks the promise.
type Checker = fn(&Ledger, &Event<'_>, &mut dyn FnMut(String));

/// All of them, by their promises in `docs/testing.md`.
const CHECKERS: [(&str, Checker); 10] = [
    ("C1", uniqueness::check),
    ("C2", durability::check),
    ("C3", exactness::check),
    ("C4", freshness::check),
    ("C5", monotonicity::check),
    ("C6", closing::check),
    ("C7", rejection::check),
    ("C8", pausing::check),
    ("C9", entries::check),
    ("C10", finality::check),
];

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Which, such as `C1`.
    pub promise: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// How a run came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Stored revisions that were not counted.
    pub lost: u64,
    /// Times that a revision was counted beyond the first, or without being stored.
    pub double: u64,
    /// Whatever was promised and not kept.
    pub breaches: Vec<Breach>,
}

impl Verdict {
    /// The verdict once everything is drained.
    pub fn of(ledger: &Ledger, breaches: &[Breach]) -> Self {
        let mut breaches = breaches.to_vec();
        breaches.sort();
        breaches.dedup();
        Self { lost: durability::lost(ledger).len() as u64, double: exactness::double(ledger), breaches }
    }
}

/// Has every checker look at what happens.
pub fn check(ledger: &Ledger, event: &Event<'_>, breaches: &mut Vec<Breach>) {
    for (promise, checker) in CHECKERS {
        checker(ledger, event, &mut |what| breaches.push(Breach { promise, what }));
    }
}
