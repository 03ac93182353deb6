//! Writing to the primary.

use std::pin::pin;

use aws_types::SdkConfig;
use futures_util::{StreamExt, stream};
use landslide_domain::{ids::PollId, tenant::TenantKey, time::Timestamp};
use tokio_postgres::{
    Client, Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use crate::{
    address::{Address, Side},
    connection::{self, Kept},
    error::Error,
    months::{self, MonthsChanged},
    snapshot::PollSnapshot,
    time::to_sql,
};

/// The most polls that are copied at once. With 100 options of 200 characters each that is 20 MB.
pub const STAGED_POLLS_MAX: usize = 1_000;
/// How many polls are asked for before the first is answered: on one connection the server does one after the other, and
/// never waits for the next.
const APPLIED_AT_ONCE: usize = 32;

const POLLS: &str =
    "COPY pg_temp.staged_polls (poll_id, version, tenant, question, kind, identity, results, created_at,
    opens_at, closes_at, ballots, as_of, is_final, votes) FROM STDIN (FORMAT binary)";
const OPTIONS: &str = "COPY pg_temp.staged_options (poll_id, option_id, label, votes) FROM STDIN (FORMAT binary)";
const SEGMENTS: &str =
    "COPY pg_temp.staged_segments (poll_id, dimension, value, ballots, votes) FROM STDIN (FORMAT binary)";
const HISTORY: &str = "COPY pg_temp.staged_history (poll_id, minute, tenant, version, as_of, ballots, ballots_before,
    votes) FROM STDIN (FORMAT binary)";

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Written,
    /// The same one, or a newer one, is stored already.
    Older,
    /// The poll is deleted.
    Deleted,
}

/// What is stored of a poll, for a comparison with what should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The poll.
    pub poll_id: PollId,
    /// Whose it is. `None` if it is deleted.
    pub tenant: Option<TenantKey>,
    /// The version of the snapshot. 0 if it was deleted before there was one.
    pub version: u64,
    /// How many ballots it has.
    pub ballots: u64,
    /// Whether it is deleted.
    pub is_deleted: bool,
}

/// A row of the history, from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The poll.
    pub poll_id: PollId,
    /// The minute of `as_of`.
    pub minute: Timestamp,
    /// Whose the poll is.
    pub tenant: TenantKey,
    /// The version of the snapshot.
    pub version: u64,
    /// `cast_at` of the newest vote counted.
    pub as_of: Timestamp,
    /// How many ballots it had.
    pub ballots: u64,
    /// How many it had in the row before.
    pub ballots_before: u64,
    /// The votes, by option id.
    pub votes: Vec<i64>,
}

/// Writes snapshots to the primary, over one connection.
pub struct Writer {
    pub(crate) kept: Kept,
}

impl Writer {
    /// Uses the server in the environment's variables. It connects when it is first used.
    pub async fn from_env(aws: &SdkConfig) -> Result<Self, Error> {
        Ok(Self::new(Address::from_env(aws, Side::Write).await?))
    }

    /// Uses this server.
    pub fn new(address: Address) -> Self {
        Self { kept: Kept::new(address, Side::Write) }
    }

    /// Whether the server can be used. The failure says what to do.
    pub async fn check(&mut self) -> Result<(), Error> {
        self.kept.client().await.map(drop)
    }

    /// Writes snapshots, each in a transaction of its own: its poll is replaced whole, or left as it is by one that is not
    /// newer. So a batch that is written again, in part, or after a later one does no harm. The outcomes are in the order
    /// of the snapshots. Fails if the server is gone; what is written by then stays. A poll may be in it once.
    pub async fn write(&mut self, snapshots: &[PollSnapshot]) -> Result<Vec<Result<Written, Error>>, Error> {
        let mut outcomes = Vec::with_capacity(snapshots.len());
        for batch in snapshots.chunks(STAGED_POLLS_MAX) {
            outcomes.extend(self.write_batch(batch).await?);
        }
        Ok(outcomes)
    }

