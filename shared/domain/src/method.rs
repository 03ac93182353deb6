//! Methods that count ranked ballots, each in a file of its own. They are pure: integers over a multiset of rankings,
//! never over single ballots. docs/methods.md has the rules in full.
//!
//! A ranking is a slice of option ids, best first, none twice. It comes with the number of ballots that say it. Equal
//! rankings may come several times, and in any order; the count is the same.

mod borda;
mod condorcet;
mod figures;
mod irv;
mod lot;
mod pairwise;
mod piles;
mod rankings;
mod stv;
mod ties;
mod totals;

use serde::{Deserialize, Serialize};

pub use self::{
    borda::Borda,
    condorcet::{Condorcet, Pair},
    irv::{Irv, Round, Transfer},
    lot::{Lot, LotSeed, LotSeedHash, LotUse, LotView},
    pairwise::Pairwise,
    rankings::Rankings,
    stv::{Stage, StageKind, Stv, VOTE},
    ties::TieBreak,
    totals::Totals,
};

/// A way of counting ranked ballots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Instant runoff: the lowest options go until one has more than half.
    Irv,
    /// The single transferable vote, by the rules of Scottish council elections.
    Stv,
    /// Ranked pairs by winning votes.
    Condorcet,
    /// Points by place.
    Borda,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 4] = [Self::Irv, Self::Stv, Self::Condorcet, Self::Borda];

    /// The method of a poll that names none.
    pub fn default_for(seats: u8) -> Self {
        if seats == 1 { Self::Irv } else { Self::Stv }
    }

    /// Whether the method can fill this many seats.
    pub fn fills(self, seats: u8) -> bool {
        match self {
            Self::Irv | Self::Condorcet => seats == 1,
            Self::Stv | Self::Borda => seats >= 1,
        }
    }

    /// The method's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Irv => "irv",
            Self::Stv => "stv",
            Self::Condorcet => "condorcet",
            Self::Borda => "borda",
        }
    }
}

/// Why rankings can't be counted by a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// The method fills one seat only, or there is no seat.
    #[error("The method {} can't fill {seats} seats.", method.name())]
    Seats {
        /// The method.
        method: Method,
        /// The seats asked for.
        seats: u8,
    },
    /// There are more seats than options.
    #[error("There are {seats} seats, and only {options} options.")]
    FewOptions {
        /// The seats asked for.
        seats: u8,
        /// The options there are.
        options: u8,
    },
}

/// Who has won.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// In the order of their election. Nobody without a ballot.
    pub winners: Vec<u8>,
    /// The options between which the ballots do not decide. No lot is drawn for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie: Option<Tie>,
}

/// Options that tie for the last seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tie {
    /// In the order of their ids.
    pub options: Vec<u8>,
    /// How many of them have a seat.
    pub seats: usize,
}

/// What does not depend on a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Ballots with a ranking.
    pub ballots: u64,
    /// First choices, by option id.
    pub first_choices: Vec<u64>,
    /// For each two options, how many ballots rank one above the other.
    pub pairwise: Pairwise,
    /// Borda points in halves, by option id.
    pub borda_half_points: Vec<u64>,
    /// The order by which ties are broken in the end.
    pub lot: LotView,
}

impl Summary {
    /// Counts what all methods share.
    pub fn of(rankings: &Rankings<'_>, lot: &Lot) -> Self {
        Totals::of(rankings).summary(lot)
    }
}

/// A count by one method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Who has won.
    pub outcome: Outcome,
    /// Whether option ids stood in for a lot that is not drawn yet. The final outcome may be another.
    pub provisional: bool,
    /// How the outcome came about.
    #[serde(flatten)]
    pub course: Course,
}

/// The steps of a count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Course {
    /// Rounds.
    Irv(Irv),
    /// Stages.
    Stv(Stv),
    /// Pairs.
    Condorcet(Condorcet),
    /// Nothing but the points.
    Borda(Borda),
}

/// A tally: what all methods share, and the count by one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// How many win.
    pub seats: u8,
    /// What does not depend on the method.
    #[serde(flatten)]
    pub summary: Summary,
    /// The method's count.
    #[serde(flatten)]
    pub count: Count,
}

/// Counts rankings by a method.
pub fn tally(rankings: &Rankings<'_>, seats: u8, method: Method, lot: &Lot) -> Result<Tally, MethodError> {
    let summary = Summary::of(rankings, lot);
    let count = count(rankings, &summary, seats, method)?;
    Ok(Tally { seats, summary, count })
}

/// Counts rankings by a method, with a summary that is made already.
pub fn count(rankings: &Rankings<'_>, summary: &Summary, seats: u8, method: Method) -> Result<Count, MethodError> {
    if !method.fills(seats) {
        return Err(MethodError::Seats { method, seats });
    }
    if seats > rankings.options() {
        return Err(MethodError::FewOptions { seats, options: rankings.options() });
    }
    let count = match method {
        Method::Irv => irv::count(rankings, &summary.lot),
        Method::Stv => stv::count(rankings, seats, &summary.lot),
        Method::Condorcet => condorcet::count(summary),
        Method::Borda => borda::count(summary, seats),
    };
    Ok(count)
}

#[cfg(test)]
mod tests;
