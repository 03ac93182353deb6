//! What a change of a tenant's limits looks like in the audit log.

use super::{Difference, Entry, Object};
use crate::{limits::OwnLimits, member::Stamp};

impl Entry {
    /// A tenant's own limits have changed. A limit that it has no longer, or did not have, is null.
    pub fn limits_set(stamp: Stamp, before: &OwnLimits, after: &OwnLimits) -> Self {
        let changes = [
            ("polls_per_day", before.polls_per_day, after.polls_per_day),
            ("open_polls", before.open_polls, after.open_polls),
            ("requests_per_minute", before.requests_per_minute, after.requests_per_minute),
        ];
        let changes = changes.into_iter().filter(|(_, from, to)| from != to);
        let changes =
            changes.map(|(name, from, to)| (name.to_owned(), Difference { from: from.into(), to: to.into() }));
        Self { changes: changes.collect(), ..Self::of_request(stamp, Object::Tenant {}) }
    }
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
    fn the_limits_that_have_changed_are_named() {
        let before = OwnLimits { open_polls: Some(6), requests_per_minute: Some(9), ..OwnLimits::default() };
        let after = OwnLimits { polls_per_day: Some(5), open_polls: None, ..before };
        let entry = Entry::limits_set(owner().stamp(Action::LimitsSet, at(1)), &before, &after);
        let shown = serde_json::to_value(entry).unwrap();
        assert_eq!(
            (&shown["event"], &shown["action"], &shown["changes"]),
            (
                &json!("request#r1"),
                &json!("limits.set"),
                &json!({"polls_per_day": {"from": null, "to": 5}, "open_polls": {"from": 6, "to": null}})
            )
        );
    }
}
