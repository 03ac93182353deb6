//! The single transferable vote by the rules of Scottish council elections (SSI 2007/42, schedule 1, rules 46 to 52):
//! the weighted inclusive Gregory method with five decimals.

use serde::Serialize;

use super::{
    Count, Course, Outcome, Tie,
    figures::Figures,
    lot::{LotUse, LotView},
    piles::{Continuing, Piles},
    rankings::Rankings,
    ties::{History, TieBreak},
};

/// How many parts a vote has. All figures of stages are in such parts.
pub const VOTE: u64 = 100_000;

/// The stages of a transferable vote. None without a ballot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stv {
    /// The votes that elect an option: floor(ballots / (seats + 1)) + 1.
    pub quota: u64,
    /// How many parts a vote has. All figures of stages are in such parts.
    pub one_vote: u64,
    /// In their order.
    pub stages: Vec<Stage>,
}

/// What a stage did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Counted first choices.
    FirstChoices,
    /// Transferred what an elected option had above the quota.
    Surplus,
    /// Transferred the papers of the lowest option.
    Exclusion,
}

/// A stage. `votes` and both totals together are as many votes as there are ballots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// What it did.
    pub kind: StageKind,
    /// Whose papers it transferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u8>,
    /// What went to each continuing option, by option id; `null` for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Vec<Option<u64>>>,
    /// The votes after it by option id; `null` for who is excluded.
    pub votes: Vec<Option<u64>>,
    /// What this stage moved on papers that rank no continuing option.
    pub not_transferable: u64,
    /// What this stage lost by cutting values to five decimals.
    pub rounding_loss: u64,
    /// The same of all stages so far.
    pub not_transferable_total: u64,
    /// The same of all stages so far.
    pub rounding_loss_total: u64,
    /// Who is elected after it, the most votes first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elected: Vec<u8>,
    /// How it was decided whose papers it transferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tie_break: Option<TieBreak>,
}

/// What follows from a stage.
enum Step {
    Surplus(u8, Option<TieBreak>),
    Exclude(u8, Option<TieBreak>),
    Tie(Vec<u8>),
}

/// Counts until all seats are filled, or the last ones are tied.
pub(super) fn count(rankings: &Rankings<'_>, seats: u8, lot: &LotView) -> Count {
    let ballots = rankings.ballots();
    let quota = ballots / (u64::from(seats) + 1) + 1;
    let (piles, votes) = Piles::of(rankings, VOTE);
    let mut election = Election {
        seats: usize::from(seats),
        quota: quota * VOTE,
        continuing: Continuing::all(rankings.options()),
        piles,
        votes,
        surpluses: Vec::new(),
        excluded: Vec::new(),
        outcome: Outcome::default(),
        history: History::default(),
        stages: Vec::new(),
    };
    if ballots > 0 {
        election.hold(rankings.options(), lot);
    }
    let by_lot = |stage: &Stage| stage.tie_break.as_ref().and_then(|tie| tie.by_lot) == Some(LotUse::Provisional);
    let provisional = election.stages.iter().any(by_lot);
    let stv = Stv { quota, one_vote: VOTE, stages: election.stages };
    Count { outcome: election.outcome, provisional, course: Course::Stv(stv) }
}

struct Election<'a> {
    seats: usize,
    quota: u64,
    continuing: Continuing,
    piles: Piles<'a>,
    votes: Figures,
    /// Elected options with more than the quota.
    surpluses: Vec<u8>,
    excluded: Vec<u8>,
    outcome: Outcome,
    history: History,
    stages: Vec<Stage>,
}

