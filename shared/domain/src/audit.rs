//! The audit log: what was done in a tenant's name, row by row. Each row holds the hash of the row before, so that a row
//! that is changed, left out or moved is noticed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{ids::PollId, member::Stamp, tenant::TenantKey};

/// What happened, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The name of what happened. Two entries with one name are the same event, and only one is kept.
    pub event: String,
    /// Who did what, when and in which request. If `None`, the change is from before there were stamps.
    #[serde(flatten)]
    pub stamp: Option<Stamp>,
    /// What it was done to.
    #[serde(flatten)]
    pub object: Object,
    /// The fields that changed, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, Difference>,
}

/// What something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// A poll, at this revision.
    Poll {
        /// The poll's id.
        poll_id: PollId,
        /// Its revision after the change.
        revision: u64,
    },
    /// A view link of a poll.
    View {
        /// The poll's id.
        poll_id: PollId,
        /// The link's id.
        view_id: String,
    },
    /// An API key.
    Key {
        /// The key's id.
        key_id: String,
    },
    /// The tenant itself.
    Tenant {},
}

/// A field's value before and after a change; null if it has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Before.
    pub from: Value,
    /// After.
    pub to: Value,
}

/// The place of a tenant's last row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The row's number. 0 if there is none.
    pub sequence: u64,
    /// Its hash, in hex.
    pub hash: String,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number among the tenant's: 1, 2, …
    pub sequence: u64,
    /// The hash of the row before, in hex.
    pub previous: String,
    /// The entry as JSON, to the letter.
    pub entry: String,
    /// SHA-256 of `previous`, number and `entry`, with a line feed between them, in hex.
    pub hash: String,
}

impl Entry {
    /// What one request did to something that is no poll. The gateway's id of the request names the event.
    pub fn of_request(stamp: Stamp, object: Object) -> Self {
        let event = format!("request#{}", stamp.request_id);
        Self { event, stamp: Some(stamp), object, changes: BTreeMap::new() }
    }
}

impl Tail {
    /// The place before a tenant's first row. It differs from tenant to tenant.
    pub fn start(tenant: &TenantKey) -> Self {
        Self { sequence: 0, hash: hex(&[tenant.as_str()]) }
    }
}

impl Row {
    /// The row that keeps an entry after this place.
    pub fn after(tail: &Tail, entry: &Entry) -> Self {
        let sequence = tail.sequence + 1;
        // Strings, numbers and JSON values: nothing in it can fail to serialise.
        let entry = serde_json::to_string(entry).unwrap_or_default();
        let hash = hash_of(&tail.hash, sequence, &entry);
        Self { sequence, previous: tail.hash.clone(), entry, hash }
    }

    /// The row's place.
    pub fn place(&self) -> Tail {
        Tail { sequence: self.sequence, hash: self.hash.clone() }
    }

    /// What is wrong with the row after this place, if anything.
    pub fn fault_after(&self, tail: &Tail) -> Option<Fault> {
        if self.sequence != tail.sequence + 1 {
            Some(Fault::Missing { from: tail.sequence + 1, to: self.sequence.saturating_sub(1) })
        } else if self.previous != tail.hash {
            Some(Fault::Replaced(tail.sequence))
        } else if self.hash != hash_of(&self.previous, self.sequence, &self.entry) {
            Some(Fault::Changed(self.sequence))
        } else {
            None
        }
    }
}

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
}

fn hash_of(previous: &str, sequence: u64, entry: &str) -> String {
    hex(&[previous, &sequence.to_string(), entry])
}

fn hex(parts: &[&str]) -> String {
    Sha256::digest(parts.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        member::Action,
        testing::{at, owner},
    };

    fn entry(revision: u64) -> Entry {
        let poll_id = PollId::parse("p1").unwrap();
        Entry {
            event: format!("p1#{revision}"),
            stamp: Some(owner().stamp(Action::PollEdited, at(revision))),
            object: Object::Poll { poll_id, revision },
            changes: BTreeMap::from([("question".to_owned(), Difference { from: json!("Q"), to: json!("R") })]),
        }
    }

    fn log(rows: u64) -> Vec<Row> {
        let mut tail = Tail::start(&owner().tenant.key());
        (1..=rows)
            .map(|revision| {
                let row = Row::after(&tail, &entry(revision));
                tail = row.place();
                row
            })
            .collect()
    }

    /// What is wrong with these rows, from a tenant's first on.
    fn faults(rows: &[Row]) -> Vec<Fault> {
        let mut tail = Tail::start(&owner().tenant.key());
        let faults = rows.iter().filter_map(|row| {
            let fault = row.fault_after(&tail);
            tail = row.place();
            fault
        });
        faults.collect()
    }

    #[test]
    fn an_entry_says_who_did_what_to_what() {
        let row = log(1).remove(0);
        assert_eq!(
            serde_json::from_str::<Value>(&row.entry).unwrap(),
            json!({"event": "p1#1", "action": "poll.edited", "at": at(1), "request_id": "r1",
                "author": {"kind": "account", "issuer": "https://id.example.org", "subject": "owner"},
                "poll_id": "p1", "revision": 1, "changes": {"question": {"from": "Q", "to": "R"}}})
        );
    }

    #[test]
    fn a_log_as_it_was_written_has_no_fault() {
        assert_eq!(faults(&log(4)), []);
    }

    #[test]
    fn what_is_changed_left_out_or_moved_is_noticed() {
        let mut changed = log(4);
        changed[1].entry = changed[1].entry.replace("edited", "closed");
        assert_eq!(faults(&changed), [Fault::Changed(2)]);

        let mut rewritten = log(4);
        rewritten[1] = Row::after(&rewritten[0].place(), &entry(9));
        assert_eq!(faults(&rewritten), [Fault::Replaced(2)]);

        let mut without = log(4);
        without.remove(1);
        assert_eq!(faults(&without)[0], Fault::Missing { from: 2, to: 2 });

        let mut moved = log(4);
        moved.swap(1, 2);
        assert!(!faults(&moved).is_empty());
    }

    #[test]
    fn a_row_of_another_tenants_log_does_not_fit() {
        let row = Row::after(&Tail::start(&TenantKey::stored("https://id.example.org other")), &entry(1));
        assert_eq!(faults(&[row]), [Fault::Replaced(0)]);
    }

    #[test]
    fn a_hash_can_be_computed_by_anyone() {
        let row = &log(1)[0];
        let text = format!("{}\n1\n{}", row.previous, row.entry);
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row.hash, hash);
    }
}
