//! Checks a tenant's log: that its rows are those that were written, and that no revision of a poll is missing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Row, Tail};
use crate::{ids::PollId, member::Action, tenant::TenantKey};

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Rows are not there.
    #[error("rows {from} to {to} are missing")]
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// A row is not the one that the next row was written after.
    #[error("row {0} is not the one that the next row names")]
    Replaced(u64),
    /// A row's hash is not that of its content.
    #[error("row {0} is not what it was when it was written")]
    Changed(u64),
    /// A row that somebody noted has another hash, or is not there.
    #[error("row {0} is not the one that was noted")]
    NotAsNoted(u64),
    /// A revision of a poll has no row.
    #[error("revision {revision} of poll {poll_id} has no row")]
    Unlogged {
        /// The poll.
        poll_id: PollId,
        /// The revision.
        revision: u64,
    },
}

/// A check of one tenant's log, row by row from the oldest.
pub struct Check {
    tail: Tail,
    /// A place that somebody noted outside the log.
    noted: Option<Tail>,
    /// The revisions of polls that have rows, and whether a revision moved its poll to another tenant.
    polls: BTreeMap<PollId, BTreeMap<u64, bool>>,
    faults: Vec<Fault>,
    rows: u64,
}

/// What the check reads of an entry.
#[derive(Deserialize)]
struct Logged {
    /// Any, as later versions know others.
    action: Option<Value>,
    poll_id: Option<String>,
    revision: Option<u64>,
}

impl Check {
    /// A check of this tenant's log. If a row's place was noted outside the log, the row must still be the same.
    pub fn new(tenant: &TenantKey, noted: Option<Tail>) -> Self {
        Self { tail: Tail::start(tenant), noted, polls: BTreeMap::new(), faults: Vec::new(), rows: 0 }
    }

    /// Checks the next row. `is_oldest` says that all rows before it may have expired.
    pub fn row(&mut self, row: &Row, is_oldest: bool) {
        if row.sequence == self.tail.sequence + 1 {
            if row.previous != self.tail.hash {
                self.faults.push(Fault::Replaced(self.tail.sequence));
            }
        } else if is_oldest {
            self.polls.clear();
        } else {
            self.faults.push(Fault::Missing { from: self.tail.sequence + 1, to: row.sequence.saturating_sub(1) });
        }
        if !row.is_as_written() {
            self.faults.push(Fault::Changed(row.sequence));
        }
        if let Some(noted) = self.noted.take_if(|noted| noted.sequence == row.sequence)
            && noted.hash != row.hash
        {
            self.faults.push(Fault::NotAsNoted(row.sequence));
        }
        self.note_revision(&row.entry);
        self.tail = row.place();
        self.rows += 1;
    }

    fn note_revision(&mut self, entry: &str) {
        // What is no entry was changed, and the hash has said so.
        if let Ok(Logged { action, poll_id: Some(poll_id), revision: Some(revision) }) = serde_json::from_str(entry)
            && let Some(poll_id) = PollId::parse(&poll_id)
        {
            let is_transfer = action == serde_json::to_value(Action::PollTransferred).ok();
            self.polls.entry(poll_id).or_default().insert(revision, is_transfer);
        }
    }

