//! What a tenant has used.

use async_graphql::SimpleObject;
use serde::Deserialize;

use super::words::Count;

/// What the caller's tenant has used in a month.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Usage {
    month: String,
    /// The tenant's polls that were created in the month.
    polls: Count,
    /// The ballots that these polls hold now.
    ballots: Count,
    /// Management requests in the month, but for those that a limit refused.
    requests: Count,
    /// What AWS charges for the ballots by its list prices, in US dollars.
    list_price_usd: f64,
    /// Whether all polls are in it.
    complete: bool,
    /// What the figures are and what they leave out, for people.
    notes: Vec<String>,
}