    async fn write_batch(&mut self, batch: &[PollSnapshot]) -> Result<Vec<Result<Written, Error>>, Error> {
        let server = self.kept.address().server();
        let failed = |error: tokio_postgres::Error| Error::of_statement(&server, &error);
        let client = self.kept.client().await?;
        stage(client, batch).await.map_err(failed)?;
        let apply = client.prepare("SELECT analytics.apply($1)").await.map_err(failed)?;
        let asked: Vec<_> = batch.iter().map(|snapshot| apply_one(client, &apply, &snapshot.poll_id)).collect();
        let outcomes = stream::iter(asked).buffered(APPLIED_AT_ONCE);
        let outcomes = outcomes.map(|outcome| outcome.map_err(failed)).collect::<Vec<Result<Written, Error>>>().await;
        // One that is gone would be reported poll by poll.
        match outcomes.into_iter().partition::<Vec<_>, _>(|outcome| !is_gone(outcome)) {
            (outcomes, gone) if gone.is_empty() => Ok(outcomes),
            (_, mut gone) => Err(gone.swap_remove(0).err().unwrap_or(Error::Unreachable(server, "gone".to_owned()))),
        }
    }

    /// Takes a poll out. It leaves a row that no snapshot overwrites, so one that is under way does not bring it back.
    pub async fn delete(&mut self, poll_id: &PollId, at: Timestamp) -> Result<(), Error> {
        let client = self.kept.client().await?;
        let outcome = client.execute("SELECT analytics.delete($1, $2)", &[&poll_id.as_str(), &to_sql(at)]).await;
        outcome.map(drop).map_err(|error| self.kept.failed(&error))
    }

    /// Says that all changes until `read_at` are written: what readers see is as old as this, at most. It never goes back.
    pub async fn read_until(&mut self, read_at: Timestamp) -> Result<(), Error> {
        let client = self.kept.client().await?;
        let upsert = "INSERT INTO analytics.state AS s (read_at) VALUES ($1)
            ON CONFLICT (only_one) DO UPDATE SET read_at = EXCLUDED.read_at WHERE s.read_at < EXCLUDED.read_at";
        let outcome = client.execute(upsert, &[&to_sql(read_at)]).await;
        outcome.map(drop).map_err(|error| self.kept.failed(&error))
    }

    /// What is stored of the polls after this one, by id, up to `limit` of them.
    pub async fn stored(&mut self, after: Option<&PollId>, limit: u32) -> Result<Vec<Stored>, Error> {
        let client = self.kept.client().await?;
        // The ids' order by bytes is that of PollId.
        let select =
            "SELECT poll_id, tenant, version, coalesce(ballots, 0), deleted_at IS NOT NULL FROM analytics.polls
            WHERE poll_id COLLATE \"C\" > $1 ORDER BY poll_id COLLATE \"C\" LIMIT $2";
        let after = after.map_or("", PollId::as_str);
        let rows =
            client.query(select, &[&after, &i64::from(limit)]).await.map_err(|error| self.kept.failed(&error))?;
        Ok(rows.iter().filter_map(stored).collect())
    }

    /// Creates months ahead and detaches old ones, over a connection of its own. Once a day is enough.
    pub async fn keep_months(&mut self, now: Timestamp) -> Result<MonthsChanged, Error> {
        let address = self.kept.address();
        let client = connection::open_checked(address, Side::Write).await?;
        months::keep(&client, &address.server(), now).await
    }

    /// Loads rows of the history that were kept elsewhere, such as those of a database that is replaced. Of two rows of one
    /// poll and minute the greater version wins. Returns how many were written.
    pub async fn load_history(&mut self, rows: impl Iterator<Item = HistoryRow>) -> Result<u64, Error> {
        let server = self.kept.address().server();
        let failed = |error: tokio_postgres::Error| Error::of_statement(&server, &error);
        let client = self.kept.client().await?;
        client.batch_execute("SELECT analytics.stage()").await.map_err(failed)?;
        copy_history(client, rows).await.map_err(failed)?;
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute("SET LOCAL statement_timeout = 0").await.map_err(failed)?;
        let row = transaction.query_one("SELECT analytics.reload_history()", &[]).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }
}

async fn apply_one(client: &Client, apply: &Statement, poll_id: &PollId) -> Result<Written, tokio_postgres::Error> {
    client.query_one(apply, &[&poll_id.as_str()]).await.map(|row| written(row.get(0)))
}

fn is_gone(outcome: &Result<Written, Error>) -> bool {
    matches!(outcome, Err(Error::Unreachable(..)))
}

