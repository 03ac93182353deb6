//! Figures over all polls of a tenant.

use std::ops::RangeInclusive;

use async_graphql::{Context, Object, SimpleObject};
use landslide_domain::{ids::PollId, poll::Dimension};
use landslide_edge::Error;
use landslide_service::analytics::{self, Window};
use serde::Deserialize;

use super::{
    asked, mirrored, time,
    words::{Count, DateTime, Kind},
};
use crate::asked::Asked;

/// How many polls a ranking may have.
const FIRST: RangeInclusive<u32> = 1..=100;

/// Figures over all polls of the caller's tenant, about a minute old. Windows are the last week unless they are said, at most 366
/// days, and count minutes whole. Each field fails in a deployment without analytics.
pub struct Analytics;

#[Object(rename_fields = "snake_case", rename_args = "snake_case")]
impl Analytics {
    /// The polls with the most votes in a window.
    async fn polls(
        &self,
        ctx: &Context<'_>,
        from: Option<DateTime>,
        to: Option<DateTime>,
        #[graphql(desc = "How many, 1 to 100.", default = 20)] first: u32,
    ) -> Option<async_graphql::Result<Ranking>> {
        let asked = asked(ctx);
        asked
            .field(async {
                if !FIRST.contains(&first) {
                    return Err(Error::invalid("The argument first must be 1 to 100."));
                }
                let analytics = asked.services.analytics.get().await?;
                mirrored(&analytics.ranking(&asked.member()?, window(asked, from, to)?, first, asked.now).await?)
            })
            .await
    }

    /// Votes by day of UTC, of all polls or of one.
    async fn days(
        &self,
        ctx: &Context<'_>,
        from: Option<DateTime>,
        to: Option<DateTime>,
        poll_id: Option<String>,
    ) -> Option<async_graphql::Result<VotesByDay>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let refused = || Error::invalid("The argument poll_id must be the id of a poll.");
                let poll_id = poll_id.map(|text| PollId::parse(&text).ok_or_else(refused)).transpose()?;
                let (analytics, window) = (asked.services.analytics.get().await?, window(asked, from, to)?);
                mirrored(&analytics.days(&asked.member()?, window, poll_id.as_ref(), asked.now).await?)
            })
            .await
    }

    /// Ballots by the values of a dimension, over all polls that have one of this name.
    async fn segments(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = "region")] by: String,
    ) -> Option<async_graphql::Result<VotesBySegment>> {
        let asked = asked(ctx);
        asked
            .field(async {
                if !Dimension::is_name(&by) {
                    return Err(Error::invalid("The argument by must be the name of a dimension, such as region."));
                }
                let analytics = asked.services.analytics.get().await?;
                mirrored(&analytics.segments(&asked.member()?, &by, asked.now).await?)
            })
            .await
    }

    /// A poll's counts minute by minute.
    async fn history(
        &self,
        ctx: &Context<'_>,
        poll_id: String,
        from: Option<DateTime>,
        to: Option<DateTime>,
    ) -> Option<async_graphql::Result<History>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let poll_id = PollId::parse(&poll_id).ok_or(landslide_domain::error::Error::NoSuchPoll)?;
                let (analytics, window) = (asked.services.analytics.get().await?, window(asked, from, to)?);
                mirrored(&analytics.history(&asked.member()?, &poll_id, window, asked.now).await?)
            })
            .await
    }
}

fn window(asked: &Asked, from: Option<DateTime>, to: Option<DateTime>) -> Result<Window, Error> {
    analytics::window(time("from", from)?, time("to", to)?, asked.now).map_err(Error::invalid)
}

/// The polls with the most votes in a window.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Ranking {
    from: DateTime,
    to: DateTime,
    polls: Vec<RankedPoll>,
    /// Changes until this time are in it.
    read_at: Option<DateTime>,
    behind_seconds: Option<Count>,
}

/// A poll in a ranking.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct RankedPoll {
    poll_id: String,
    question: String,
    kind: Kind,
    /// What the window added. Negative if more votes were retracted than cast.
    votes: Count,
    /// All votes that stand now.
    ballots: Count,
}

/// Votes by day.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct VotesByDay {
    from: DateTime,
    to: DateTime,
    days: Vec<VotesOfDay>,
    /// Changes until this time are in it.
    read_at: Option<DateTime>,
    behind_seconds: Option<Count>,
}

/// The votes of a day.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct VotesOfDay {
    /// The day of UTC, such as 2026-11-24.
    day: String,
    votes: Count,
}

/// Ballots by the values of a dimension.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct VotesBySegment {
    by: String,
    segments: Vec<SegmentTotal>,
    /// Changes until this time are in it.
    read_at: Option<DateTime>,
    behind_seconds: Option<Count>,
}

/// The ballots of a value.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct SegmentTotal {
    /// The value; null for voters who have none.
    value: Option<String>,
    /// How many polls have such ballots.
    polls: Count,
    ballots: Count,
}

/// A poll's counts over time.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct History {
    poll_id: String,
    from: DateTime,
    to: DateTime,
    points: Vec<HistoryPoint>,
    /// From when on to ask for the rest, if there is any.
    next_from: Option<DateTime>,
    /// Changes until this time are in it.
    read_at: Option<DateTime>,
    behind_seconds: Option<Count>,
}

/// A poll's counts at the end of a minute.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct HistoryPoint {
    minute: DateTime,
    /// When the newest vote of them was cast.
    as_of: DateTime,
    ballots: Count,
    /// By option id.
    votes: Vec<Count>,
}
