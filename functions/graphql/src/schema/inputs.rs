//! What mutations take: the bodies of REST's routes.

use async_graphql::{InputObject, MaybeUndefined};
use landslide_edge::{Error, parse_body};
use serde::{Serialize, de::DeserializeOwned};

use super::words::{DateTime, Devices, Identity, Kind, Method, OwnVote, ResultsVisibility, VoteChange};

/// Inputs of which every field may be absent, or null: what that means is up to REST's rules.
macro_rules! settings {
    ($(#[$about:meta])* $name:ident { $($(#[$about_field:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$about])*
        #[derive(Serialize, InputObject)]
        #[graphql(rename_fields = "snake_case")]
        pub struct $name {
            $(
                $(#[$about_field])*
                #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
                $field: MaybeUndefined<$type>,
            )+
        }
    };
}

settings! {
    /// Labels and settings of a poll, without its question.
    Settings {
        /// Labels. A poll of kind `text` has none, any other must have them.
        options: Vec<String>,
        kind: Kind,
        max_choices: i64,
        min_choices: i64,
        write_in: bool,
        scale: ScaleInput,
        correct: Vec<i64>,
        seats: i64,
        method: Method,
        segments: Vec<DimensionInput>,
        min_cell: i64,
        series: bool,
        opens_at: DateTime,
        closes_at: DateTime,
        identity: Identity,
        vote_change: VoteChange,
        results: ResultsVisibility,
        peak_votes_per_second: i64,
        viewers: i64,
        own_vote: OwnVote,
        devices: Devices,
        embed: Vec<String>,
        listed: bool,
    }
}

/// A poll to be made. Fields are explained in infra/openapi.yaml, `NewPoll`.
#[derive(Serialize, InputObject)]
#[graphql(rename_fields = "snake_case")]
pub struct NewPoll {
    question: String,
    #[graphql(flatten)]
    #[serde(flatten)]
    settings: Settings,
}

/// What is to change in a poll. What is absent stays as it is; null clears a time.
#[derive(Serialize, InputObject)]
#[graphql(rename_fields = "snake_case")]
pub struct EditPoll {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    question: MaybeUndefined<String>,
    #[graphql(flatten)]
    #[serde(flatten)]
    settings: Settings,
}

/// What is to be another in a poll's copy. What is absent is as in the poll; null clears a time.
#[derive(Serialize, InputObject)]
#[graphql(rename_fields = "snake_case")]
pub struct CopyPoll {
    #[serde(skip_serializing_if = "MaybeUndefined::is_undefined")]
    question: MaybeUndefined<String>,
    #[graphql(flatten)]
    #[serde(flatten)]
    settings: Settings,
}

/// The levels of ratings.
#[derive(Serialize, InputObject)]
#[graphql(rename_fields = "snake_case")]
pub struct ScaleInput {
    min: i64,
    max: i64,
}

/// What a poll's votes are broken down by.
#[derive(Serialize, InputObject)]
#[graphql(rename_fields = "snake_case")]
pub struct DimensionInput {
    name: String,
    values: Vec<String>,
    /// Who says a voter's value: `vote`, `country` or `claim:…`.
    from: String,
}

/// An input as REST reads it in a body, with REST's errors.
pub fn sent<T: DeserializeOwned>(input: &impl Serialize) -> Result<T, Error> {
    let text = serde_json::to_string(input).map_err(|error| Error::internal(format!("write an input: {error}")))?;
    parse_body(&text)
}
