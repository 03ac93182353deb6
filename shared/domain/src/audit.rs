//! The audit log: what was done in a tenant's name, row by row. Each row holds the hash of the row before, so that a row
//! that is changed, left out or moved is noticed.

mod change;
mod check;
pub mod cursor;
mod limits;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::{
    change::PollChange,
    check::{Check, Fault},
};
use crate::{ids::PollId, member::Stamp, tenant::TenantKey, time::DAY_MS};

/// How long a row is kept.
pub const ROW_LIFE_MS: u64 = 400 * DAY_MS;

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

    /// The bytes of its JSON.
    pub fn size(&self) -> usize {
        self.json().len()
    }

    fn json(&self) -> String {
        // Strings, numbers and JSON values: nothing in it can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
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
        let entry = entry.json();
        let hash = hash_of(&tail.hash, sequence, &entry);
        Self { sequence, previous: tail.hash.clone(), entry, hash }
    }

    /// The row's place.
    pub fn place(&self) -> Tail {
        Tail { sequence: self.sequence, hash: self.hash.clone() }
    }

    /// Whether the hash is that of the content.
    fn is_as_written(&self) -> bool {
        self.hash == hash_of(&self.previous, self.sequence, &self.entry)
    }
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

    #[test]
    fn a_row_is_kept_for_four_hundred_days() {
        assert_eq!(ROW_LIFE_MS, 34_560_000_000);
    }

    #[test]
    fn an_entrys_size_is_that_of_its_json() {
        assert_eq!(entry(1).size(), serde_json::to_vec(&entry(1)).unwrap().len());
    }

    fn entry(revision: u64) -> Entry {
        let poll_id = PollId::parse("p1").unwrap();
        Entry {
            event: format!("p1#{revision}"),
            stamp: Some(owner().stamp(Action::PollEdited, at(revision))),
            object: Object::Poll { poll_id, revision },
            changes: BTreeMap::from([("question".to_owned(), Difference { from: json!("Q"), to: json!("R") })]),
        }
    }

    #[test]
    fn an_entry_says_who_did_what_to_what() {
        let row = Row::after(&Tail::start(&owner().tenant.key()), &entry(1));
        assert_eq!(
            serde_json::from_str::<Value>(&row.entry).unwrap(),
            json!({"event": "p1#1", "action": "poll.edited", "at": at(1), "request_id": "r1",
                "author": {"kind": "account", "issuer": "https://id.example.org", "subject": "owner"},
                "poll_id": "p1", "revision": 1, "changes": {"question": {"from": "Q", "to": "R"}}})
        );
    }

    #[test]
    fn a_hash_can_be_computed_by_anyone() {
        let row = Row::after(&Tail::start(&owner().tenant.key()), &entry(1));
        let text = format!("{}\n1\n{}", row.previous, row.entry);
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row.hash, hash);
        assert!(row.is_as_written());
    }

    #[test]
    fn tenants_logs_begin_with_other_hashes() {
        let tenants = ["https://id.example.org alice", "https://id.example.org bob"].map(TenantKey::stored);
        let [alice, bob] = tenants.each_ref().map(Tail::start);
        assert_ne!(alice.hash, bob.hash);
        assert_eq!((alice.sequence, alice.hash.len()), (0, 64));
    }
}
