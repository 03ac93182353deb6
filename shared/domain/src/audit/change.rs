//! What a change of a poll looks like in the audit log.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Difference, Entry, Object};
use crate::{
    poll::{Rules, Settings},
    tenant::TenantKey,
};

/// A poll's labels, as far as they are known.
type Labels<'a> = Option<&'a [String]>;

/// A new revision of a poll, and the one before.
pub struct PollChange<'a> {
    /// The rules before. If `None`, the poll was created.
    pub before: Option<&'a Rules>,
    /// The rules after.
    pub after: &'a Rules,
    /// The labels before and after, where they are known.
    pub labels: (Labels<'a>, Labels<'a>),
}

impl PollChange<'_> {
    /// The tenants whose logs get the entry: whose poll it was, and whose it is.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantKey> {
        let former = self.before.map(|before| &before.tenant).filter(|former| **former != self.after.tenant);
        former.into_iter().chain([&self.after.tenant])
    }

    /// The entry. A revision has one, however often it is read from the stream.
    pub fn entry(&self) -> Entry {
        let settings = &self.after.settings;
        let (poll_id, revision) = (settings.poll_id.clone(), settings.revision);
        Entry {
            event: format!("{poll_id}#{revision}"),
            stamp: self.after.stamp.clone(),
            object: Object::Poll { poll_id, revision },
            changes: self.differences(),
        }
    }

    fn differences(&self) -> BTreeMap<String, Difference> {
        let (mut before, after) = (self.before.map(shown).unwrap_or_default(), shown(self.after));
        let both = after.into_iter().map(|(name, to)| {
            let from = before.remove(&name).unwrap_or_default();
            (name, Difference { from, to })
        });
        let mut changes: BTreeMap<_, _> = both.filter(|(_, values)| values.from != values.to).collect();
        // Labels whose values are not at hand are named all the same.
        if self.after.options_revision == self.after.settings.revision {
            let (from, to) = self.labels;
            changes.insert("options".to_owned(), Difference { from: from.into(), to: to.into() });
        }
        changes
    }
}

