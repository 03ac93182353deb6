//! Analytics over a tenant's polls, from a replica of the database that polls and counts are copied to.

pub use landslide_analytics::reader::Window;
use landslide_analytics::{
    error::Error as AnalyticsError,
    reader::{Answer, Day, Moment, Ranked, Reader, Value},
};
use landslide_aws::{config, sdk};
use landslide_domain::{
    error::Error,
    ids::PollId,
    member::Member,
    role::Operation,
    time::{DAY_MS, MINUTE_MS, Timestamp},
};
use serde::Serialize;

/// The longest window, in milliseconds.
pub const WINDOW_MS_MAX: u64 = 366 * DAY_MS;
/// The most rows of a poll's history in one answer: the minutes of a day.
const MOMENTS_MAX: usize = 24 * 60;

/// Analytics.
pub struct TenantAnalytics {
    source: Source,
}

/// What analytics are read from.
enum Source {
    /// Nothing: the deployment has none.
    Nothing,
    /// Nothing, as the variables that lead to the replica are wrong in this way.
    Misconfigured(AnalyticsError),
    /// A replica.
    Replica(Box<Reader>),
}

/// How old an answer is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// Changes until this time are in it. `None` before anything was copied.
    read_at: Option<Timestamp>,
    /// How long ago that was.
    behind_seconds: Option<u64>,
}

/// The polls with the most votes in a window.
#[derive(Debug, Serialize)]
pub struct RankingView {
    from: Timestamp,
    to: Timestamp,
    polls: Vec<RankedPoll>,
    #[serde(flatten)]
    freshness: Freshness,
}

#[derive(Debug, Serialize)]
struct RankedPoll {
    poll_id: String,
    question: String,
    kind: String,
    votes: i64,
    ballots: i64,
}

/// Votes by day.
#[derive(Debug, Serialize)]
pub struct DaysView {
    from: Timestamp,
    to: Timestamp,
    days: Vec<VotesOfDay>,
    #[serde(flatten)]
    freshness: Freshness,
}

#[derive(Debug, Serialize)]
struct VotesOfDay {
    day: String,
    votes: i64,
}

/// Ballots by the values of a dimension.
#[derive(Debug, Serialize)]
pub struct SegmentsView<'a> {
    by: &'a str,
    segments: Vec<SegmentTotal>,
    #[serde(flatten)]
    freshness: Freshness,
}

#[derive(Debug, Serialize)]
struct SegmentTotal {
    value: Option<String>,
    polls: i64,
    ballots: i64,
}

/// A poll's counts over time.
#[derive(Debug, Serialize)]
pub struct HistoryView<'a> {
    poll_id: &'a PollId,
    from: Timestamp,
    to: Timestamp,
    points: Vec<Point>,
    /// From when on to ask for the rest, if there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_from: Option<Timestamp>,
    #[serde(flatten)]
    freshness: Freshness,
}

#[derive(Debug, Serialize)]
struct Point {
    minute: Timestamp,
    as_of: Timestamp,
    ballots: i64,
    votes: Vec<i64>,
}

