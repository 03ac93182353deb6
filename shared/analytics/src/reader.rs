//! Reading from a replica, as one tenant.

use std::time::Duration;

use aws_types::SdkConfig;
use landslide_domain::{ids::PollId, tenant::TenantKey, time::Timestamp};
use tokio::sync::Mutex;
use tokio_postgres::{Row, types::ToSql};

use crate::{
    address::{Address, Side},
    connection::Kept,
    error::Error,
    time::{from_sql, to_sql},
};

/// Time limit for an answer, connecting included. The server itself gives up a statement after 5 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(7);

/// A tenant's polls by the votes that a window added. Rows of the history outside it are not read.
pub const RANKING: &str = "SELECT p.poll_id, p.question, p.kind, h.votes, p.ballots
    FROM (SELECT poll_id, sum(ballots - ballots_before)::bigint AS votes FROM analytics.count_history
        WHERE minute >= $1 AND minute < $2 GROUP BY poll_id) h
    JOIN analytics.polls p USING (poll_id)
    ORDER BY h.votes DESC, p.poll_id LIMIT $3";

/// Votes by day of UTC, of all polls or of one.
pub const DAYS: &str = "SELECT (minute AT TIME ZONE 'UTC')::date::text AS day, sum(ballots - ballots_before)::bigint
    FROM analytics.count_history WHERE minute >= $1 AND minute < $2 AND ($3::text IS NULL OR poll_id = $3)
    GROUP BY day ORDER BY day";

/// Ballots by value of a dimension, over all polls that have it.
pub const VALUES: &str =
    "SELECT value, count(*), sum(ballots)::bigint FROM analytics.segment_counts WHERE dimension = $1
    GROUP BY value ORDER BY 3 DESC, value LIMIT $2";

/// One poll's history.
pub const HISTORY: &str = "SELECT minute, as_of, ballots, votes FROM analytics.count_history
    WHERE poll_id = $1 AND minute >= $2 AND minute < $3 ORDER BY minute LIMIT $4";

/// Whether the tenant has the poll.
const KNOWN: &str = "SELECT FROM analytics.polls WHERE poll_id = $1";

/// The most values of a dimension that are shown.
pub const VALUES_MAX: i64 = 1_000;

/// From a time on, until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment. Minutes count whole.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// What was asked for, and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The rows.
    pub rows: T,
    /// Changes until this time are in them. `None` if nothing was ever synced.
    pub read_at: Option<Timestamp>,
}

/// A poll, and the votes that a window added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The poll.
    pub poll_id: String,
    /// Its question.
    pub question: String,
    /// Its kind.
    pub kind: String,
    /// What the window added. Negative if more votes were retracted than cast.
    pub votes: i64,
    /// All votes that stand.
    pub ballots: i64,
}

/// Votes of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day in UTC, such as `2026-11-24`.
    pub day: String,
    /// What it added.
    pub votes: i64,
}

/// Votes of a segment, over polls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value. `None` for voters who have none of the dimension's.
    pub value: Option<String>,
    /// In how many polls there are such.
    pub polls: i64,
    /// All votes that stand.
    pub ballots: i64,
}

/// A poll's counts at the end of a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The minute.
    pub minute: Timestamp,
    /// `cast_at` of the newest vote counted.
    pub as_of: Timestamp,
    /// How many votes stood.
    pub ballots: i64,
    /// The votes, by option id.
    pub votes: Vec<i64>,
}

/// Reads a tenant's rows over one connection, which is shared.
pub struct Reader {
    kept: Mutex<Kept>,
}

impl Reader {
    /// Uses the server in the environment's variables. It connects when it is first used.
    pub async fn from_env(aws: &SdkConfig) -> Result<Self, Error> {
        Ok(Self::new(Address::from_env(aws, Side::Read).await?))
    }

    /// Uses this server.
    pub fn new(address: Address) -> Self {
        Self { kept: Mutex::new(Kept::new(address, Side::Read)) }
    }

    /// Whether the server can be used. The failure says what to do.
    pub async fn check(&self) -> Result<(), Error> {
        let mut kept = self.kept.lock().await;
        let connected = tokio::time::timeout(ANSWER_TIMEOUT, kept.client()).await.map(|client| client.map(drop));
        connected.unwrap_or_else(|_| Err(too_slow(&kept)))
    }

    /// The tenant's polls with the most votes in the window, at most `limit`.
    pub async fn ranking(&self, tenant: &TenantKey, window: Window, limit: u32) -> Result<Answer<Vec<Ranked>>, Error> {
        let (from, until, limit) = (to_sql(window.from), to_sql(window.until), i64::from(limit));
        let ranked = |row: &Row| Ranked {
            poll_id: row.get(0),
            question: row.get(1),
            kind: row.get(2),
            votes: row.get(3),
            ballots: row.get(4),
        };
        self.as_tenant(tenant, RANKING, &[&from, &until, &limit]).await.map(|answer| answer.each(ranked))
    }

