//! Scalars, and REST's words as enums.

use async_graphql::{Enum, scalar};
use serde::{Deserialize, Serialize};

/// A number of votes, ballots or the like.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Count(i64);
scalar!(Count, "Count", "A whole number that may be greater than an Int: at most 2^53 - 1, as JSON's readers expect.");

/// A point in time, as REST writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DateTime(pub String);
scalar!(DateTime, "DateTime", "A time by RFC 3339, such as 2027-01-31T20:15:00.000Z.");

/// Enums whose values are REST's words.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$about_word:meta])* $word:ident),+ })+) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
            #[graphql(rename_items = "snake_case")]
            #[serde(rename_all = "snake_case")]
            #[allow(missing_docs, reason = "some words say it all")]
            pub enum $name {
                $($(#[$about_word])* $word),+
            }
        )+
    };
}

words! {
    /// Where a poll stands.
    Status { Scheduled, Open, Paused, Closed }
    /// What a voter says.
    Kind { Single, Multiple, Ranked, Rating, Text }
    /// Which token a voter must show.
    Identity { Account, Device }
    /// Whether votes may be changed and retracted.
    VoteChange { Never, UntilClose }
    /// Who sees the counts besides the owner: anyone, who has a vote in it, anyone once it is closed, nobody.
    ResultsVisibility { Always, AfterVote, AfterClose, Owner }
    /// Whether the page repeats to voters what they voted.
    OwnVote { Show, Hide }
    /// Whose the browsers are in which the page is voted on: a voter's own, or one that many share.
    Devices { Own, Shared }
    /// By which method rankings are counted.
    Method {
        /// Instant runoff.
        Irv,
        /// The single transferable vote.
        Stv,
        /// Ranked pairs.
        Condorcet,
        /// Points by place.
        Borda
    }
    /// Whose a poll is.
    TenantKind { Account, Organisation }
    /// What a poll's series is counted by.
    Slot { Minute, Hour, Day }
    /// Which lot broke a tie.
    LotUse {
        /// The final one.
        Drawn,
        /// Option ids that stand in for it.
        Provisional
    }
    /// What a stage did.
    StageKind {
        /// Counted first choices.
        FirstChoices,
        /// Transferred what an elected option had above the quota.
        Surplus,
        /// Transferred the papers of the lowest option.
        Exclusion
    }
    /// How exact a number of different answers is.
    Exactness { Exact, AtLeast }
}