impl TenantAnalytics {
    /// Uses the replica in the environment's variables, if the deployment has analytics. Says in the log what is wrong with
    /// it, and goes on. Fails if the secret with its password can't be read.
    pub async fn from_env() -> Result<Self, AnalyticsError> {
        if config::text_if_any("ANALYTICS").as_deref() != Some("true") {
            return Ok(Self { source: Source::Nothing });
        }
        let reader = match Reader::from_env(&sdk::sdk_config()?).await {
            Ok(reader) => reader,
            Err(error @ AnalyticsError::Secret(_)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "analytics can't be read: {error}");
                return Ok(Self { source: Source::Misconfigured(error) });
            }
        };
        if let Err(error) = reader.check().await {
            tracing::error!(%error, "analytics can't be read now: {error}");
        }
        Ok(Self { source: Source::Replica(Box::new(reader)) })
    }

    /// The polls of the member's tenant with the most votes in the window, at most `limit`.
    pub async fn ranking(
        &self,
        member: &Member,
        window: Window,
        limit: u32,
        now: Timestamp,
    ) -> Result<RankingView, Error> {
        let reader = self.reader_for(member, Operation::GetRanking)?;
        let answer = reader.ranking(&member.tenant.key(), window, limit).await.map_err(|error| failure(&error))?;
        let (rows, freshness) = with_age(answer, now);
        let ranked =
            |Ranked { poll_id, question, kind, votes, ballots }| RankedPoll { poll_id, question, kind, votes, ballots };
        let polls = rows.into_iter().map(ranked).collect();
        Ok(RankingView { from: window.from, to: window.until, polls, freshness })
    }

    /// The votes of each day in the window, of all polls of the member's tenant or of one.
    pub async fn days(
        &self,
        member: &Member,
        window: Window,
        poll: Option<&PollId>,
        now: Timestamp,
    ) -> Result<DaysView, Error> {
        let reader = self.reader_for(member, Operation::GetVotesByDay)?;
        let answer = reader.days(&member.tenant.key(), window, poll).await.map_err(|error| failure(&error))?;
        let (rows, freshness) = with_age(answer, now);
        let days = rows.into_iter().map(|Day { day, votes }| VotesOfDay { day, votes }).collect();
        Ok(DaysView { from: window.from, to: window.until, days, freshness })
    }

    /// The ballots by the values of a dimension, over all polls of the member's tenant that have one of this name.
    pub async fn segments<'a>(&self, member: &Member, by: &'a str, now: Timestamp) -> Result<SegmentsView<'a>, Error> {
        let reader = self.reader_for(member, Operation::GetVotesBySegment)?;
        let answer = reader.values(&member.tenant.key(), by).await.map_err(|error| failure(&error))?;
        let (rows, freshness) = with_age(answer, now);
        let total = |Value { value, polls, ballots }| SegmentTotal { value, polls, ballots };
        Ok(SegmentsView { by, segments: rows.into_iter().map(total).collect(), freshness })
    }

    /// The counts of a poll of the member's tenant, minute by minute.
    pub async fn history<'a>(
        &self,
        member: &Member,
        poll_id: &'a PollId,
        window: Window,
        now: Timestamp,
    ) -> Result<HistoryView<'a>, Error> {
        let reader = self.reader_for(member, Operation::GetHistory)?;
        let limit = u32::try_from(MOMENTS_MAX + 1).unwrap_or(u32::MAX);
        let answer =
            reader.history(&member.tenant.key(), poll_id, window, limit).await.map_err(|error| failure(&error))?;
        let (rows, freshness) = with_age(answer, now);
        let (points, next_from) = points(rows.ok_or(Error::NoSuchPoll)?);
        Ok(HistoryView { poll_id, from: window.from, to: window.until, points, next_from, freshness })
    }

    fn reader_for(&self, member: &Member, operation: Operation) -> Result<&Reader, Error> {
        member.must(operation)?;
        match &self.source {
            Source::Nothing => Err(Error::NoAnalytics),
            Source::Misconfigured(error) => Err(failure(error)),
            Source::Replica(reader) => Ok(reader),
        }
    }
}

/// As many points as an answer has, and where the next ones begin.
fn points(mut moments: Vec<Moment>) -> (Vec<Point>, Option<Timestamp>) {
    let next = moments.get(MOMENTS_MAX).map(|moment| moment.minute);
    moments.truncate(MOMENTS_MAX);
    let point = |Moment { minute, as_of, ballots, votes }| Point { minute, as_of, ballots, votes };
    (moments.into_iter().map(point).collect(), next)
}

fn with_age<T>(answer: Answer<T>, now: Timestamp) -> (T, Freshness) {
    let read_at = answer.read_at;
    let behind_seconds = read_at.map(|read_at| now.millis_since(read_at) / 1_000);
    (answer.rows, Freshness { read_at, behind_seconds })
}

/// While a replica takes the primary's place, it is none for a while.
fn failure(error: &AnalyticsError) -> Error {
    if error.is_temporary() || matches!(error, AnalyticsError::NotAReplica) {
        Error::Unavailable(error.to_string())
    } else {
        Error::Internal(error.to_string())
    }
}

