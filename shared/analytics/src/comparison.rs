//! What the nightly comparison asks of the primary: which polls have no copy, and what the copies hold.

use landslide_domain::{ids::PollId, tenant::TenantKey};
use tokio_postgres::Row;

use crate::{error::Error, snapshot::PollSnapshot, writer::Writer};

/// A poll's copy, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollCopy {
    /// The poll.
    pub poll_id: PollId,
    /// The version of the reading. -1 in the row of a poll that was deleted before there was one.
    pub version: i64,
    /// Whether it is deleted. Then all that follows is empty.
    pub is_deleted: bool,
    /// Whose the poll is.
    pub tenant: Option<TenantKey>,
    /// How many votes stand.
    pub ballots: i64,
    /// The votes, by option id.
    pub votes: Vec<i64>,
    /// The ballots of its segments, by dimension and value.
    pub segments: Vec<i64>,
    /// The ballots of its newest row of the history, if it has any.
    pub newest: Option<i64>,
}

impl PollCopy {
    /// Whether it holds what a reading says.
    pub fn is_of(&self, snapshot: &PollSnapshot) -> bool {
        let mut segments: Vec<(&str, &str, i64)> = snapshot
            .segments
            .iter()
            .map(|row| (row.dimension.as_str(), row.value.as_deref().unwrap_or_default(), row.ballots))
            .collect();
        segments.sort_unstable();
        let ballots = i64::try_from(snapshot.ballots).unwrap_or(i64::MAX);
        self.tenant.as_ref() == Some(&snapshot.tenant)
            && self.ballots == ballots
            && self.votes == snapshot.votes
            && self.segments.iter().eq(segments.iter().map(|(_, _, ballots)| ballots))
            && self.newest.is_none_or(|newest| newest == ballots)
    }
}

impl Writer {
    /// Which of these polls have no copy, and are not deleted either.
    pub async fn unknown(&mut self, polls: &[PollId]) -> Result<Vec<PollId>, Error> {
        let select = "SELECT id FROM unnest($1::text[]) AS wanted (id)
            WHERE NOT EXISTS (SELECT FROM analytics.polls p WHERE p.poll_id = id)";
        let ids: Vec<&str> = polls.iter().map(PollId::as_str).collect();
        let client = self.kept.client().await?;
        let rows = client.query(select, &[&ids]).await.map_err(|error| self.kept.failed(&error))?;
        Ok(rows.iter().filter_map(|row| PollId::parse(row.get(0))).collect())
    }

    /// The copies after this poll's, by id, up to `limit` of them.
    pub async fn copies(&mut self, after: Option<&PollId>, limit: u32) -> Result<Vec<PollCopy>, Error> {
        let select = "SELECT p.poll_id, p.version, p.deleted_at IS NOT NULL, p.tenant, coalesce(p.ballots, 0),
                ARRAY(SELECT o.votes FROM analytics.option_counts o WHERE o.poll_id = p.poll_id ORDER BY o.option_id),
                ARRAY(SELECT s.ballots FROM analytics.segment_counts s WHERE s.poll_id = p.poll_id
                    ORDER BY s.dimension COLLATE \"C\", s.value COLLATE \"C\"),
                (SELECT h.ballots FROM analytics.count_history h WHERE h.poll_id = p.poll_id AND h.minute = p.minute)
            FROM analytics.polls p
            WHERE p.poll_id COLLATE \"C\" > $1 ORDER BY p.poll_id COLLATE \"C\" LIMIT $2";
        let after = after.map_or("", PollId::as_str);
        let client = self.kept.client().await?;
        let rows =
            client.query(select, &[&after, &i64::from(limit)]).await.map_err(|error| self.kept.failed(&error))?;
        Ok(rows.iter().filter_map(copy).collect())
    }

    /// Has the next reading replace a copy that is not what it should be, though it says to be as new. Does nothing if the
    /// copy was replaced meanwhile.
    pub async fn reopen(&mut self, copy: &PollCopy, snapshot: &PollSnapshot) -> Result<(), Error> {
        let update =
            "UPDATE analytics.polls SET version = $3 WHERE poll_id = $1 AND version = $2 AND deleted_at IS NULL";
        let before = i64::try_from(snapshot.version).unwrap_or(i64::MAX) - 1;
        let client = self.kept.client().await?;
        let outcome = client.execute(update, &[&copy.poll_id.as_str(), &copy.version, &before]).await;
        outcome.map(drop).map_err(|error| self.kept.failed(&error))
    }
}

/// `None` for an id that no poll can have; none is ever written.
fn copy(row: &Row) -> Option<PollCopy> {
    Some(PollCopy {
        poll_id: PollId::parse(row.get(0))?,
        version: row.get(1),
        is_deleted: row.get(2),
        tenant: row.get::<_, Option<&str>>(3).map(TenantKey::stored),
        ballots: row.get(4),
        votes: row.get(5),
        segments: row.get(6),
        newest: row.get(7),
    })
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        tally::{Count, Counters},
        testing::{at, poll_asked_for},
    };
    use serde_json::json;

    use super::*;
    use crate::snapshot::SegmentCount;

    fn snapshot() -> PollSnapshot {
        let poll = poll_asked_for(json!({"question": "Q", "options": ["a", "b"]}), at(0)).unwrap();
        let counters = [("ballots", 5), ("o0", 2), ("o1", 3)].map(|(name, count)| (name.to_owned(), count));
        let counters = Counters::from_entries(counters);
        let count = Count { version: 3, as_of: Some(at(1)), counters, ..Count::default() };
        let segment = |value: Option<&str>, ballots| SegmentCount {
            dimension: "region".to_owned(),
            value: value.map(str::to_owned),
            ballots,
            votes: vec![],
        };
        PollSnapshot {
            segments: vec![segment(Some("north"), 4), segment(None, 1)],
            ..PollSnapshot::new(&poll, &[count])
        }
    }

    #[test]
    fn a_copy_is_held_against_all_sums_of_a_reading() {
        let snapshot = snapshot();
        let copy = PollCopy {
            poll_id: snapshot.poll_id.clone(),
            version: 4,
            is_deleted: false,
            tenant: Some(snapshot.tenant.clone()),
            ballots: 5,
            votes: vec![2, 3],
            segments: vec![1, 4],
            newest: Some(5),
        };
        assert!(copy.is_of(&snapshot));
        assert!(PollCopy { newest: None, ..copy.clone() }.is_of(&snapshot), "its month may be detached");
        for other in [
            PollCopy { tenant: Some(TenantKey::stored("https://id.example.org other")), ..copy.clone() },
            PollCopy { ballots: 6, ..copy.clone() },
            PollCopy { votes: vec![3, 2], ..copy.clone() },
            PollCopy { votes: vec![2], ..copy.clone() },
            PollCopy { segments: vec![4, 1], ..copy.clone() },
            PollCopy { newest: Some(4), ..copy.clone() },
        ] {
            assert!(!other.is_of(&snapshot), "{other:?}");
        }
    }
}
