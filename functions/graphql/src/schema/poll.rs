//! Polls.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, SimpleObject};
use landslide_domain::ids::PollId;
use serde::Deserialize;

use super::{
    asked,
    results::Counts,
    words::{DateTime, Devices, Identity, Kind, Method, OwnVote, ResultsVisibility, Status, TenantKind, VoteChange},
};

/// A poll. Fields are explained where polls are made: infra/openapi.yaml, `NewPoll`.
#[derive(Deserialize, SimpleObject)]
#[graphql(complex, rename_fields = "snake_case")]
pub struct Poll {
    poll_id: String,
    status: Status,
    question: String,
    kind: Kind,
    max_choices: u8,
    min_choices: u8,
    write_in: bool,
    scale: Option<Scale>,
    /// The right options of a quiz. Its tenant sees them always, in `polls` and mutations; others once the poll is closed.
    correct: Option<Vec<u8>>,
    seats: u8,
    method: Option<Method>,
    /// The dimensions that votes are broken down by. The rows are in `counts`.
    segments: Vec<Dimension>,
    min_cell: u8,
    /// Whether votes are counted by time too. The points are in `counts`.
    series: bool,
    opens_at: Option<DateTime>,
    closes_at: Option<DateTime>,
    identity: Identity,
    vote_change: VoteChange,
    /// Who sees the counts. The counts are in `counts`.
    results: ResultsVisibility,
    peak_votes_per_second: u32,
    viewers: Option<u32>,
    /// Whether the page repeats to voters what they voted.
    own_vote: OwnVote,
    devices: Devices,
    /// The origins whose pages may frame the poll's page.
    embed: Vec<String>,
    /// Whether search engines may list the page.
    listed: bool,
    paused_from: Option<DateTime>,
    #[graphql(name = "lot_seed_sha256")]
    lot_seed_sha256: Option<String>,
    revision: u64,
    created_at: DateTime,
    /// The tenant that it is offered to. In `polls` and mutations only.
    offered_to: Option<Tenant>,
    /// Not in a list.
    #[graphql(skip)]
    #[serde(rename = "options")]
    shown_options: Option<Vec<PollOption>>,
}

#[ComplexObject(rename_fields = "snake_case")]
impl Poll {
    /// What is chosen from. Null if it can't be read.
    async fn options(&self, ctx: &Context<'_>) -> Option<async_graphql::Result<Vec<PollOption>>> {
        let asked = asked(ctx);
        asked
            .field(async {
                match &self.shown_options {
                    Some(options) => Ok(options.clone()),
                    None => {
                        let poll = asked.services.polls.poll(&self.id()?, asked.now).await?;
                        Ok(poll
                            .options
                            .iter()
                            .enumerate()
                            .map(|(id, label)| PollOption { id, label: label.clone() })
                            .collect())
                    }
                }
            })
            .await
    }

    /// What is counted of its votes.
    async fn counts(&self) -> Counts {
        Counts::of(&self.poll_id)
    }
}

impl Poll {
    fn id(&self) -> Result<PollId, landslide_domain::error::Error> {
        PollId::parse(&self.poll_id).ok_or(landslide_domain::error::Error::NoSuchPoll)
    }
}

/// An option. Its id is its place.
#[derive(Clone, Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct PollOption {
    id: usize,
    label: String,
}

/// The levels of ratings.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Scale {
    min: i8,
    max: i8,
}

/// What a poll's votes are broken down by.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Dimension {
    name: String,
    values: Vec<String>,
    /// Who says a voter's value: `vote`, `country` or `claim:…`.
    from: String,
}

/// Whose a poll is.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Tenant {
    issuer: String,
    kind: TenantKind,
    value: String,
}

/// A page of polls, newest first (the Relay connection specification, whose names these are).
#[derive(SimpleObject)]
pub struct PollConnection {
    pub(super) edges: Vec<PollEdge>,
    pub(super) nodes: Vec<Arc<Poll>>,
    pub(super) page_info: PageInfo,
}

/// A poll in a page.
#[derive(SimpleObject)]
pub struct PollEdge {
    /// What `after` takes.
    pub(super) cursor: String,
    pub(super) node: Arc<Poll>,
}

/// Where a page is.
#[derive(SimpleObject)]
pub struct PageInfo {
    pub(super) has_next_page: bool,
    /// Whether the page was asked for with `after`.
    pub(super) has_previous_page: bool,
    pub(super) start_cursor: Option<String>,
    /// What `after` takes for the next page.
    pub(super) end_cursor: Option<String>,
}