/// The window of a request: by default the last week until now. Fails with what is wrong with it.
pub fn window(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Result<Window, &'static str> {
    // The minute that has begun is in it.
    let until = to.unwrap_or_else(|| now.minute().plus_millis(MINUTE_MS));
    let week = Timestamp::from_millis(until.as_millis().saturating_sub(7 * DAY_MS)).unwrap_or(Timestamp::EPOCH);
    let from = from.unwrap_or(week);
    if until <= from {
        return Err("The query's from must be earlier than its to.");
    }
    if until.millis_since(from) > WINDOW_MS_MAX {
        return Err("The query's from and to must be at most 366 days apart.");
    }
    Ok(Window { from, until })
}

#[cfg(test)]
mod tests {
    use landslide_domain::{member::Author, role::Role, tenant::Tenant, testing::at};

    use super::*;

    fn member(role: Option<Role>) -> Member {
        Member {
            tenant: Tenant::account("https://id.example.org", "alice"),
            role,
            author: Author::Operator,
            request_id: "r-1".to_owned(),
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn without_analytics_members_are_told_so_and_others_that_they_may_not() {
        let none = TenantAnalytics { source: Source::Nothing };
        let window = window(None, None, at(0)).unwrap();
        let poll = PollId::parse("p1").unwrap();
        for (role, error) in [(Some(Role::Viewer), Error::NoAnalytics), (None, Error::NoRole)] {
            let member = member(role);
            assert_eq!(run(none.ranking(&member, window, 10, at(0))).unwrap_err(), error);
            assert_eq!(run(none.days(&member, window, None, at(0))).unwrap_err(), error);
            assert_eq!(run(none.segments(&member, "region", at(0))).unwrap_err(), error);
            assert_eq!(run(none.history(&member, &poll, window, at(0))).unwrap_err(), error);
        }
    }

    #[test]
    fn a_window_is_the_last_week_unless_it_is_said_and_at_most_a_year() {
        let now = at(90);
        let until = now.minute().plus_millis(MINUTE_MS);
        let days = |number: u64| at(0).plus_millis(number * DAY_MS);
        let by_default = window(None, None, now).unwrap();
        assert_eq!((by_default.until, until.millis_since(by_default.from)), (until, 7 * DAY_MS));
        assert_eq!(window(Some(at(0)), Some(days(366)), now).map(|window| window.from), Ok(at(0)));
        assert!(window(Some(at(0)), Some(days(366).plus_millis(1)), now).unwrap_err().contains("366 days"));
        assert!(window(Some(at(5)), Some(at(5)), now).unwrap_err().contains("earlier"));
        assert_eq!(window(None, Some(Timestamp::EPOCH.plus_millis(1)), now).map(|it| it.from), Ok(Timestamp::EPOCH));
    }

    #[test]
    fn a_history_says_where_the_next_points_begin() {
        let moment = |minute: usize| {
            let minute = at(0).plus_millis(minute as u64 * MINUTE_MS);
            Moment { minute, as_of: minute, ballots: 1, votes: vec![1] }
        };
        for (rows, points, next) in
            [(MOMENTS_MAX, MOMENTS_MAX, None), (MOMENTS_MAX + 1, MOMENTS_MAX, Some(moment(MOMENTS_MAX).minute))]
        {
            let (shown, next_from) = super::points((0..rows).map(moment).collect());
            assert_eq!((shown.len(), next_from), (points, next));
        }
    }

    #[test]
    fn an_answer_says_how_old_it_is() {
        let of = |read_at| with_age(Answer { rows: (), read_at }, at(90)).1;
        assert_eq!(of(Some(at(30))), Freshness { read_at: Some(at(30)), behind_seconds: Some(60) });
        assert_eq!(of(None), Freshness { read_at: None, behind_seconds: None });
    }

    #[test]
    fn a_replica_that_is_away_is_unavailable_and_a_wrong_one_is_our_fault() {
        let away = AnalyticsError::Unreachable("db:5432".to_owned(), "refused".to_owned());
        assert!(matches!(failure(&away), Error::Unavailable(_)));
        assert!(matches!(failure(&AnalyticsError::NotAReplica), Error::Unavailable(_)));
        assert!(matches!(failure(&AnalyticsError::NoSchema), Error::Internal(_)));
    }
}
