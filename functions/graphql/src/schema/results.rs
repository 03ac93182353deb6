//! What is counted of a poll's votes.

use async_graphql::{Context, Object, SimpleObject};
use landslide_domain::{error::Error as Failure, ids::PollId, method};
use landslide_service::results::SeriesQuery;
use serde::Deserialize;

use super::{
    asked, read,
    tally::Tally,
    time,
    words::{Count, DateTime, Exactness, Method, Slot, Status},
};

/// What is counted of a poll's votes.
pub struct Counts {
    poll_id: String,
}

impl Counts {
    /// Of the poll with this id, if there is one.
    pub fn of(poll_id: &str) -> Self {
        Self { poll_id: poll_id.to_owned() }
    }

    fn id(&self) -> Result<PollId, Failure> {
        PollId::parse(&self.poll_id).ok_or(Failure::NoSuchPoll)
    }
}

/// What is counted of a poll's votes. Each field is null, with an error, if the caller may not see the counts, or the poll has
/// none of that kind.
#[Object(rename_fields = "snake_case", rename_args = "snake_case")]
impl Counts {
    /// The results.
    async fn results(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of ranked polls: by which method to count, instead of the poll's own.")] method: Option<
            Method,
        >,
    ) -> Option<async_graphql::Result<Results>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let results = &asked.services.results;
                let document = results.document(&self.id()?, asked.viewer.as_ref(), asked.now).await?;
                asked.reused(&document);
                match method {
                    Some(method) => read(&document.by_method(method.into())?.0),
                    None => read(&document.text),
                }
            })
            .await
    }

    /// Votes by the values of a dimension.
    async fn segments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The name of one of the poll's dimensions; by default of its first.")] by: Option<String>,
    ) -> Option<async_graphql::Result<SegmentRows>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let results = &asked.services.broken_down;
                let document = results.document(&self.id()?, asked.viewer.as_ref(), asked.now).await?;
                asked.reused(&document);
                read(&document.by_segment(by.as_deref(), asked.viewer.as_ref())?.0)
            })
            .await
    }

    /// Votes by the time at which they were cast.
    async fn series(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From when on; by default from the opening.")] from: Option<DateTime>,
        #[graphql(desc = "Until when; by default until the newest vote.")] to: Option<DateTime>,
        #[graphql(desc = "How many seconds a point sums up: a multiple of the poll's slots; by default one slot.")]
        step: Option<u32>,
    ) -> Option<async_graphql::Result<SeriesPoints>> {
        let asked = asked(ctx);
        asked
            .field(async {
                let query =
                    SeriesQuery { from: time("from", from)?, to: time("to", to)?, step_seconds: step.map(u64::from) };
                let results = &asked.services.broken_down;
                let document = results.document(&self.id()?, asked.viewer.as_ref(), asked.now).await?;
                asked.reused(&document);
                read(&document.by_time(&query)?.0)
            })
            .await
    }
}

impl From<Method> for method::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Irv => Self::Irv,
            Method::Stv => Self::Stv,
            Method::Condorcet => Self::Condorcet,
            Method::Borda => Self::Borda,
        }
    }
}

/// The results. `tally` is in a poll of kind `ranked`, where `votes` are first choices; `answers` in one of kind `text`,
/// `write_ins` in one that takes them, `quiz` in a quiz once it is closed.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Results {
    poll_id: String,
    status: Status,
    ballots: Count,
    options: Vec<OptionVotes>,
    /// `cast_at` of the newest vote counted; null before the first.
    as_of: Option<DateTime>,
    /// Whether it never changes any more.
    #[serde(rename = "final")]
    #[graphql(name = "final")]
    is_final: bool,
    version: Version,
    tally: Option<Tally>,
    answers: Option<Answers>,
    write_ins: Option<Answers>,
    quiz: Option<Quiz>,
    /// Why a part is not there.
    unavailable: Option<String>,
}

/// Which state of a poll it is. Neither number goes down: drop what has a lower one than you show.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Version {
    poll: Count,
    counts: Count,
}

/// An option's votes.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct OptionVotes {
    id: u8,
    label: String,
    votes: Count,
    /// Of kind `rating`.
    rating: Option<Rating>,
}

/// An option's ratings.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Rating {
    ratings: Count,
    /// By level, the lowest first.
    counts: Vec<LevelCount>,
    /// To four places; null without ratings.
    mean: Option<f64>,
    /// Of an even number the lower of both in the middle.
    median: Option<i8>,
    /// On a scale from 0 to 10.
    net_promoter_score: Option<f64>,
}

/// Ratings of one level.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct LevelCount {
    value: i8,
    count: Count,
}

/// What people wrote.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Answers {
    /// The most frequent ones, each in its most frequent spelling.
    top: Vec<AnswerCount>,
    /// How many different ones there are.
    distinct: Count,
    distinct_is: Exactness,
    /// Ballots with others.
    further: Count,
    /// Ballots with answers that are hidden.
    hidden: Count,
    approximate: Option<Approximate>,
}

/// An answer.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct AnswerCount {
    text: String,
    count: Count,
}

/// There once rare answers are counted together.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Approximate {
    /// By how much a count may be wrong.
    each_within: Count,
}

/// How a quiz was answered.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct Quiz {
    correct: Vec<u8>,
    /// Ballots that are exactly right.
    right: Count,
    /// Of all ballots.
    share: f64,
}

/// A poll's votes by the values of a dimension.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct SegmentRows {
    poll_id: String,
    status: Status,
    by: String,
    /// The sum of all rows.
    ballots: Count,
    rows: Vec<SegmentRow>,
    /// Rows of few ballots together.
    others: Option<RowCounts>,
    /// Whether small rows are shown as one, and rows move in steps.
    blurred: bool,
    /// Whether a part of a change is on its way.
    #[serde(default)]
    settling: bool,
    as_of: Option<DateTime>,
    #[serde(rename = "final")]
    #[graphql(name = "final")]
    is_final: bool,
    version: Version,
    /// Why there are no rows.
    unavailable: Option<String>,
}

/// The votes of one value.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct SegmentRow {
    /// Null: unknown.
    value: Option<String>,
    ballots: Count,
    /// By option id.
    votes: Vec<Count>,
    /// Of kind `rating`: by option id, by level.
    levels: Option<Vec<Vec<Count>>>,
}

/// Votes of some values together.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct RowCounts {
    ballots: Count,
    votes: Vec<Count>,
    levels: Option<Vec<Vec<Count>>>,
}

/// A poll's votes by time.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct SeriesPoints {
    poll_id: String,
    status: Status,
    slot: Slot,
    step_seconds: u32,
    /// The sum of all points.
    ballots: Count,
    points: Vec<SeriesPoint>,
    /// Whether a part of a change is on its way.
    #[serde(default)]
    settling: bool,
    as_of: Option<DateTime>,
    #[serde(rename = "final")]
    #[graphql(name = "final")]
    is_final: bool,
    version: Version,
    /// Why there are no points.
    unavailable: Option<String>,
}

/// The votes of some time.
#[derive(Deserialize, SimpleObject)]
#[graphql(rename_fields = "snake_case")]
pub struct SeriesPoint {
    /// When it begins.
    at: DateTime,
    ballots: Count,
    /// By option id.
    votes: Vec<Count>,
    /// Of kind `rating`: by option id, by level.
    levels: Option<Vec<Vec<Count>>>,
}