    /// The votes of each day in the window that has some, of all the tenant's polls or of one.
    pub async fn days(
        &self,
        tenant: &TenantKey,
        window: Window,
        poll_id: Option<&PollId>,
    ) -> Result<Answer<Vec<Day>>, Error> {
        let (from, until) = (to_sql(window.from), to_sql(window.until));
        let poll_id = poll_id.map(PollId::as_str);
        let day = |row: &Row| Day { day: row.get(0), votes: row.get(1) };
        self.as_tenant(tenant, DAYS, &[&from, &until, &poll_id]).await.map(|answer| answer.each(day))
    }

    /// The votes by value of a dimension, over all the tenant's polls that have a dimension of that name.
    pub async fn values(&self, tenant: &TenantKey, dimension: &str) -> Result<Answer<Vec<Value>>, Error> {
        let value = |row: &Row| Value {
            value: row.get::<_, Option<String>>(0).filter(|value| !value.is_empty()),
            polls: row.get(1),
            ballots: row.get(2),
        };
        self.as_tenant(tenant, VALUES, &[&dimension, &VALUES_MAX]).await.map(|answer| answer.each(value))
    }

    /// A poll's counts, minute by minute, at most `limit`. `None` if the tenant has no such poll.
    pub async fn history(
        &self,
        tenant: &TenantKey,
        poll_id: &PollId,
        window: Window,
        limit: u32,
    ) -> Result<Answer<Option<Vec<Moment>>>, Error> {
        let (poll_id, limit) = (poll_id.as_str(), i64::from(limit));
        let (from, until) = (to_sql(window.from), to_sql(window.until));
        let moment = |row: &Row| Moment {
            minute: from_sql(row.get(0)),
            as_of: from_sql(row.get(1)),
            ballots: row.get(2),
            votes: row.get(3),
        };
        let moments = self.as_tenant(tenant, HISTORY, &[&poll_id, &from, &until, &limit]).await?.each(moment);
        if !moments.rows.is_empty() {
            return Ok(Answer { rows: Some(moments.rows), read_at: moments.read_at });
        }
        let known = self.as_tenant(tenant, KNOWN, &[&poll_id]).await?;
        Ok(Answer { rows: (!known.rows.is_empty()).then(Vec::new), read_at: known.read_at })
    }

    /// Asks in a transaction in which the database shows this tenant's rows and no others. A connection that was gone is
    /// opened again, once.
    async fn as_tenant(
        &self,
        tenant: &TenantKey,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer<Vec<Row>>, Error> {
        let mut kept = self.kept.lock().await;
        let twice = async {
            match ask(&mut kept, tenant, query, parameters).await {
                Err(Error::Unreachable(..)) => ask(&mut kept, tenant, query, parameters).await,
                answered => answered,
            }
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, twice).await {
            Ok(answer) => answer,
            Err(_) => {
                // Its answer may still come, and would be taken for that to the next statement's caller.
                kept.drop_client();
                Err(too_slow(&kept))
            }
        }
    }
}

impl Answer<Vec<Row>> {
    fn each<T>(self, read: impl Fn(&Row) -> T) -> Answer<Vec<T>> {
        Answer { rows: self.rows.iter().map(read).collect(), read_at: self.read_at }
    }
}

fn too_slow(kept: &Kept) -> Error {
    Error::Unreachable(kept.address().server(), "it takes too long to answer".to_owned())
}

async fn ask(
    kept: &mut Kept,
    tenant: &TenantKey,
    query: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Answer<Vec<Row>>, Error> {
    let client = kept.client().await?;
    let answered = async {
        let transaction = client.build_transaction().read_only(true).start().await?;
        // Until the transaction's end, whatever that is. Nothing may come before it.
        transaction.execute("SELECT set_config('app.tenant', $1, true)", &[&tenant.as_str()]).await?;
        let rows = transaction.query(query, parameters).await?;
        let state = transaction.query_opt("SELECT read_at FROM analytics.state", &[]).await?;
        transaction.commit().await?;
        Ok(Answer { rows, read_at: state.map(|row| from_sql(row.get(0))) })
    };
    let answered: Result<_, tokio_postgres::Error> = answered.await;
    answered.map_err(|error| {
        let error = kept.failed(&error);
        if matches!(error, Error::Unreachable(..)) {
            kept.drop_client();
        }
        error
    })
}