/// What the API shows of the rules, and whose the poll is. Never the salt, nor the seed of the lot, nor the hash of a request.
fn shown(rules: &Rules) -> Map<String, Value> {
    // Texts and numbers: nothing in them can fail to serialise.
    let mut shown = match serde_json::to_value(&rules.settings.spec) {
        Ok(Value::Object(settings)) => settings,
        _ => Map::new(),
    };
    let Settings { paused_from, offered_to, lot_seed_sha256, .. } = &rules.settings;
    let mut insert =
        |name: &str, value: serde_json::Result<Value>| shown.insert(name.to_owned(), value.unwrap_or_default());
    insert("paused_from", serde_json::to_value(paused_from));
    insert("offered_to", serde_json::to_value(offered_to.as_ref().and_then(TenantKey::tenant)));
    insert("lot_seed_sha256", serde_json::to_value(lot_seed_sha256));
    insert("hidden_answers", serde_json::to_value(&rules.hiding));
    insert("copied_from", serde_json::to_value(&rules.copied_from));
    insert("tenant", serde_json::to_value(rules.tenant.tenant()));
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        ballot::Answer,
        ids::PollId,
        member::Action,
        poll::Poll,
        poll::hidden::hide,
        testing::{at, owner, poll_asked_for},
    };

    fn poll(body: Value) -> Poll {
        let mut poll = poll_asked_for(body, at(0)).unwrap();
        poll.rules.stamp = Some(owner().stamp(Action::PollCreated, at(1)));
        poll
    }

    /// The poll's next revision.
    fn changed(poll: &Poll, change: impl FnOnce(&mut Poll)) -> Poll {
        let mut changed = poll.clone();
        changed.rules.settings.revision += 1;
        change(&mut changed);
        changed
    }

    fn differences(before: Option<&Poll>, after: &Poll) -> Value {
        let labels = (before.map(|poll| poll.options.as_slice()), Some(after.options.as_slice()));
        let change = PollChange { before: before.map(|poll| &poll.rules), after: &after.rules, labels };
        serde_json::to_value(change.entry().changes).unwrap()
    }

    #[test]
    fn a_created_poll_has_all_its_settings_from_nothing_and_no_secret() {
        let poll = poll(json!({"question": "Q", "options": ["a", "b"], "closes_at": at(90)}));
        let from_nothing = |to: Value| json!({"from": null, "to": to});
        let tenant = owner().tenant;
        assert_eq!(
            differences(None, &poll),
            json!({
                "question": from_nothing(json!("Q")), "options": from_nothing(json!(["a", "b"])),
                "kind": from_nothing(json!("single")), "max_choices": from_nothing(json!(1)),
                "seats": from_nothing(json!(1)), "min_choices": from_nothing(json!(1)),
                "write_in": from_nothing(json!(false)), "segments": from_nothing(json!([])),
                "min_cell": from_nothing(json!(5)), "series": from_nothing(json!(false)),
                "closes_at": from_nothing(json!(at(90))), "identity": from_nothing(json!("device")),
                "vote_change": from_nothing(json!("never")), "results": from_nothing(json!("always")),
                "peak_votes_per_second": from_nothing(json!(1_000)),
                "own_vote": from_nothing(json!("show")), "devices": from_nothing(json!("own")),
                "embed": from_nothing(json!([])), "listed": from_nothing(json!(false)),
                "tenant": from_nothing(json!({"issuer": tenant.issuer, "kind": "account", "value": tenant.value})),
            })
        );
    }

    #[test]
    fn a_ranked_polls_first_row_has_the_hash_of_its_lots_seed() {
        let poll = poll(json!({"question": "Q", "options": ["a", "b"], "kind": "ranked"}));
        let shown = differences(None, &poll);
        let hash = poll.rules.settings.lot_seed_sha256.unwrap().to_string();
        assert_eq!(shown["lot_seed_sha256"], json!({"from": null, "to": hash}));
        assert!(!shown.as_object().unwrap().contains_key("lot_seed"), "{shown}");
    }

    #[test]
    fn hidden_answers_are_counted_and_not_repeated() {
        let before = poll(json!({"question": "Q", "kind": "text"}));
        let answers = [Answer::stored("a slur").unwrap()];
        let after = hide(&before, &answers, at(5)).unwrap();
        let hidden = json!({"from": null, "to": {"revision": 2, "answers": 1, "since": at(5)}});
        assert_eq!(differences(Some(&before), &after), json!({"hidden_answers": hidden}));
    }

    #[test]
    fn a_changed_poll_has_what_changed_and_nothing_else() {
        let before = poll(json!({"question": "Q", "options": ["a", "b"], "closes_at": at(90)}));
        let after = changed(&before, |poll| {
            poll.rules.settings.spec.question = "R".to_owned();
            poll.rules.settings.spec.closes_at = None;
        });
        assert_eq!(
            differences(Some(&before), &after),
            json!({"question": {"from": "Q", "to": "R"}, "closes_at": {"from": at(90), "to": null}})
        );
    }

    #[test]
    fn labels_are_named_where_they_changed_even_without_their_values() {
        let before = poll(json!({"question": "Q", "options": ["a", "b"]}));
        let after = changed(&before, |poll| {
            poll.options = vec!["a".to_owned(), "c".to_owned()];
            poll.rules.options_revision = 2;
        });
        assert_eq!(differences(Some(&before), &after), json!({"options": {"from": ["a", "b"], "to": ["a", "c"]}}));
        let unknown = PollChange { before: Some(&before.rules), after: &after.rules, labels: (None, None) };
        assert_eq!(
            serde_json::to_value(unknown.entry().changes).unwrap(),
            json!({"options": {"from": null, "to": null}})
        );
    }

    #[test]
    fn a_pause_an_offer_and_the_source_of_a_copy_are_shown() {
        let before = poll(json!({"question": "Q", "options": ["a", "b"]}));
        let after = changed(&before, |poll| {
            poll.rules.settings.paused_from = Some(at(9));
            poll.rules.settings.offered_to = Some(TenantKey::stored("https://id.example.org other"));
            poll.rules.copied_from = PollId::parse("p0");
        });
        let shown = differences(Some(&before), &after);
        assert_eq!(shown["paused_from"], json!({"from": null, "to": at(9)}));
        assert_eq!(shown["offered_to"]["to"]["value"], "other");
        assert_eq!(shown["copied_from"]["to"], "p0");
    }

    #[test]
    fn a_poll_that_went_to_another_tenant_is_in_both_logs() {
        let before = poll(json!({"question": "Q", "options": ["a", "b"]}));
        let after = changed(&before, |poll| poll.rules.tenant = TenantKey::stored("https://id.example.org other"));
        let change = PollChange { before: Some(&before.rules), after: &after.rules, labels: (None, None) };
        assert_eq!(change.tenants().collect::<Vec<_>>(), [&before.rules.tenant, &after.rules.tenant]);
        assert_eq!(change.entry().changes["tenant"].to["value"], "other");
        let edited = changed(&before, |_| {});
        let change = PollChange { before: Some(&before.rules), after: &edited.rules, labels: (None, None) };
        assert_eq!(change.tenants().collect::<Vec<_>>(), [&before.rules.tenant]);
    }

    #[test]
    fn an_event_is_named_by_poll_and_revision() {
        let before = poll(json!({"question": "Q", "options": ["a", "b"]}));
        let after = changed(&before, |_| {});
        let entry = PollChange { before: Some(&before.rules), after: &after.rules, labels: (None, None) }.entry();
        assert_eq!(entry.event, "p1#2");
        assert_eq!(entry.stamp, after.rules.stamp);
    }
}