fn written(word: &str) -> Written {
    match word {
        "written" => Written::Written,
        "deleted" => Written::Deleted,
        _ => Written::Older,
    }
}

/// `None` for an id that no poll can have; none is ever written.
fn stored(row: &tokio_postgres::Row) -> Option<Stored> {
    let (version, ballots): (i64, i64) = (row.get(2), row.get(3));
    Some(Stored {
        poll_id: PollId::parse(row.get(0))?,
        tenant: row.get::<_, Option<&str>>(1).map(TenantKey::stored),
        version: u64::try_from(version).unwrap_or_default(),
        ballots: u64::try_from(ballots).unwrap_or_default(),
        is_deleted: row.get(4),
    })
}

/// Copies a batch into the session's tables, which are emptied first.
async fn stage(client: &Client, batch: &[PollSnapshot]) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("SELECT analytics.stage()").await?;
    copy_polls(client, batch).await?;
    copy_options(client, batch).await?;
    copy_segments(client, batch).await
}

async fn copy_polls(client: &Client, batch: &[PollSnapshot]) -> Result<(), tokio_postgres::Error> {
    const TYPES: [Type; 14] = [
        Type::TEXT,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::BOOL,
        Type::INT8_ARRAY,
    ];
    let mut rows = pin!(BinaryCopyInWriter::new(client.copy_in(POLLS).await?, &TYPES));
    for poll in batch {
        let row: [&(dyn ToSql + Sync); 14] = [
            &poll.poll_id.as_str(),
            &number(poll.version),
            &poll.tenant.as_str(),
            &poll.question,
            &poll.kind,
            &poll.identity,
            &poll.results,
            &to_sql(poll.created_at),
            &poll.opens_at.map(to_sql),
            &poll.closes_at.map(to_sql),
            &number(poll.ballots),
            &poll.as_of.map(to_sql),
            &poll.is_final,
            &poll.votes,
        ];
        rows.as_mut().write(&row).await?;
    }
    rows.finish().await.map(drop)
}

async fn copy_options(client: &Client, batch: &[PollSnapshot]) -> Result<(), tokio_postgres::Error> {
    const TYPES: [Type; 4] = [Type::TEXT, Type::INT2, Type::TEXT, Type::INT8];
    let mut rows = pin!(BinaryCopyInWriter::new(client.copy_in(OPTIONS).await?, &TYPES));
    for poll in batch {
        for ((id, label), votes) in (0i16..).zip(&poll.labels).zip(&poll.votes) {
            rows.as_mut().write(&[&poll.poll_id.as_str(), &id, label, votes]).await?;
        }
    }
    rows.finish().await.map(drop)
}

async fn copy_segments(client: &Client, batch: &[PollSnapshot]) -> Result<(), tokio_postgres::Error> {
    const TYPES: [Type; 5] = [Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8_ARRAY];
    let mut rows = pin!(BinaryCopyInWriter::new(client.copy_in(SEGMENTS).await?, &TYPES));
    for poll in batch {
        for segment in &poll.segments {
            let value = segment.value.as_deref().unwrap_or_default();
            let row: [&(dyn ToSql + Sync); 5] =
                [&poll.poll_id.as_str(), &segment.dimension, &value, &segment.ballots, &segment.votes];
            rows.as_mut().write(&row).await?;
        }
    }
    rows.finish().await.map(drop)
}

async fn copy_history(client: &Client, history: impl Iterator<Item = HistoryRow>) -> Result<(), tokio_postgres::Error> {
    const TYPES: [Type; 8] = [
        Type::TEXT,
        Type::TIMESTAMPTZ,
        Type::TEXT,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::INT8,
        Type::INT8,
        Type::INT8_ARRAY,
    ];
    let mut rows = pin!(BinaryCopyInWriter::new(client.copy_in(HISTORY).await?, &TYPES));
    for row in history {
        let row: [&(dyn ToSql + Sync); 8] = [
            &row.poll_id.as_str(),
            &to_sql(row.minute),
            &row.tenant.as_str(),
            &number(row.version),
            &to_sql(row.as_of),
            &number(row.ballots),
            &number(row.ballots_before),
            &row.votes,
        ];
        rows.as_mut().write(&row).await?;
    }
    rows.finish().await.map(drop)
}

/// The database's numbers end where 292 billion billion votes do.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