    /// Whether a poll's revision has a row.
    pub fn has(&self, poll: &PollId, revision: u64) -> bool {
        self.polls.get(poll).is_some_and(|revisions| revisions.contains_key(&revision))
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The place of the last row.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// All that is wrong. A poll's revisions between two rows must have rows too, unless it was another tenant's.
    pub fn faults(&self) -> Vec<Fault> {
        let not_seen = self.noted.iter().map(|noted| Fault::NotAsNoted(noted.sequence));
        let unlogged = self.polls.iter().flat_map(|(poll_id, revisions)| {
            let gaps = revisions.iter().zip(revisions.iter().skip(1));
            let gaps = gaps.filter(|((_, left), (_, came))| !(**left && **came));
            gaps.flat_map(|((from, _), (to, _))| from + 1..*to)
                .map(|revision| Fault::Unlogged { poll_id: poll_id.clone(), revision })
        });
        self.faults.iter().cloned().chain(not_seen).chain(unlogged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{Entry, Object},
        testing::{at, owner},
    };

    fn poll_id() -> PollId {
        PollId::parse("p1").unwrap()
    }

    fn tenant() -> TenantKey {
        owner().tenant.key()
    }

    fn entry(action: Action, revision: u64) -> Entry {
        Entry {
            event: format!("p1#{revision}"),
            stamp: Some(owner().stamp(action, at(revision))),
            object: Object::Poll { poll_id: poll_id(), revision },
            changes: BTreeMap::new(),
        }
    }

    fn written(entries: impl IntoIterator<Item = Entry>) -> Vec<Row> {
        let mut tail = Tail::start(&tenant());
        let rows = entries.into_iter().map(|entry| {
            let row = Row::after(&tail, &entry);
            tail = row.place();
            row
        });
        rows.collect()
    }

    /// A log of the poll's first revisions.
    fn log(rows: u64) -> Vec<Row> {
        written((1..=rows).map(|revision| entry(Action::PollEdited, revision)))
    }

    fn checked(rows: &[Row], noted: Option<Tail>) -> Check {
        let mut check = Check::new(&tenant(), noted);
        rows.iter().for_each(|row| check.row(row, false));
        check
    }

    fn faults(rows: &[Row]) -> Vec<Fault> {
        checked(rows, None).faults()
    }

    fn unlogged(revision: u64) -> Fault {
        Fault::Unlogged { poll_id: poll_id(), revision }
    }

    #[test]
    fn a_log_as_it_was_written_has_no_fault() {
        let check = checked(&log(4), None);
        assert_eq!((check.faults(), check.rows()), (vec![], 4));
        assert_eq!(check.tail(), &log(4)[3].place());
        assert_eq!([3, 4, 5].map(|revision| check.has(&poll_id(), revision)), [true, true, false]);
    }

    #[test]
    fn what_is_changed_left_out_or_moved_is_noticed() {
        let mut changed = log(4);
        changed[1].entry = changed[1].entry.replace("edited", "closed");
        assert_eq!(faults(&changed), [Fault::Changed(2)]);

        let mut rewritten = log(4);
        rewritten[1] = Row::after(&rewritten[0].place(), &entry(Action::PollClosed, 2));
        assert_eq!(faults(&rewritten), [Fault::Replaced(2)]);

        let mut without = log(4);
        without.remove(1);
        assert_eq!(faults(&without), [Fault::Missing { from: 2, to: 2 }, unlogged(2)]);

        let mut moved = log(4);
        moved.swap(1, 2);
        assert!(!faults(&moved).is_empty());
    }

    #[test]
    fn a_row_that_is_changed_after_a_gap_is_noticed_too() {
        let mut rows = log(4);
        rows[2].entry = rows[2].entry.replace("edited", "closed");
        rows.remove(1);
        let all = faults(&rows);
        assert!(all.contains(&Fault::Missing { from: 2, to: 2 }) && all.contains(&Fault::Changed(3)), "{all:?}");
    }

    #[test]
    fn a_row_of_another_tenants_log_does_not_fit() {
        let other = Tail::start(&TenantKey::stored("https://id.example.org other"));
        assert_eq!(faults(&[Row::after(&other, &entry(Action::PollEdited, 1))]), [Fault::Replaced(0)]);
    }

    #[test]
    fn the_oldest_rows_may_expire_in_any_order() {
        let mut check = Check::new(&tenant(), None);
        log(6).iter().skip(3).for_each(|row| check.row(row, row.sequence == 4));
        assert_eq!(check.faults(), []);
        let mut check = Check::new(&tenant(), None);
        log(6).iter().filter(|row| row.sequence != 2).for_each(|row| check.row(row, row.sequence < 4));
        assert_eq!(check.faults(), []);
    }

    #[test]
    fn a_log_that_was_cut_or_rewritten_whole_differs_from_what_was_noted() {
        let noted = log(3)[2].place();
        assert_eq!(checked(&log(4), Some(noted.clone())).faults(), []);
        assert_eq!(checked(&log(2), Some(noted.clone())).faults(), [Fault::NotAsNoted(3)]);
        let rewritten = written((1..=4).map(|revision| entry(Action::PollClosed, revision)));
        assert_eq!(faults(&rewritten), [], "by itself it is a log like any other");
        assert_eq!(checked(&rewritten, Some(noted)).faults(), [Fault::NotAsNoted(3)]);
    }

    #[test]
    fn a_revision_without_a_row_is_noticed_unless_the_poll_was_another_tenants() {
        let with = |revisions: &[(Action, u64)]| {
            faults(&written(revisions.iter().map(|(action, revision)| entry(*action, *revision))))
        };
        let (edited, moved) = (Action::PollEdited, Action::PollTransferred);
        assert_eq!(with(&[(edited, 2), (edited, 5)]), [unlogged(3), unlogged(4)]);
        assert_eq!(with(&[(edited, 1), (edited, 3), (edited, 2)]), [], "in another order");
        assert_eq!(with(&[(edited, 1), (moved, 2), (moved, 5), (edited, 6)]), []);
        assert_eq!(with(&[(edited, 1), (moved, 2), (edited, 5)]), [unlogged(3), unlogged(4)]);
    }
}
