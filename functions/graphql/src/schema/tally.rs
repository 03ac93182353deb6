//! The count of rankings, by rounds, stages or pairs.

use async_graphql::SimpleObject;
use serde::Deserialize;

use super::words::{Count, LotUse, Method, StageKind};

/// The count of the rankings by one method; docs/methods.md has the rules. Figures are by option id, and null where an option
/// is out.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Tally {
    seats: u8,
    ballots: Count,
    first_choices: Vec<Count>,
    /// Row by row: how many ballots rank the row's option above the column's.
    pairwise: Vec<Vec<Count>>,
    /// In halves.
    borda_half_points: Vec<Count>,
    lot: Lot,
    method: Method,
    outcome: Outcome,
    /// Whether option ids stood in for a lot that is not drawn yet.
    provisional: bool,
    /// Of `irv`.
    rounds: Option<Vec<Round>>,
    /// Of `stv`: the votes that elect an option.
    quota: Option<Count>,
    /// Of `stv`: how many parts a vote has. All figures of stages are in such parts.
    one_vote: Option<Count>,
    /// Of `stv`.
    stages: Option<Vec<Stage>>,
    /// Of `condorcet`: the option that beats each other one, if there is one.
    condorcet_winner: Option<u8>,
    /// Of `condorcet`: pairs of a winner and a loser, the strongest first.
    locked: Option<Vec<Vec<u8>>>,
    /// Of `condorcet`: pairs that would close a circle.
    not_locked: Option<Vec<Vec<u8>>>,
    /// Of `condorcet`: pairs whose order a lot decided.
    by_lot: Option<Vec<Vec<u8>>>,
}

/// The order by which ties are broken in the end.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Lot {
    /// All options, the luckiest first.
    order: Vec<u8>,
    /// Whether option ids stand in for the lot.
    provisional: bool,
    /// The seed that drew it, in hex.
    seed: Option<String>,
}

/// Who has won.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Outcome {
    /// Option ids in the order of their election.
    winners: Vec<u8>,
    tie: Option<Tie>,
}

/// Options between which the ballots do not decide.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Tie {
    options: Vec<u8>,
    /// How many of them have a seat.
    seats: u32,
}

/// A round of a runoff.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Round {
    votes: Vec<Option<Count>>,
    /// Ballots that rank no continuing option.
    exhausted: Count,
    /// Who has more than half of the votes.
    winner: Option<u8>,
    /// Who is out after this round, the fewest votes first.
    #[serde(default)]
    eliminated: Vec<u8>,
    /// Where their votes go.
    #[serde(default)]
    transfers: Vec<Transfer>,
    tie_break: Option<TieBreak>,
}

/// Where an eliminated option's votes go.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Transfer {
    from: u8,
    to: Vec<Option<Count>>,
    exhausted: Count,
}

/// A stage of a transferable vote.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Stage {
    kind: StageKind,
    /// Whose papers it transferred.
    from: Option<u8>,
    /// What went to each continuing option.
    to: Option<Vec<Option<Count>>>,
    /// The votes after it.
    votes: Vec<Option<Count>>,
    not_transferable: Count,
    rounding_loss: Count,
    not_transferable_total: Count,
    rounding_loss_total: Count,
    /// Who is elected after it, the most votes first.
    #[serde(default)]
    elected: Vec<u8>,
    tie_break: Option<TieBreak>,
}

/// How a tie was broken.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct TieBreak {
    /// The options with equal votes.
    tied: Vec<u8>,
    /// The earlier rounds in which some of them differed.
    #[serde(default)]
    by_rounds: Vec<u32>,
    by_lot: Option<LotUse>,
}
