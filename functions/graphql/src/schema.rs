//! The schema: REST's documents as types, with the same names, and the fields that lead from one to another.

mod analytics;
mod inputs;
mod mutation;
mod poll;
mod results;
mod tally;
mod usage;
mod words;

use std::sync::Arc;

use async_graphql::{Context, EmptySubscription, Object, Schema};
use landslide_domain::{ids::PollId, time::Timestamp, usage::Month};
use landslide_edge::Error;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::mutation::takes;
use self::{
    analytics::Analytics,
    mutation::Mutation,
    poll::{PageInfo, Poll, PollConnection, PollEdge},
    results::Counts,
    usage::Usage,
    words::DateTime,
};
use crate::asked::Asked;

/// The whole schema.
pub(crate) type Published = Schema<Query, Mutation, EmptySubscription>;

/// The schema as it is served.
pub(crate) fn schema() -> Published {
    let schema = Schema::build(Query, Mutation, EmptySubscription);
    schema.disable_introspection().disable_suggestions().finish()
}

/// Where a query begins.
pub(crate) struct Query;

#[Object(rename_fields = "snake_case", rename_args = "snake_case")]
impl Query {
    /// A poll, as anyone sees it.
    async fn poll(&self, ctx: &Context<'_>, poll_id: String) -> Option<async_graphql::Result<Poll>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let poll_id = PollId::parse(&poll_id).ok_or(landslide_domain::error::Error::NoSuchPoll)?;
                let poll = asked.services.polls.poll(&poll_id, asked.now).await?;
                mirrored(&poll.view(asked.now))
            })
            .await
    }

    /// The polls of the caller's tenant, newest first.
    async fn polls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100.", default = 20)] first: usize,
        #[graphql(desc = "The cursor of the poll before.")] after: Option<String>,
    ) -> Option<async_graphql::Result<PollConnection>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let member = asked.member()?;
                let page = asked.services.lists.page(&member, after.as_deref(), first).await?;
                let edges = page.polls.iter().map(|settings| {
                    let node = Arc::new(mirrored(&settings.own_view(asked.now))?);
                    Ok(PollEdge { cursor: settings.cursor_in(&member.tenant), node })
                });
                let edges = edges.collect::<Result<Vec<_>, Error>>()?;
                let cursor = |edge: Option<&PollEdge>| edge.map(|edge| edge.cursor.clone());
                let page_info = PageInfo {
                    has_next_page: page.next_cursor.is_some(),
                    has_previous_page: after.is_some(),
                    start_cursor: cursor(edges.first()),
                    end_cursor: page.next_cursor.or_else(|| cursor(edges.last())),
                };
                Ok(PollConnection { nodes: edges.iter().map(|edge| edge.node.clone()).collect(), edges, page_info })
            })
            .await
    }

    /// What is counted of a poll's votes, without reading the poll itself.
    async fn counts(&self, poll_id: String) -> Counts {
        Counts::of(&poll_id)
    }

    /// Figures over all polls of the caller's tenant, in a deployment that has them.
    async fn analytics(&self) -> Analytics {
        Analytics
    }

    /// What the caller's tenant has used in a month.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A month of UTC, such as 2026-11; by default the current one.")] month: Option<String>,
    ) -> Option<async_graphql::Result<Usage>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let refused = |_| Error::invalid("The argument month must be a year and a month, such as 2026-11.");
                let month = month.map_or(Ok(Month::of(asked.now)), |month| month.parse().map_err(refused))?;
                mirrored(&asked.services.usage.of_member(&asked.member()?, month).await?.view())
            })
            .await
    }
}

/// The request that is answered.
fn asked<'a>(ctx: &Context<'a>) -> &'a Asked {
    ctx.data_unchecked::<Arc<Asked>>()
}

/// A time that an argument says.
fn time(name: &str, sent: Option<DateTime>) -> Result<Option<Timestamp>, Error> {
    let Some(DateTime(text)) = sent else { return Ok(None) };
    let invalid =
        || Error::invalid(format!("The argument {name} must be a time by RFC 3339, such as 2027-01-31T20:15:00Z."));
    Timestamp::parse_bounded(&text).map(Some).ok_or_else(invalid)
}

/// What REST shows, as a type of the schema.
fn mirrored<T: DeserializeOwned>(view: &impl Serialize) -> Result<T, Error> {
    let text = serde_json::to_string(view).map_err(|error| Error::internal(format!("write a view: {error}")))?;
    read(&text)
}

/// A document of REST's, as a type of the schema.
fn read<T: DeserializeOwned>(document: &str) -> Result<T, Error> {
    serde_json::from_str(document)
        .map_err(|error| Error::internal(format!("a document that the schema lacks: {error}")))
}
