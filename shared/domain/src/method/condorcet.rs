//! Ranked pairs by winning votes (Tideman).

use std::cmp::Reverse;

use serde::{Serialize, Serializer};

use super::{
    Count, Course, Outcome, Summary, Tie,
    lot::{LotUse, LotView},
    pairwise::Pairwise,
};

/// The pairs in the order in which they were looked at. None without a ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condorcet {
    /// The option that beats each other one, if there is one. It then wins.
    pub condorcet_winner: Option<u8>,
    /// Two options that as many ballots rank one way as the other are not among them.
    pub pairs: Vec<Pair>,
}

/// An option that beats another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who beats.
    pub winner: u8,
    /// Who is beaten.
    pub loser: u8,
    /// Ballots that rank the winner above the loser.
    pub votes: u64,
    /// Ballots that rank the loser above the winner.
    pub against: u64,
    /// Whether it counts. It does not if it would close a cycle.
    pub locked: bool,
    /// Whether its place among pairs with the same votes was by lot. Only where the order may matter.
    pub by_lot: Option<LotUse>,
}

/// As results show it: winner and loser of each pair, whose votes are in the pairwise table. 100 options have 4,950 pairs.
#[derive(Serialize)]
struct View {
    condorcet_winner: Option<u8>,
    locked: Vec<(u8, u8)>,
    not_locked: Vec<(u8, u8)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by_lot: Vec<(u8, u8)>,
}

impl Serialize for Condorcet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = |wanted: fn(&Pair) -> bool| {
            self.pairs.iter().filter(|pair| wanted(pair)).map(|pair| (pair.winner, pair.loser)).collect()
        };
        let view = View {
            condorcet_winner: self.condorcet_winner,
            locked: pairs(|pair| pair.locked),
            not_locked: pairs(|pair| !pair.locked),
            by_lot: pairs(|pair| pair.by_lot.is_some()),
        };
        view.serialize(serializer)
    }
}

/// Locks the pairs, the strongest first. Whom no locked pair beats wins.
pub(super) fn count(summary: &Summary) -> Count {
    if summary.ballots == 0 {
        let course = Course::Condorcet(Condorcet::default());
        return Count { outcome: Outcome::default(), provisional: false, course };
    }
    let mut pairs = sorted(&summary.pairwise, &summary.lot);
    let mut locked = Locked::new(summary.pairwise.options());
    pairs.iter_mut().for_each(|pair| pair.locked = locked.lock(pair.winner, pair.loser));
    for equal in pairs.chunk_by_mut(|one, other| one.strength() == other.strength()) {
        if equal.len() > 1 && equal.iter().any(|pair| !pair.locked) {
            equal.iter_mut().for_each(|pair| pair.by_lot = Some(summary.lot.used()));
        }
    }
    let provisional = pairs.iter().any(|pair| pair.by_lot == Some(LotUse::Provisional));
    let course = Condorcet { condorcet_winner: summary.pairwise.condorcet_winner(), pairs };
    Count { outcome: locked.outcome(), provisional, course: Course::Condorcet(course) }
}

/// The most winning votes first, then the fewest losing votes; then by lot: the luckier winner, the unluckier loser.
fn sorted(pairwise: &Pairwise, lot: &LotView) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for winner in 0..pairwise.options() {
        for loser in 0..pairwise.options() {
            let (votes, against) = (pairwise.votes(winner, loser), pairwise.votes(loser, winner));
            if votes > against {
                pairs.push(Pair { winner, loser, votes, against, locked: false, by_lot: None });
            }
        }
    }
    pairs.sort_by_cached_key(|pair| (pair.strength(), lot.place(pair.winner), Reverse(lot.place(pair.loser))));
    pairs
}

impl Pair {
    fn strength(&self) -> (Reverse<u64>, u64) {
        (Reverse(self.votes), self.against)
    }
}

/// Whom each option beats, by locked pairs or chains of them; one bit for each option.
struct Locked {
    beats: Vec<u128>,
}

impl Locked {
    fn new(options: u8) -> Self {
        Self { beats: vec![0; usize::from(options)] }
    }

    /// Locks a pair, unless that would close a cycle.
    fn lock(&mut self, winner: u8, loser: u8) -> bool {
        let beaten_by_loser = self.beats.get(usize::from(loser)).copied().unwrap_or_default();
        if beaten_by_loser & bit(winner) != 0 {
            return false;
        }
        let beaten = bit(loser) | beaten_by_loser;
        for (option, beats) in (0..).zip(&mut self.beats) {
            if option == winner || *beats & bit(winner) != 0 {
                *beats |= beaten;
            }
        }
        true
    }

    /// Whom nobody beats. If there are several, each two of them are equal.
    fn outcome(&self) -> Outcome {
        let beaten = self.beats.iter().fold(0, |all, beats| all | beats);
        let options = (0..).take(self.beats.len());
        let unbeaten: Vec<u8> = options.filter(|option| beaten & bit(*option) == 0).collect();
        if unbeaten.len() == 1 {
            Outcome { winners: unbeaten, tie: None }
        } else {
            Outcome { winners: Vec::new(), tie: Some(Tie { options: unbeaten, seats: 1 }) }
        }
    }
}

fn bit(option: u8) -> u128 {
    1u128.checked_shl(u32::from(option)).unwrap_or_default()
}
