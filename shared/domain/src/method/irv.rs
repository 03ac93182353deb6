//! Instant runoff.

use serde::Serialize;

use super::{
    Count, Course, Outcome, Tie,
    figures::Figures,
    lot::{LotUse, LotView},
    piles::{Continuing, Piles},
    rankings::Rankings,
    ties::{History, TieBreak},
};

/// The rounds of a runoff. None without a ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Irv {
    /// In their order.
    pub rounds: Vec<Round>,
}

/// A round. All ballots count: `votes` and `exhausted` are as many together as there are ballots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Round {
    /// The votes by option id; `null` for who is out.
    pub votes: Vec<Option<u64>>,
    /// Ballots that rank no continuing option.
    pub exhausted: u64,
    /// Who has more than half of the votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<u8>,
    /// Who is out after this round, the fewest votes first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub eliminated: Vec<u8>,
    /// Where their votes go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,
    /// How it was decided who of those with the fewest votes is out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<TieBreak>,
}

/// Where an eliminated option's votes go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Whose votes.
    pub from: u8,
    /// To each other option, by its id; `null` for who is out.
    pub to: Vec<Option<u64>>,
    /// Ballots that rank no other continuing option.
    pub exhausted: u64,
}

/// What follows from a round.
enum Step {
    Winner(u8),
    Eliminate(Vec<u8>, Option<TieBreak>),
    Tie(Vec<u8>),
}

/// Counts until one option has more than half of the continuing ballots.
pub(super) fn count(rankings: &Rankings<'_>, lot: &LotView) -> Count {
    if rankings.ballots() == 0 {
        return Count { outcome: Outcome::default(), provisional: false, course: Course::Irv(Irv::default()) };
    }
    let (piles, votes) = Piles::of(rankings, 1);
    let mut runoff = Runoff {
        continuing: Continuing::all(rankings.options()),
        piles,
        votes,
        exhausted: 0,
        history: History::default(),
        rounds: Vec::new(),
    };
    // Each round but the last eliminates an option at least.
    let outcome = (0..rankings.options()).find_map(|_| runoff.round(lot)).unwrap_or_default();
    let by_lot = |round: &Round| round.tie_break.as_ref().and_then(|tie| tie.by_lot) == Some(LotUse::Provisional);
    Count { outcome, provisional: runoff.rounds.iter().any(by_lot), course: Course::Irv(Irv { rounds: runoff.rounds }) }
}

struct Runoff<'a> {
    continuing: Continuing,
    piles: Piles<'a>,
    votes: Figures,
    exhausted: u64,
    history: History,
    rounds: Vec<Round>,
}

impl Runoff<'_> {
    /// Counts a round. Returns the outcome after the last one.
    fn round(&mut self, lot: &LotView) -> Option<Outcome> {
        let mut round = Round {
            votes: self.votes.only(self.continuing.ids()),
            exhausted: self.exhausted,
            winner: None,
            eliminated: Vec::new(),
            transfers: Vec::new(),
            tie_break: None,
        };
        let outcome = match self.step(lot) {
            Step::Winner(winner) => {
                round.winner = Some(winner);
                Some(Outcome { winners: vec![winner], tie: None })
            }
            Step::Tie(options) => Some(Outcome { winners: Vec::new(), tie: Some(Tie { options, seats: 1 }) }),
            Step::Eliminate(lowest, tie_break) => {
                self.history.push(&self.votes);
                round.transfers = self.eliminate(&lowest);
                round.eliminated = lowest;
                round.tie_break = tie_break;
                None
            }
        };
        self.rounds.push(round);
        outcome
    }

    fn step(&self, lot: &LotView) -> Step {
        let continuing = self.continuing.ids();
        let ballots: u64 = continuing.iter().map(|option| self.votes.of(*option)).sum();
        if let Some(winner) = continuing.iter().find(|option| 2 * self.votes.of(**option) > ballots) {
            return Step::Winner(*winner);
        }
        if let Some(group) = self.lowest_group() {
            return Step::Eliminate(group, None);
        }
        // A lowest option alone would have been a group. So at least two are lowest.
        let Some(narrowed) = self.history.lowest(&self.votes.lowest(continuing)) else {
            return Step::Tie(continuing.to_vec());
        };
        if self.continuing.len() == 2 && narrowed.left.len() == 2 {
            return Step::Tie(narrowed.left);
        }
        let (loser, tie_break) = narrowed.loser(lot);
        Step::Eliminate(loser.into_iter().collect(), Some(tie_break))
    }

    /// The largest group of lowest options that together have fewer votes than the next higher one: none of them can
    /// win, whatever the order in which they go.
    fn lowest_group(&self) -> Option<Vec<u8>> {
        let mut ascending = self.continuing.ids().to_vec();
        ascending.sort_by_key(|option| self.votes.of(*option));
        let mut together = 0;
        let mut largest = None;
        for (size, &option) in ascending.iter().enumerate() {
            let votes = self.votes.of(option);
            if size > 0 && together < votes {
                largest = Some(size);
            }
            together += votes;
        }
        ascending.truncate(largest?);
        Some(ascending)
    }

    fn eliminate(&mut self, lowest: &[u8]) -> Vec<Transfer> {
        self.continuing.remove(lowest);
        lowest.iter().map(|option| self.transfer(*option)).collect()
    }

    fn transfer(&mut self, from: u8) -> Transfer {
        let moved = self.piles.transfer(from, &self.continuing, |value| value);
        self.votes.set(from, 0);
        for &option in self.continuing.ids() {
            self.votes.add(option, moved.to.of(option));
        }
        self.exhausted += moved.not_transferable;
        Transfer { from, to: moved.to.only(self.continuing.ids()), exhausted: moved.not_transferable }
    }
}