impl Election<'_> {
    fn hold(&mut self, options: u8, lot: &LotView) {
        self.end_stage(Stage::of(StageKind::FirstChoices, None));
        // Each stage excludes an option, or transfers the surplus of one.
        for _ in 0..2 * u16::from(options) {
            if self.open_seats() == 0 {
                return;
            }
            match self.step(lot) {
                Step::Surplus(option, tie_break) => self.transfer_surplus(option, tie_break),
                Step::Exclude(option, tie_break) => self.exclude(option, tie_break),
                Step::Tie(options) => return self.end_in_tie(options),
            }
        }
    }

    fn open_seats(&self) -> usize {
        self.seats.saturating_sub(self.outcome.winners.len())
    }

    fn step(&self, lot: &LotView) -> Step {
        if !self.surpluses.is_empty() {
            let largest = self.votes.highest(&self.surpluses);
            let (option, tie_break) = match self.history.highest(&largest) {
                Some(narrowed) => {
                    let (winner, tie_break) = narrowed.winner(lot);
                    (winner, Some(tie_break))
                }
                None => (largest.first().copied(), None),
            };
            if let Some(option) = option {
                return Step::Surplus(option, tie_break);
            }
        }
        let lowest = self.votes.lowest(self.continuing.ids());
        let (option, tie_break) = match self.history.lowest(&lowest) {
            Some(narrowed) if narrowed.left.len() > 1 && self.continuing.len() == self.open_seats() + 1 => {
                return Step::Tie(narrowed.left);
            }
            Some(narrowed) => {
                let (loser, tie_break) = narrowed.loser(lot);
                (loser, Some(tie_break))
            }
            None => (lowest.first().copied(), None),
        };
        // There are more continuing options than open seats, so that one is lowest.
        option.map_or_else(|| Step::Tie(Vec::new()), |option| Step::Exclude(option, tie_break))
    }

    /// All papers of the elected option move on, each at its value × surplus / the option's votes, cut to five decimals.
    fn transfer_surplus(&mut self, option: u8, tie_break: Option<TieBreak>) {
        let votes = self.votes.of(option);
        let surplus = votes.saturating_sub(self.quota);
        let part = |value: u64| {
            let part = u128::from(value) * u128::from(surplus) / u128::from(votes.max(1));
            // No more than the value was.
            u64::try_from(part).unwrap_or(value)
        };
        self.surpluses.retain(|other| *other != option);
        self.votes.set(option, self.quota);
        self.transfer(StageKind::Surplus, option, surplus, part, tie_break);
    }

    /// The papers of the excluded option move on and keep their values.
    fn exclude(&mut self, option: u8, tie_break: Option<TieBreak>) {
        let votes = self.votes.of(option);
        self.continuing.remove(&[option]);
        self.excluded.push(option);
        self.votes.set(option, 0);
        self.transfer(StageKind::Exclusion, option, votes, |value| value, tie_break);
    }

    fn transfer(
        &mut self,
        kind: StageKind,
        option: u8,
        votes: u64,
        revalue: impl Fn(u64) -> u64,
        tie_break: Option<TieBreak>,
    ) {
        let moved = self.piles.transfer(option, &self.continuing, revalue);
        let mut transferred = 0;
        for &to in self.continuing.ids() {
            self.votes.add(to, moved.to.of(to));
            transferred += moved.to.of(to);
        }
        let mut stage = Stage::of(kind, Some(option));
        stage.to = Some(moved.to.only(self.continuing.ids()));
        stage.not_transferable = moved.not_transferable;
        stage.rounding_loss = votes.saturating_sub(transferred + moved.not_transferable);
        stage.tie_break = tie_break;
        self.end_stage(stage);
    }

    /// Elects those who have the quota, and all who are left when there are no more of them than open seats.
    fn end_stage(&mut self, mut stage: Stage) {
        let before = self.stages.last();
        stage.not_transferable_total = before.map_or(0, |stage| stage.not_transferable_total) + stage.not_transferable;
        stage.rounding_loss_total = before.map_or(0, |stage| stage.rounding_loss_total) + stage.rounding_loss;
        stage.votes = self.shown_votes();
        self.history.push(&self.votes);
        let reached = |option: &u8| self.votes.of(*option) >= self.quota;
        let elected: Vec<u8> = self.continuing.ids().iter().copied().filter(reached).collect();
        self.surpluses.extend(elected.iter().filter(|option| self.votes.of(**option) > self.quota));
        self.elect(elected, &mut stage);
        if self.continuing.len() <= self.open_seats() {
            self.elect(self.continuing.ids().to_vec(), &mut stage);
        }
        self.stages.push(stage);
    }

    /// The last exclusion is a tie: all other continuing options are elected.
    fn end_in_tie(&mut self, options: Vec<u8>) {
        let others = self.continuing.ids().iter().copied().filter(|option| !options.contains(option)).collect();
        if let Some(mut stage) = self.stages.pop() {
            self.elect(others, &mut stage);
            self.stages.push(stage);
        }
        self.outcome.tie = Some(Tie { seats: options.len().saturating_sub(1), options });
    }

    /// The most votes first; where they are equal, the most at the latest stage that differs, then the lowest id. Nothing
    /// hangs on this order.
    fn elect(&mut self, mut options: Vec<u8>, stage: &mut Stage) {
        options.sort_by(|one, other| self.history.descending(*one, *other));
        self.continuing.remove(&options);
        self.outcome.winners.extend(&options);
        stage.elected.extend(options);
    }

    fn shown_votes(&self) -> Vec<Option<u64>> {
        let shown: Vec<u8> =
            (0..).take(self.votes.as_slice().len()).filter(|option| !self.excluded.contains(option)).collect();
        self.votes.only(&shown)
    }
}

impl Stage {
    fn of(kind: StageKind, from: Option<u8>) -> Self {
        Self {
            kind,
            from,
            to: None,
            votes: Vec::new(),
            not_transferable: 0,
            rounding_loss: 0,
            not_transferable_total: 0,
            rounding_loss_total: 0,
            elected: Vec::new(),
            tie_break: None,
        }
    }
}
